// Sums over the rows of a matrix: how they are cut, which batch normalisation shares, and the request for plain ones. Parts
// of the rows are summed up by themselves, then put together, so that the bits do not depend on who does what.

/// How sums of columns are cut: into slabs of columns that one run works out, and parts of the rows.
package enum ColumnParts {
    /// Columns of one run: the partial sums of its parts fit the shared scratch.
    @inline(__always)
    package static var slab: Int { 2048 }

    /// The parts of the rows: whole blocks of 256 rows, at most 32 parts.
    @inline(__always)
    package static func cut(rows: Int, columns: Int) -> Cut {
        let blocks = Cut((rows + 255) / 256, by: 16_384 / (256 * min(max(columns, 1), 64)), most: 32)
        return Cut(rows, by: blocks.size * 256)
    }
}

/// The sums of columns themselves: partial sums over parts of the rows, then the total.
@unsafe package struct ColumnSumsRequest: BitwiseCopyable {
    package var columns: Int
    package var firstColumn = 0
    package var columnCount = 0
    package var x: UnsafePointer<Float>
    package var y: UnsafeMutablePointer<Float>
    package var partial: UnsafeMutablePointer<Double>
    package var parts: Cut

    package init(
        rows: Int, columns: Int, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>,
        partial: UnsafeMutablePointer<Double>
    ) {
        unsafe self.columns = columns
        unsafe self.x = unsafe x
        unsafe self.y = unsafe y
        unsafe self.partial = unsafe partial
        unsafe parts = ColumnParts.cut(rows: rows, columns: columns)
    }
}
