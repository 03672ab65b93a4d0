// The table of kernels: one entry for each update rule, compiled once per instruction set. Each twin of the kernels
// fills one table; Compute chooses among them.

/// The update rules that kernels implement; the raw value is the place in the table.
package enum Rule: Int, CaseIterable {
    case adam = 0
}

/// A rule's loop over one run of elements: reads `Operands` and the rule's own coefficient struct.
///
/// A C function pointer, so that a table is plain data: calling it retains nothing.
package typealias Sweep = @convention(c) (_ operands: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) -> Void

/// The kernels of one instruction set.
@unsafe package struct KernelTable {
    package var sweeps: InlineArray<1, Sweep>

    @inline(__always)
    package init(adam: Sweep) {
        unsafe self.sweeps = [adam]
    }
}
