// Sums over the rows of a matrix: how they are cut, which batch normalisation shares, and the requests for plain ones.
// Parts of the rows are summed up by themselves, then put together, so that the bits do not depend on who does what.

/// The columns of a matrix that are worked out together, with room for the sums of each part of the rows.
@unsafe package struct ColumnSlab: BitwiseCopyable {
    /// The most columns: the partial sums of all parts fit the shared scratch.
    package static var most: Int { 2048 }

    /// Columns of the matrix.
    package let columns: Int
    package let first: Int
    package let count: Int
    /// The rows' parts: whole blocks of 256 rows, at most 32 parts.
    package let parts: Cut
    /// For each part two sums for each column.
    package let partial: UnsafeMutablePointer<Double>

    /// The columns from `first` on, as many as go together.
    package init(rows: Int, columns: Int, first: Int, partial: UnsafeMutablePointer<Double>) {
        let blocks = Cut((rows + 255) / 256, by: 16_384 / (256 * min(max(columns, 1), 64)), most: 32)
        unsafe (self.columns, self.first, self.partial) = unsafe (columns, first, partial)
        unsafe count = min(columns - first, ColumnSlab.most)
        unsafe parts = Cut(rows, by: blocks.size * 256)
    }

    @inline(__always)
    package var rows: Int { unsafe parts.count }
}

/// The sums of one part of the rows each.
@unsafe package struct ColumnSumsRequest: PieceRequest {
    package static var kernel: Kernel { .columnSums }
    package let slab: ColumnSlab
    package let x: UnsafePointer<Float>

    package init(_ slab: ColumnSlab, x: UnsafePointer<Float>) {
        unsafe (self.slab, self.x) = unsafe (slab, x)
    }

    package var pieces: Int { unsafe slab.parts.pieces }
    package var nanoseconds: Int { unsafe slab.rows * slab.count / 8 }
}

/// The parts added up.
@unsafe package struct ColumnTotalsRequest: PieceRequest {
    package static var kernel: Kernel { .columnTotals }
    package let slab: ColumnSlab
    package let out: UnsafeMutablePointer<Float>

    package init(_ slab: ColumnSlab, out: UnsafeMutablePointer<Float>) {
        unsafe (self.slab, self.out) = unsafe (slab, out)
    }

    package var pieces: Int { 1 }
    package var nanoseconds: Int { unsafe slab.count * slab.parts.pieces / 8 }
}
