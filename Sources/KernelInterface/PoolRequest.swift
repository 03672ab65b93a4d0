// The request for pooling over images and its gradient. The arithmetic is in Kernels/Pooling.swift.

@unsafe package struct PoolRequest: BitwiseCopyable {
    package var window: ImageWindow
    /// averagePool: whether places in the padding count in the divisor.
    package var countsPadding: Bool
    /// The image, or the gradient of what came out.
    package var x: UnsafePointer<Float>
    /// What comes out, or the image's gradient.
    package var y: UnsafeMutablePointer<Float>
    /// maxPool: for each output which element of its image it came from; -1 for a window wholly in the padding.
    package var places: UnsafeMutablePointer<Int32>?
    /// Forward: runs of rows of all outputs. Backward: runs of images.
    package var cut: Cut

    package init(
        _ window: ImageWindow, countsPadding: Bool, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>,
        places: UnsafeMutablePointer<Int32>?, isBackward: Bool
    ) {
        unsafe self.window = window
        unsafe self.countsPadding = countsPadding
        unsafe self.x = unsafe x
        unsafe self.y = unsafe y
        unsafe self.places = unsafe places
        let image = max(window.height * window.width * window.channels, 1)
        let row = max(window.outWidth * window.channels, 1)
        unsafe cut =
            isBackward
            ? Cut(window.batch, by: 16_384 / image)
            : Cut(window.batch * window.outHeight, by: max(1, 8192 / row))
    }
}
