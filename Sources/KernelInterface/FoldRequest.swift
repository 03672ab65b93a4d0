// The request for the gradient of images of few channels, from what a product has worked out for all taps. The arithmetic
// is in Kernels/ConvolutionFold.swift.

/// Image gradients put together from what each position hands to each pixel that it saw; one piece for each image.
@unsafe package struct FoldRequest: PieceRequest {
    package static var kernel: Kernel { .fold }
    package let window: ImageWindow
    /// For each position one row of `partCount` numbers.
    package let parts: UnsafePointer<Float>
    package let imageGradient: UnsafeMutablePointer<Float>

    @inline(__always)
    package init(window: ImageWindow, parts: UnsafePointer<Float>, imageGradient: UnsafeMutablePointer<Float>) {
        unsafe (self.window, self.parts, self.imageGradient) = unsafe (window, parts, imageGradient)
    }

    package var pieces: Int { unsafe window.batch }
    package var nanoseconds: Int { unsafe window.positions * window.partCount }
}
