// The requests that a product of matrices becomes: its pieces, the sums of what inner pieces give, or pieces of its
// transpose. Compute/ProductPlan.swift says how they are cut; the arithmetic is in Kernels/ProductPieces.swift and
// Kernels/ProductTurned.swift.

/// A product and how it is cut. Pieces are numbered row by row of a grid over the results, and in each place of it along
/// the inner index.
@unsafe package struct ProductRequest: PieceRequest {
    package static var kernel: Kernel { .product }
    package var product: MatrixProduct
    package var rows: Cut
    /// Whole panels, the widest ones.
    package var columns: Cut
    /// Whole blocks of the inner index, of which the run's are `innerPieces` from `firstInner` on.
    package var inner: Cut
    package var firstInner = 0
    package var innerPieces = 1
    /// Whether parts of the left factor are copied together before they are read.
    package var packsLeft: Bool
    /// Whether the first to read a part of the right factor copies it for the others.
    package var copiesRight: Bool
    /// Where inner pieces are several, each block has results of its own, with rows and columns as in `out`: the first
    /// ones, of the run's first block.
    package var partials: UnsafeMutablePointer<Float>?
    /// Whether only what is on and below the diagonal is wanted, of a product that is symmetric: each piece of columns takes
    /// the rows from its first column on.
    package var isLower = false
    /// For all inner pieces.
    package var wholeNanoseconds: Int

    package init(
        _ product: MatrixProduct, rows: Cut, columns: Cut, inner: Cut, packsLeft: Bool, copiesRight: Bool,
        nanoseconds: Int
    ) {
        unsafe (self.product, self.rows, self.columns, self.inner) = unsafe (product, rows, columns, inner)
        unsafe (self.packsLeft, self.copiesRight) = (packsLeft, copiesRight)
        unsafe wholeNanoseconds = nanoseconds
    }

    package var pieces: Int { unsafe rows.pieces * columns.pieces * innerPieces }
    package var nanoseconds: Int { unsafe wholeNanoseconds / max(inner.pieces, 1) * innerPieces }

    /// From the results of one block to those of the next.
    @inline(__always)
    package var partialStride: Int { unsafe product.rows * product.columns }
}

/// Results of blocks added up in order; one piece for each row.
@unsafe package struct ProductSumRequest: PieceRequest {
    package static var kernel: Kernel { .productSum }
    /// Where the sums go, and what becomes of them. Its factors are not read.
    package let product: MatrixProduct
    /// The first results, how many there are, and numbers from one to the next.
    package let partials: UnsafePointer<Float>
    package let count: Int
    package let stride: Int
    /// Whether these are the product's first blocks, and its last.
    package let isFirst: Bool
    package let isLast: Bool

    package init(
        _ product: MatrixProduct, partials: UnsafePointer<Float>, count: Int, stride: Int, isFirst: Bool, isLast: Bool
    ) {
        unsafe (self.product, self.partials, self.count, self.stride) = unsafe (product, partials, count, stride)
        unsafe (self.isFirst, self.isLast) = (isFirst, isLast)
    }

    package var pieces: Int { unsafe product.rows }
    package var nanoseconds: Int { unsafe product.rows * product.columns * count / 8 }
}

/// A product of few rows and a transposed right factor, worked out as its transpose; pieces are runs of columns.
@unsafe package struct ProductTurnedRequest: PieceRequest {
    package static var kernel: Kernel { .productTurned }
    package let product: MatrixProduct
    package let columns: Cut
    package let nanoseconds: Int

    package init(_ product: MatrixProduct, columns: Cut, nanoseconds: Int) {
        unsafe (self.product, self.columns, self.nanoseconds) = unsafe (product, columns, nanoseconds)
    }

    package var pieces: Int { unsafe columns.pieces }
}
