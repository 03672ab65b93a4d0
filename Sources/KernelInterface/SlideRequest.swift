// The request for a walk of a window over images, forward or towards the image. The arithmetic is in
// Kernels/ConvolutionPieces.swift; Compute/ConvolutionPlan.swift says how it is cut.

/// out[image, y, x, column] = epilogue(start + the sum over taps and channels of pixel · weight), where the start is what
/// is there if it accumulates, else the bias.
@unsafe package struct SlideRequest: PieceRequest {
    package static var kernel: Kernel { .slide }
    package var window: SlidingWindow
    /// As a `WeightPanelsRequest` makes them: one row for each tap and channel, in the order of taps.
    package var weights: UnsafePointer<Float>
    package var columns: Int
    /// Where the results go, and from one image, row and pixel of them to the next.
    package var out: UnsafeMutablePointer<Float>
    package var outImage: Int
    package var outRow: Int
    package var outPixel: Int
    package var bias: UnsafePointer<Float>?
    package var accumulates: Bool
    package var epilogue: Epilogue

    @inline(__always)
    package init(
        window: SlidingWindow, weights: UnsafePointer<Float>, columns: Int, out: UnsafeMutablePointer<Float>,
        outImage: Int, outRow: Int, outPixel: Int, bias: UnsafePointer<Float>?, accumulates: Bool, epilogue: Epilogue
    ) {
        unsafe (self.window, self.weights, self.columns) = unsafe (window, weights, columns)
        unsafe (self.out, self.outImage, self.outRow, self.outPixel) = unsafe (out, outImage, outRow, outPixel)
        unsafe (self.bias, self.accumulates, self.epilogue) = unsafe (bias, accumulates, epilogue)
    }

    package var pieces: Int { unsafe window.pieces }
    package var nanoseconds: Int { unsafe window.positions * max(window.inner, 8) * columns / 64 }
}
