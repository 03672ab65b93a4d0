// The request for weights in the order in which a walk reads them. They are copied by Kernels/ConvolutionWeights.swift.

/// Weights copied into panels for a `SlideRequest`, one tap a piece.
@unsafe package struct WeightPanelsRequest: PieceRequest {
    package static var kernel: Kernel { .weightPanels }
    package let weights: UnsafePointer<Float>
    package let tapsDown: TapLine
    package let tapsAcross: TapLine
    /// From one kernel row to the next, and from one column of it.
    package let rowStride: Int
    package let tapStride: Int
    /// Rows of weights for each tap, and columns.
    package let depth: Int
    package let columns: Int
    /// From one row or column to the next; one of them is 1.
    package let depthStride: Int
    package let columnStride: Int
    package let panels: UnsafeMutablePointer<Float>

    @inline(__always)
    package init(
        weights: UnsafePointer<Float>, tapsDown: TapLine, tapsAcross: TapLine, rowStride: Int, tapStride: Int,
        depth: Int, columns: Int, depthStride: Int, columnStride: Int, panels: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.weights, self.panels) = unsafe (weights, panels)
        unsafe (self.tapsDown, self.rowStride) = (tapsDown, rowStride)
        unsafe (self.tapsAcross, self.tapStride) = (tapsAcross, tapStride)
        unsafe (self.depth, self.depthStride) = (depth, depthStride)
        unsafe (self.columns, self.columnStride) = (columns, columnStride)
    }

    package var pieces: Int { unsafe tapsDown.count * tapsAcross.count }
    package var nanoseconds: Int { unsafe pieces * depth * columns / (columnStride == 1 ? 4 : 1) }
}
