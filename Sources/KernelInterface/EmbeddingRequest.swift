// The requests for rows of a table, and the table's gradient. They are moved, and added, by Kernels/Embedding.swift.

/// Row `i` of `out` becomes row `indices[i]` of the table.
@unsafe package struct EmbeddingRequest: PieceRequest {
    package static var kernel: Kernel { .embedding }
    package let columns: Int
    package let indices: UnsafePointer<Int32>
    package let table: UnsafePointer<Float>
    package let out: UnsafeMutablePointer<Float>
    package let cut: Cut

    package init(
        count: Int, columns: Int, indices: UnsafePointer<Int32>, table: UnsafePointer<Float>,
        out: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.columns, self.indices, self.table, self.out) = unsafe (columns, indices, table, out)
        unsafe cut = Cut(count, of: columns, about: 16_384)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * (columns / 8 + 20) }
}

/// Each row of the table's gradient becomes the sum of those rows of `gradient` whose index it is, in their order.
@unsafe package struct EmbeddingBackwardRequest: PieceRequest {
    package static var kernel: Kernel { .embeddingBackward }
    package let count: Int
    package let columns: Int
    package let indices: UnsafePointer<Int32>
    package let gradient: UnsafePointer<Float>
    package let tableGradient: UnsafeMutablePointer<Float>
    /// Runs of the table's rows: each piece looks through all indices for its own.
    package let cut: Cut

    package init(
        rows: Int, count: Int, columns: Int, indices: UnsafePointer<Int32>, gradient: UnsafePointer<Float>,
        tableGradient: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.count, self.columns) = (count, columns)
        unsafe (self.indices, self.gradient, self.tableGradient) = unsafe (indices, gradient, tableGradient)
        unsafe cut = Cut(rows, by: max((rows + 15) / 16, 32_768 / max(columns, 1)))
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int {
        unsafe cut.count * columns / 16 + count * (columns / 8 + pieces)
    }
}

/// To each row of the table's gradient that some indices name, the sum of their rows of `gradient` is added.
@unsafe package struct EmbeddingRowsRequest: PieceRequest {
    package static var kernel: Kernel { .embeddingRows }
    package let columns: Int
    /// The number of a row and a place, one pair behind the other, by rows and those of one row by places.
    package let keys: UnsafePointer<Int>
    /// Where the pairs of each row begin, and where those of the last end.
    package let starts: UnsafePointer<Int>
    /// The places that `gradient` has: the first of them, and the first behind them.
    package let firstPlace, endPlace: Int
    package let gradient: UnsafePointer<Float>
    package let tableGradient: UnsafeMutablePointer<Float>
    /// Rows that are named.
    package let cut: Cut

    package init(
        rows: Int, columns: Int, keys: UnsafePointer<Int>, starts: UnsafePointer<Int>, places: Range<Int>,
        gradient: UnsafePointer<Float>, tableGradient: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.columns, self.keys, self.starts) = unsafe (columns, keys, starts)
        unsafe (firstPlace, endPlace) = (places.lowerBound, places.upperBound)
        unsafe (self.gradient, self.tableGradient) = unsafe (gradient, tableGradient)
        unsafe cut = Cut(rows, of: columns, about: 4096)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe (endPlace - firstPlace) * (columns / 8 + 20) }
}
