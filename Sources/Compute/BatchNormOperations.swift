// Batch normalisation over rows x channels, as Keras and torch define it. Sums are kept for blocks of rows whose bounds
// depend on the shape alone, and added up in fp64. Nothing is checked.
import MartletKernelInterface

extension Execution {
    /// y = (x - mean) / sqrt(variance + epsilon) * scale + shift, with the batch's own mean and variance (of n, not
    /// n - 1). Writes mean and 1 / sqrt(variance + epsilon) to `saved`, and moves `moving`, mean and variance, towards
    /// the batch's: moving = momentum * moving + (1 - momentum) * batch, where `unbiased` takes the variance of n - 1.
    package func batchNorm(
        rows: Int, channels: Int, momentum: Double, epsilon: Float, unbiased: Bool, x: UnsafePointer<Float>,
        scale: UnsafePointer<Float>?, shift: UnsafePointer<Float>?, moving: UnsafeMutablePointer<Float>,
        saved: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>
    ) {
        unsafe forEachSlab(rows: rows, columns: channels) { slab in
            unsafe run(BatchNormMomentsRequest(slab, x: x))
            unsafe run(
                BatchNormStatisticsRequest(
                    slab, momentum: momentum, epsilon: epsilon, unbiased: unbiased, moving: moving, saved: saved))
        }
        unsafe run(
            BatchNormApplyRequest(
                rows: rows, channels: channels, statistics: saved, epsilon: nil, x: x, scale: scale, shift: shift, y: y)
        )
    }

    /// The gradients of `batchNorm`, from its input and what it saved. `out` may be `gradient`.
    package func batchNormBackward(
        rows: Int, channels: Int, x: UnsafePointer<Float>, scale: UnsafePointer<Float>?, saved: UnsafePointer<Float>,
        gradient: UnsafePointer<Float>, scaleGradient: UnsafeMutablePointer<Float>?,
        shiftGradient: UnsafeMutablePointer<Float>?, out: UnsafeMutablePointer<Float>
    ) {
        unsafe forEachSlab(rows: rows, columns: channels) { slab in
            unsafe run(BatchNormGradientSumsRequest(slab, x: x, saved: saved, gradient: gradient))
            unsafe run(
                BatchNormGradientTotalsRequest(
                    slab, saved: saved, scaleGradient: scaleGradient, shiftGradient: shiftGradient))
            unsafe run(
                BatchNormBackwardRequest(slab, x: x, scale: scale, saved: saved, gradient: gradient, out: out))
        }
    }
}
