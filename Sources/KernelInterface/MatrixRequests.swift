// The requests for what matrices need beside products: copies that may be transposed, sums of symmetric ones, and of rows'
// squares. The arithmetic is in Kernels/Matrices.swift.

/// A copy of a matrix, times a number: as it is, or transposed. Numbers are fp32 or fp64 on either side; a copy that is not
/// transposed may be the matrix itself.
@unsafe package struct TurnRequest: PieceRequest {
    package static var kernel: Kernel { .turn }
    /// Of what is read.
    package let rows, columns: Int
    package let from: UnsafeRawPointer
    package let to: UnsafeMutableRawPointer
    package let fromDouble, toDouble: Bool
    /// From one row to the next, in numbers.
    package let fromStride, toStride: Int
    package let turns: Bool
    package let scale: Double
    /// What each row is multiplied by beside it; nil: nothing. Of copies that are not transposed.
    package let rowScales: UnsafePointer<Double>?
    package let cut: Cut

    package init(
        rows: Int, columns: Int, from: UnsafeRawPointer, fromDouble: Bool, fromStride: Int,
        to: UnsafeMutableRawPointer, toDouble: Bool, toStride: Int, turns: Bool, scale: Double,
        rowScales: UnsafePointer<Double>? = nil
    ) {
        unsafe (self.rows, self.columns) = (rows, columns)
        unsafe (self.from, self.fromDouble, self.fromStride) = unsafe (from, fromDouble, fromStride)
        unsafe (self.to, self.toDouble, self.toStride) = unsafe (to, toDouble, toStride)
        unsafe (self.turns, self.scale, self.rowScales) = unsafe (turns, scale, rowScales)
        unsafe cut = Cut(rows, by: (max(16_384 / max(columns, 1), 64) + 15) & ~15)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe rows * columns / 4 }
}

/// The sum of the squares of each row's numbers, in fp64, in an order that the columns' count alone decides.
@unsafe package struct RowSquaresRequest: PieceRequest {
    package static var kernel: Kernel { .rowSquares }
    /// Of a matrix whose rows lie one behind the other, in fp32 or fp64.
    package let columns: Int
    package let from: UnsafeRawPointer
    package let isDouble: Bool
    /// One for each row.
    package let sums: UnsafeMutablePointer<Double>
    package let cut: Cut

    package init(
        rows: Int, columns: Int, from: UnsafeRawPointer, isDouble: Bool, sums: UnsafeMutablePointer<Double>
    ) {
        unsafe (self.columns, self.from, self.isDouble, self.sums) = unsafe (columns, from, isDouble, sums)
        unsafe cut = Cut(rows, of: columns, about: 16_384)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * columns / 8 }
}

/// out = diagonal I + ofMatrix matrix + ofProduct product, for symmetric matrices of which only what is on and below the
/// diagonal is read; all of `out` is written, which may be one of the two. Their sizes are filled up to sixteens: what is
/// behind a matrix is written too, and nobody's.
@unsafe package struct SymmetricRequest: PieceRequest {
    package static var kernel: Kernel { .symmetric }
    /// Rows and columns, a multiple of sixteen.
    package let stride: Int
    package let diagonal, ofMatrix, ofProduct: Float
    package let matrix: UnsafePointer<Float>
    /// nil: none.
    package let product: UnsafePointer<Float>?
    package let out: UnsafeMutablePointer<Float>

    package init(
        stride: Int, diagonal: Float, _ ofMatrix: Float, _ matrix: UnsafePointer<Float>, _ ofProduct: Float,
        _ product: UnsafePointer<Float>?, out: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.stride, self.diagonal, self.ofMatrix, self.ofProduct) = (stride, diagonal, ofMatrix, ofProduct)
        unsafe (self.matrix, self.product, self.out) = unsafe (matrix, product, out)
    }

    /// One for each sixteen rows, the longest first.
    package var pieces: Int { unsafe stride / 16 }
    package var nanoseconds: Int { unsafe stride * stride / 4 }
}
