// What the kernels of convolution are asked: geometry as numbers, with strides, dilation, flipped kernels and phases
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
    /// Products for each result.
    @inline(__always)
    package var inner: Int { unsafe tapsDown.count * tapsAcross.count * depth }
}

/// out[image, y, x, column] = epilogue(start + the sum over taps and channels of pixel · weight), where the start is what
/// is there if it accumulates, else the bias.
@unsafe package struct SlideRequest: BitwiseCopyable {
    package var window: SlidingWindow
    /// As a `WeightPanelRequest` makes them: one row for each tap and channel, in the order of taps.
    package var weights: UnsafePointer<Float>
    package var columns: Int
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
        outImage: Int, outRow: Int, outPixel: Int, bias: UnsafePointer<Float>?,
        accumulates: Bool, epilogue: Epilogue
    ) {
        unsafe self.window = unsafe window
        unsafe self.weights = unsafe weights
        unsafe self.columns = columns
        unsafe self.out = unsafe out
        unsafe self.outImage = outImage
        unsafe self.outRow = outRow
        unsafe self.outPixel = outPixel
        unsafe self.bias = unsafe bias
        unsafe self.accumulates = accumulates
        unsafe self.epilogue = epilogue
    }
}

/// Weights copied into panels for a `SlideRequest`, one tap a piece.
@unsafe package struct WeightPanelRequest: BitwiseCopyable {
    package var weights: UnsafePointer<Float>
    package var tapsDown: TapLine
    package var tapsAcross: TapLine
    /// From one kernel row to the next, and from one column of it.
    package var rowStride: Int
    package var tapStride: Int
    /// Rows of weights for each tap, and columns.
    package var depth: Int
    package var columns: Int
    /// From one row or column to the next; one of them is 1.
    package var depthStride: Int
    package var columnStride: Int
    package var panels: UnsafeMutablePointer<Float>

    @inline(__always)
    package init(
        weights: UnsafePointer<Float>, tapsDown: TapLine, tapsAcross: TapLine, rowStride: Int, tapStride: Int,
        depth: Int, columns: Int, depthStride: Int, columnStride: Int, panels: UnsafeMutablePointer<Float>
    ) {
        unsafe self.weights = unsafe weights
        unsafe self.tapsDown = tapsDown
        unsafe self.tapsAcross = tapsAcross
        unsafe self.rowStride = rowStride
        unsafe self.tapStride = tapStride
        unsafe self.depth = depth
        unsafe self.columns = columns
        unsafe self.depthStride = depthStride
        unsafe self.columnStride = columnStride
        unsafe self.panels = unsafe panels
    }
}

/// The gradient of weights: for each tap, channel and column, the sum over positions of pixel · gradient. Pieces of the
/// window are dealt to `partials` results in order; a piece of the request is one of these, for some rows of taps and
/// some columns.
@unsafe package struct WeightGradientRequest: BitwiseCopyable {
    package var window: SlidingWindow
    package var gradient: UnsafePointer<Float>
    /// From one position to the next.
    package var gradientPixel: Int
    package var columns: Int
    /// The weights' gradient, or the first of the partial results, `partialStride` from one to the next.
    package var out: UnsafeMutablePointer<Float>
    package var partials: Int
    package var partialStride: Int
    /// From one kernel row, tap and channel to the next.
    package var outRow: Int
    package var outTap: Int
    package var outChannel: Int
    /// How the rows of taps and the columns are cut; columns are whole panels, the widest ones.
    package var pieceTapRows: Int
    package var pieceColumns: Int

    @inline(__always)
    package init(
        window: SlidingWindow, gradient: UnsafePointer<Float>, gradientPixel: Int, columns: Int,
        out: UnsafeMutablePointer<Float>, outRow: Int, outTap: Int, outChannel: Int
    ) {
        unsafe self.window = unsafe window
        unsafe self.gradient = unsafe gradient
        unsafe self.gradientPixel = gradientPixel
        unsafe self.columns = columns
        unsafe self.out = unsafe out
        unsafe self.outRow = outRow
        unsafe self.outTap = outTap
        unsafe self.outChannel = outChannel
        unsafe partials = 1
        unsafe partialStride = 0
        unsafe pieceTapRows = unsafe window.tapsDown.count
        unsafe pieceColumns = ProductLimits.wholePanels(columns)
    }

    @inline(__always)
    package var tapRowPieces: Int { unsafe (window.tapsDown.count + pieceTapRows - 1) / pieceTapRows }
    @inline(__always)
    package var columnPieces: Int { unsafe (columns + pieceColumns - 1) / pieceColumns }
}

/// Image gradients put together from what each position hands to each pixel that it saw; one piece for each image.
@unsafe package struct FoldRequest: BitwiseCopyable {
    package var window: ImageWindow
    /// For each position one row of `kernelHeight * kernelWidth * channels` numbers.
    package var parts: UnsafePointer<Float>
    package var imageGradient: UnsafeMutablePointer<Float>

    @inline(__always)
    package init(window: ImageWindow, parts: UnsafePointer<Float>, imageGradient: UnsafeMutablePointer<Float>) {
        unsafe self.window = window
        unsafe self.parts = unsafe parts
        unsafe self.imageGradient = unsafe imageGradient
    }
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
