// The table of kernels: one entry for each update rule, and one for each operation of models, compiled once per
// instruction set. Each twin of the kernels fills one table; Compute chooses among them.

/// The update rules that kernels implement; the raw value is the place in the table.
package enum Rule: Int, CaseIterable {
    case adam = 0
}

/// A rule's loop over one run of elements: reads `Run` and the rule's own coefficient struct.
///
/// A C function pointer, so that a table is plain data: calling it retains nothing.
package typealias Sweep = @convention(c) (_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) -> Void

/// A kernel that does one piece of a request: an operation of models, whose struct says how many pieces it has. What
/// is summed in one piece depends on shapes alone; pieces write apart from one another, and may be done in any order, on
/// any threads.
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

    // Elements, rows and images: Execution's methods of about the same names.
    package var activate: PieceKernel
    package var activateBackward: PieceKernel
    package var softmax: PieceKernel
    package var softmaxBackward: PieceKernel
    package var columnSums: PieceKernel
    package var columnTotals: PieceKernel
    package var normalize: PieceKernel
    package var dropout: PieceKernel
    package var randomWords: PieceKernel
    package var sums: PieceKernel
    package var total: PieceKernel
    package var maxPool: PieceKernel
    package var maxPoolBackward: PieceKernel
    package var averagePool: PieceKernel
    package var averagePoolBackward: PieceKernel
    package var globalAverage: PieceKernel
    package var globalAverageBackward: PieceKernel
    package var permute: PieceKernel
    package var gather: PieceKernel
    package var batchNormMoments: PieceKernel
    package var batchNormStatistics: PieceKernel
    package var batchNormApply: PieceKernel
    package var batchNormInference: PieceKernel
    package var batchNormGradientSums: PieceKernel
    package var batchNormGradientTotals: PieceKernel
    package var batchNormBackward: PieceKernel
    package var loss: PieceKernel
    package var rowAccuracy: PieceKernel
    package var rowErrors: PieceKernel

    // Products: of a `ProductRequest`, one piece of it, one row of the sum of inner pieces, and one piece by way of the
    // transpose.
    package var product: PieceKernel
    package var productSum: PieceKernel
    package var productTurned: PieceKernel
    package var fold: PieceKernel
    // Convolutions: pieces of the requests of their names.
    package var slide: PieceKernel
    package var weightPanels: PieceKernel
    package var weightGradient: PieceKernel

    @inline(__always)
    package init(
        adam: Sweep,
        activate: PieceKernel,
        activateBackward: PieceKernel,
        softmax: PieceKernel,
        softmaxBackward: PieceKernel,
        columnSums: PieceKernel,
        columnTotals: PieceKernel,
        normalize: PieceKernel,
        dropout: PieceKernel,
        randomWords: PieceKernel,
        sums: PieceKernel,
        total: PieceKernel,
        maxPool: PieceKernel,
        maxPoolBackward: PieceKernel,
        averagePool: PieceKernel,
        averagePoolBackward: PieceKernel,
        globalAverage: PieceKernel,
        globalAverageBackward: PieceKernel,
        permute: PieceKernel,
        gather: PieceKernel,
        batchNormMoments: PieceKernel,
        batchNormStatistics: PieceKernel,
        batchNormApply: PieceKernel,
        batchNormInference: PieceKernel,
        batchNormGradientSums: PieceKernel,
        batchNormGradientTotals: PieceKernel,
        batchNormBackward: PieceKernel,
        loss: PieceKernel,
        rowAccuracy: PieceKernel,
        rowErrors: PieceKernel,
        product: PieceKernel,
        productSum: PieceKernel,
        productTurned: PieceKernel,
        fold: PieceKernel,
        slide: PieceKernel,
        weightPanels: PieceKernel,
        weightGradient: PieceKernel
    ) {
        unsafe self.sweeps = [adam]
        unsafe self.activate = unsafe activate
        unsafe self.activateBackward = unsafe activateBackward
        unsafe self.softmax = unsafe softmax
        unsafe self.softmaxBackward = unsafe softmaxBackward
        unsafe self.columnSums = unsafe columnSums
        unsafe self.columnTotals = unsafe columnTotals
        unsafe self.normalize = unsafe normalize
        unsafe self.dropout = unsafe dropout
        unsafe self.randomWords = unsafe randomWords
        unsafe self.sums = unsafe sums
        unsafe self.total = unsafe total
        unsafe self.maxPool = unsafe maxPool
        unsafe self.maxPoolBackward = unsafe maxPoolBackward
        unsafe self.averagePool = unsafe averagePool
        unsafe self.averagePoolBackward = unsafe averagePoolBackward
        unsafe self.globalAverage = unsafe globalAverage
        unsafe self.globalAverageBackward = unsafe globalAverageBackward
        unsafe self.permute = unsafe permute
        unsafe self.gather = unsafe gather
        unsafe self.batchNormMoments = unsafe batchNormMoments
        unsafe self.batchNormStatistics = unsafe batchNormStatistics
        unsafe self.batchNormApply = unsafe batchNormApply
        unsafe self.batchNormInference = unsafe batchNormInference
        unsafe self.batchNormGradientSums = unsafe batchNormGradientSums
        unsafe self.batchNormGradientTotals = unsafe batchNormGradientTotals
        unsafe self.batchNormBackward = unsafe batchNormBackward
        unsafe self.loss = unsafe loss
        unsafe self.rowAccuracy = unsafe rowAccuracy
        unsafe self.rowErrors = unsafe rowErrors
        unsafe self.product = unsafe product
        unsafe self.productSum = unsafe productSum
        unsafe self.productTurned = unsafe productTurned
        unsafe self.fold = unsafe fold
        unsafe self.slide = unsafe slide
        unsafe self.weightPanels = unsafe weightPanels
        unsafe self.weightGradient = unsafe weightGradient
    }
}
