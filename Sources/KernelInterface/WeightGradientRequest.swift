// The request for the gradient of a convolution's weights. The arithmetic is in Kernels/ConvolutionWeights.swift;
// Compute/ConvolutionWalk.swift says how it is cut.

/// The gradient of weights: for each tap, channel and column, the sum over positions of pixel · gradient. Pieces of the
/// window are dealt to `partials` results in order; a piece of the request is one of these, for some rows of taps and
/// some columns.
@unsafe package struct WeightGradientRequest: PieceRequest {
    package static var kernel: Kernel { .weightGradient }
    package var window: SlidingWindow
    package let gradient: UnsafePointer<Float>
    /// From one position to the next.
    package let gradientPixel: Int
    package var columns: Int
    /// The weights' gradient, or the first of the partial results, `partialStride` from one to the next.
    package var out: UnsafeMutablePointer<Float>
    package var partials = 1
    package var partialStride = 0
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
        unsafe (self.window, self.columns) = unsafe (window, columns)
        unsafe (self.gradient, self.gradientPixel) = unsafe (gradient, gradientPixel)
        unsafe (self.out, self.outRow, self.outTap, self.outChannel) = unsafe (out, outRow, outTap, outChannel)
        unsafe pieceTapRows = unsafe window.tapsDown.count
        unsafe pieceColumns = ProductLimits.wholePanels(columns)
    }

    @inline(__always)
    package var tapRowPieces: Int { unsafe (window.tapsDown.count + pieceTapRows - 1) / pieceTapRows }
    @inline(__always)
    package var columnPieces: Int { unsafe (columns + pieceColumns - 1) / pieceColumns }

    package var pieces: Int { unsafe partials * tapRowPieces * columnPieces }
    package var nanoseconds: Int { unsafe work / 64 }

    /// Multiplications.
    package var work: Int { unsafe window.positions * window.inner * columns }
}
