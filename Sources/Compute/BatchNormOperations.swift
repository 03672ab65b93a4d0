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
        let partial = unsafe shared.assumingMemoryBound(to: Double.self)
        var request = unsafe BatchNormRequest(rows: rows, channels: channels, x: x, y: y, partial: partial)
        unsafe request.momentum = momentum
        unsafe request.epsilon = epsilon
        unsafe request.unbiased = unbiased
        unsafe request.scale = unsafe scale
        unsafe request.shift = unsafe shift
        unsafe request.moving = unsafe moving
        unsafe request.saved = unsafe saved
        unsafe sums(.batchNormMoments, .batchNormStatistics, &request)
        let pieces = unsafe request.cut.pieces
        unsafe run(.batchNormApply, on: &request, pieces: pieces, nanoseconds: rows * channels / 6)
    }

    /// The same with mean and variance that are given.
    package func batchNormInference(
        rows: Int, channels: Int, epsilon: Float, x: UnsafePointer<Float>, scale: UnsafePointer<Float>?,
        shift: UnsafePointer<Float>?, moving: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>
    ) {
        let partial = unsafe shared.assumingMemoryBound(to: Double.self)
        var request = unsafe BatchNormRequest(rows: rows, channels: channels, x: x, y: y, partial: partial)
        unsafe request.epsilon = epsilon
        unsafe request.scale = unsafe scale
        unsafe request.shift = unsafe shift
        unsafe request.moving = UnsafeMutablePointer(mutating: moving)
        let pieces = unsafe request.cut.pieces
        unsafe run(.batchNormInference, on: &request, pieces: pieces, nanoseconds: rows * channels / 6)
    }

    /// The gradients of `batchNorm`, from its input and what it saved. `out` may be `gradient`.
    package func batchNormBackward(
        rows: Int, channels: Int, x: UnsafePointer<Float>, scale: UnsafePointer<Float>?, saved: UnsafePointer<Float>,
        gradient: UnsafePointer<Float>, scaleGradient: UnsafeMutablePointer<Float>?,
        shiftGradient: UnsafeMutablePointer<Float>?, out: UnsafeMutablePointer<Float>
    ) {
        let partial = unsafe shared.assumingMemoryBound(to: Double.self)
        var request = unsafe BatchNormRequest(rows: rows, channels: channels, x: x, y: out, partial: partial)
        unsafe request.scale = unsafe scale
        unsafe request.saved = UnsafeMutablePointer(mutating: saved)
        unsafe request.gradient = unsafe gradient
        unsafe request.scaleGradient = unsafe scaleGradient
        unsafe request.shiftGradient = unsafe shiftGradient
        // What the sums come to is needed by the pass over the elements, a slab of channels at a time.
        for first in stride(from: 0, to: channels, by: ColumnParts.slab) {
            unsafe request.firstChannel = first
            unsafe request.channelCount = min(channels - first, ColumnParts.slab)
            let (count, parts, pieces) = unsafe (request.channelCount, request.parts.pieces, request.cut.pieces)
            unsafe run(.batchNormGradientSums, on: &request, pieces: parts, nanoseconds: rows * count / 6)
            unsafe run(.batchNormGradientTotals, on: &request, pieces: 1, nanoseconds: count * parts / 4)
            unsafe run(.batchNormBackward, on: &request, pieces: pieces, nanoseconds: rows * count / 5)
        }
    }

    private func sums(_ part: Kernel, _ total: Kernel, _ request: inout BatchNormRequest) {
        let (rows, channels) = unsafe (request.rows, request.channels)
        for first in stride(from: 0, to: channels, by: ColumnParts.slab) {
            unsafe request.firstChannel = first
            unsafe request.channelCount = min(channels - first, ColumnParts.slab)
            let (count, parts) = unsafe (request.channelCount, request.parts.pieces)
            unsafe run(part, on: &request, pieces: parts, nanoseconds: rows * count / 6)
            unsafe run(total, on: &request, pieces: 1, nanoseconds: count * parts / 4)
        }
    }
}
