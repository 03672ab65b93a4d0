// Products whose results are symmetric matrices: what is on and below the diagonal, in half the work.
import MartletKernelInterface

extension Execution {
    /// Does a product of as many columns as rows, which is symmetric; what is above the diagonal has any content
    /// afterwards. Neither a bias nor an epilogue is applied.
    package func multiplySymmetric(_ product: MatrixProduct) {
        guard unsafe product.rows > 0 else { return }
        let rows = unsafe Cut(product.rows, by: stripe(product.rows))
        var request = unsafe ProductRequest(
            product, rows: rows, columns: Cut(product.columns, by: product.columns),
            inner: Cut(product.inner, by: product.inner), packsLeft: product.left.columnStride > 128,
            copiesRight: ProductPlan.copiesRight(product.right, rows: rows.size),
            nanoseconds: product.rows * product.columns * product.inner / 128)
        unsafe request.isLower = true
        unsafe run(request)
    }

    /// Rows that are worked on together: few, so that little is computed above the diagonal and threads even out, but enough
    /// that the copy of the right factor is read often.
    private func stripe(_ rows: Int) -> Int {
        let even = unsafe (rows / (4 * threads) + 15) & ~15
        return min(max(even, 32), 96)
    }
}
