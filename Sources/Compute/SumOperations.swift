// Sums over all elements, and over the rows of a matrix: parts first, then these in a fixed order. Arrays are contiguous
// fp32. Nothing is checked.
import MartletKernelInterface

extension Execution {
    /// The sum of all elements, in fp64, over fixed blocks in a fixed order.
    package func sum(count: Int, x: UnsafePointer<Float>) -> Double { unsafe total(.elements, count, x) }

    /// The sum of their squares, likewise.
    package func sumOfSquares(count: Int, x: UnsafePointer<Float>) -> Double { unsafe total(.squares, count, x) }

    /// And of their magnitudes.
    package func sumOfMagnitudes(count: Int, x: UnsafePointer<Float>) -> Double { unsafe total(.magnitudes, count, x) }

    private func total(_ what: SumsRequest.What, _ count: Int, _ x: UnsafePointer<Float>) -> Double {
        let partial = unsafe shared.assumingMemoryBound(to: Double.self)
        let sums = unsafe SumsRequest(what, count: count, x: x, partial: partial)
        unsafe run(sums)
        unsafe run(TotalRequest(sums))
        return unsafe partial.pointee
    }

    /// The sum of each column, in fp64 over blocks of 256 rows.
    package func columnSums(rows: Int, columns: Int, x: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>) {
        unsafe forEachSlab(rows: rows, columns: columns) { slab in
            unsafe run(ColumnSumsRequest(slab, x: x))
            unsafe run(ColumnTotalsRequest(slab, out: out))
        }
    }

    /// Calls `body` with all columns of a matrix, as many at a time as there is room for the sums of.
    func forEachSlab(rows: Int, columns: Int, _ body: (ColumnSlab) -> Void) {
        let partial = unsafe shared.assumingMemoryBound(to: Double.self)
        for first in unsafe stride(from: 0, to: columns, by: ColumnSlab.most) {
            unsafe body(ColumnSlab(rows: rows, columns: columns, first: first, partial: partial))
        }
    }
}
