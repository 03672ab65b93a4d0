// The kernels of models' operations by number, and what one is and may use. Requests say which they are for; the twins
// of the kernels name the functions in their Table.swift.

/// The kernels of models' operations.
package enum Kernel: CaseIterable {
    // Elements, rows and images.
    case activate, activateBackward
    case softmax, softmaxBackward
    case columnSums, columnTotals
    case normalize
    case dropout, randomWords
    case sums, total
    case maxPool, maxPoolBackward
    case averagePool, averagePoolBackward
    case globalAverage, globalAverageBackward
    case permute, gather
    case batchNormMoments, batchNormStatistics, batchNormApply, batchNormInference
    case batchNormGradientSums, batchNormGradientTotals, batchNormBackward
    case loss, rowAccuracy, rowErrors
    // Products and convolutions.
    case product, productSum, productTurned
    case slide, weightPanels, weightGradient, fold
}

/// A kernel that does one piece of a request: an operation of models, whose struct says how many pieces it has. What
/// is summed in one piece depends on shapes alone; pieces write apart from one another, and may be done in any order, on
/// any threads.
///
/// `scratch` is `PieceScratch.byteCount` bytes of the thread's own, aligned to 64, with any content. A C function
/// pointer: calling it retains nothing.
package typealias PieceKernel =
    @convention(c) (
        _ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer
    ) -> Void

/// The memory that a piece may use as it works.
package enum PieceScratch {
    @inline(__always)
    package static var byteCount: Int { 1 << 20 }
}
