// How the kernels of convolution see images: geometry as numbers, with strides, dilation, flipped kernels and phases
// already turned into lines of taps, so that forward and both gradients are walks of one kind. All counts are of numbers
// (fp32), not bytes. How a convolution becomes these, Compute/Convolution.swift says.

/// The taps of a kernel along one direction, in the order of where they look: tap t is number `firstIndex + t *
/// indexStep` of the kernel and looks at pixel `position * stride + firstOffset + t * offsetStep`.
package struct TapLine: BitwiseCopyable {
    package var count: Int
    package var firstIndex: Int
    package var indexStep: Int
    package var firstOffset: Int
    package var offsetStep: Int
    /// From one position of the window to the next.
    package var stride: Int

    @inline(__always)
    package init(count: Int, firstIndex: Int, indexStep: Int, firstOffset: Int, offsetStep: Int, stride: Int) {
        self.count = count
        self.firstIndex = firstIndex
        self.indexStep = indexStep
        self.firstOffset = firstOffset
        self.offsetStep = offsetStep
        self.stride = stride
    }

    /// Pixels that `positions` neighbouring positions see, from the first to the last.
    @inline(__always)
    package func span(_ positions: Int) -> Int { (positions - 1) * stride + (max(count, 1) - 1) * offsetStep + 1 }

    /// Some of the taps.
    @inline(__always)
    package func part(_ first: Int, count: Int) -> TapLine {
        TapLine(
            count: count, firstIndex: firstIndex + first * indexStep, indexStep: indexStep,
            firstOffset: firstOffset + first * offsetStep, offsetStep: offsetStep, stride: stride)
    }
}

/// Images that windows slide over, and the grid of positions. What is outside an image is zeros.
@unsafe package struct SlidingWindow: BitwiseCopyable {
    package var image: UnsafePointer<Float>
    package var batch: Int
    package var height: Int
    package var width: Int
    /// Channels that are looked at, beginning with the first at `image`, and from one pixel to the next.
    package var depth: Int
    package var pixelStride: Int
    package var tapsDown: TapLine
    package var tapsAcross: TapLine
    /// Positions.
    package var outHeight: Int
    package var outWidth: Int
    /// Positions of a piece: images, and rows and columns of each. More than one image only where rows and columns are
    /// all.
    package var pieceImages: Int
    package var pieceHeight: Int
    package var pieceWidth: Int

    @inline(__always)
    package init(
        image: UnsafePointer<Float>, batch: Int, height: Int, width: Int, depth: Int, pixelStride: Int,
        tapsDown: TapLine, tapsAcross: TapLine, outHeight: Int, outWidth: Int
    ) {
        unsafe self.image = unsafe image
        unsafe self.batch = batch
        unsafe self.height = height
        unsafe self.width = width
        unsafe self.depth = depth
        unsafe self.pixelStride = pixelStride
        unsafe self.tapsDown = tapsDown
        unsafe self.tapsAcross = tapsAcross
        unsafe self.outHeight = outHeight
        unsafe self.outWidth = outWidth
        unsafe pieceImages = 1
        unsafe pieceHeight = outHeight
        unsafe pieceWidth = outWidth
    }

    @inline(__always)
    package var piecesDown: Int { unsafe (outHeight + pieceHeight - 1) / pieceHeight }
    @inline(__always)
    package var piecesAcross: Int { unsafe (outWidth + pieceWidth - 1) / pieceWidth }
    @inline(__always)
    package var pieces: Int { unsafe (batch + pieceImages - 1) / pieceImages * piecesDown * piecesAcross }
    /// In all images.
    @inline(__always)
    package var positions: Int { unsafe batch * outHeight * outWidth }
    /// Products for each result.
    @inline(__always)
    package var inner: Int { unsafe tapsDown.count * tapsAcross.count * depth }
}

/// What pieces of convolutions may hold in their scratch.
package enum ConvolutionLimits {
    /// Bytes of the part of the images that a piece sees.
    @inline(__always)
    package static var stripBytes: Int { 640 << 10 }
    /// Runs of taps, or rows of positions, of one piece.
    @inline(__always)
    package static var segments: Int { 1024 }
    /// Positions of a piece of a gradient of weights, and columns that it works out.
    @inline(__always)
    package static var positions: Int { 256 }
    @inline(__always)
    package static var columns: Int { 256 }
}
