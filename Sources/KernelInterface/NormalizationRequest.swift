// The request for normalisation by numbers of each column that are given. The arithmetic is in Kernels/Columns.swift.

/// y = (x - mean) * factor, with one mean and one factor for each column. x and y may be one array.
@unsafe package struct NormalizationRequest: PieceRequest {
    package static var kernel: Kernel { .normalization }
    package let columns: Int
    /// nil: zeros.
    package let mean: UnsafePointer<Float>?
    package let factor: UnsafePointer<Float>
    package let x: UnsafePointer<Float>
    package let y: UnsafeMutablePointer<Float>
    /// Runs of rows.
    package let cut: Cut

    package init(
        rows: Int, columns: Int, mean: UnsafePointer<Float>?, factor: UnsafePointer<Float>, x: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.columns, self.mean, self.factor, self.x, self.y) = unsafe (columns, mean, factor, x, y)
        unsafe cut = Cut(rows, of: columns, about: 16_384)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * columns / 6 }
}
