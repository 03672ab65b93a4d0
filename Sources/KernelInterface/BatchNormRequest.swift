// The request for batch normalisation over rows x channels, in training and in use, and its gradient. It is done in up
// to three runs: sums over blocks of rows, what follows from them for each channel, and the elements. The arithmetic is
// in Kernels/BatchNorm.swift.

@unsafe package struct BatchNormRequest: BitwiseCopyable {
    package var rows: Int
    package var channels: Int
    /// The channels of this run.
    package var firstChannel = 0
    package var channelCount = 0
    package var momentum = 0.0
    package var epsilon: Float = 0
    package var unbiased = false
    package var x: UnsafePointer<Float>
    package var scale: UnsafePointer<Float>?
    package var shift: UnsafePointer<Float>?
    /// mean and variance, `channels` each.
    package var moving: UnsafeMutablePointer<Float>?
    /// mean and 1 / deviation, `channels` each.
    package var saved: UnsafeMutablePointer<Float>?
    package var gradient: UnsafePointer<Float>?
    package var scaleGradient: UnsafeMutablePointer<Float>?
    package var shiftGradient: UnsafeMutablePointer<Float>?
    package var y: UnsafeMutablePointer<Float>
    /// For each part of the rows, two sums in fp64 for each channel of the run.
    package var partial: UnsafeMutablePointer<Double>
    /// The runs of rows that partial sums are kept for (``ColumnParts``).
    package var parts: Cut
    /// The runs of rows of the elements' pass.
    package var cut: Cut

    package init(
        rows: Int, channels: Int, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>,
        partial: UnsafeMutablePointer<Double>
    ) {
        unsafe self.rows = rows
        unsafe self.channels = channels
        unsafe self.x = unsafe x
        unsafe self.y = unsafe y
        unsafe self.partial = unsafe partial
        unsafe parts = ColumnParts.cut(rows: rows, columns: channels)
        unsafe cut = Cut(channels == 0 ? 0 : rows, by: 16_384 / max(channels, 1))
    }
}
