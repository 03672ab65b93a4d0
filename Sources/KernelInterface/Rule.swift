// The update rules by number, and what the loop of one is. What it works on stands in Operands.swift; the twins of the
// kernels name the loops in their Table.swift.

/// The update rules that kernels implement.
package enum Rule: Int, CaseIterable {
    case adam = 0
}

/// A rule's loop over one run of elements: reads `Operands` and the rule's own coefficient struct.
///
/// A C function pointer: calling it retains nothing.
package typealias Sweep = @convention(c) (_ operands: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) -> Void
