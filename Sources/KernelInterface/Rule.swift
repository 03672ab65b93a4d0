// The table of kernels: one entry for each update rule, and one for each operation of models, compiled once per
// instruction set. Each twin of the kernels fills one table; Compute chooses among them.

/// The update rules that kernels implement; the raw value is the place in the table.
package enum Rule: Int, CaseIterable {
    case adam = 0
}

/// A rule's loop over one run of elements: reads `Operands` and the rule's own coefficient struct.
///
/// A C function pointer, so that a table is plain data: calling it retains nothing.
package typealias Sweep = @convention(c) (_ operands: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) -> Void

/// A kernel that does one piece of a request: an operation of models, whose struct says how many pieces it has. Which
/// pieces there are depends on shapes alone; they write apart from one another, and may be done in any order, on any
/// threads.
///
/// `scratch` is `PieceScratch.byteCount` bytes of the thread's own, aligned to 64, with any content.
package typealias PieceKernel =
    @convention(c) (
        _ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer
    ) -> Void

/// The memory that a piece may use as it works.
package enum PieceScratch {
    @inline(__always)
    package static var byteCount: Int { 1 << 20 }
}

/// The kernels of one instruction set.
@unsafe package struct KernelTable {
    package var sweeps: InlineArray<1, Sweep>

    // Products: of a `ProductRequest`, one piece of it, and one row of the sum of inner pieces.
    package var product: PieceKernel
    package var productSum: PieceKernel
    // Convolutions: pieces of the requests of their names.
    package var slide: PieceKernel
    package var weightPanels: PieceKernel
    package var weightGradient: PieceKernel

    @inline(__always)
    package init(
        adam: Sweep,
        product: PieceKernel,
        productSum: PieceKernel,
        slide: PieceKernel,
        weightPanels: PieceKernel,
        weightGradient: PieceKernel
    ) {
        unsafe self.sweeps = [adam]
        unsafe self.product = unsafe product
        unsafe self.productSum = unsafe productSum
        unsafe self.slide = unsafe slide
        unsafe self.weightPanels = unsafe weightPanels
        unsafe self.weightGradient = unsafe weightGradient
    }
}
