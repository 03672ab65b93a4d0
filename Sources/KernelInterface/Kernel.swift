// The kernels of models' operations by number, what one is and may use, and what it is asked. Each request is a struct in
// a file of its name; the twins of Kernels name the functions in their Table.swift.

/// The kernels of models' operations.
package enum Kernel {
    // Elements, rows and images.
    case activation, activationBackward
    case softmax, softmaxBackward
    case normalization
    case dropout, noise, randomWords
    case sums, total
    case columnSums, columnTotals
    case batchNormMoments, batchNormStatistics, batchNormApply
    case batchNormGradientSums, batchNormGradientTotals, batchNormBackward
    case maxPool, maxPoolBackward
    case averagePool, averagePoolBackward
    case globalAverage, globalAverageBackward
    case layerNorm, layerNormProducts, layerNormBackward
    case groupNorm, groupNormBackward
    case permute, gather, imageShift, imageMove
    case combination, rowCopy
    case embedding, embeddingBackward, embeddingRows
    case loss, rowAccuracy, rowErrors
    // Products and convolutions.
    case product, productSum, productTurned
    case slide, weightPanels, weightGradient, fold
    case peakWeights, peakImage
    case depthwise, depthwiseWeights
    case recurrence, attentionWeights, attentionSteps
    // Matrices.
    case turn, symmetric, rowSquares
    case reflect, tridiagonal, rotate
}

/// An operation of models, or a part of one that runs by itself: where its arrays lie, the kernel that does it, and how it
/// is cut. Sizes and addresses have been checked; arrays are contiguous fp32 where nothing else is said, and what is read
/// overlaps nothing that is written, but where it says so.
package protocol PieceRequest: BitwiseCopyable {
    static var kernel: Kernel { get }
    /// How many pieces there are.
    var pieces: Int { get }
    /// About how long one thread takes for all of them, which decides who is woken.
    var nanoseconds: Int { get }
}

/// A kernel: does one piece of a request of its own type. What is summed in one piece depends on shapes alone; pieces write
/// apart from one another, and may be done in any order, on any threads.
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
