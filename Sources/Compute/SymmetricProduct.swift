// Products whose results are symmetric matrices: what is on and below the diagonal, in half the work.
import MartletKernelInterface

extension Execution {
    /// Does a product of as many columns as rows, which is symmetric; what is above the diagonal has any content
    /// afterwards. It has no bias and no epilogue, and does not accumulate. Each piece is one panel of columns, so that the
    /// right factor is copied once, and little is computed above the diagonal.
    package func multiplySymmetric(_ product: MatrixProduct) {
        guard unsafe product.rows > 0 else { return }
        let rows = unsafe product.rows
        var request = unsafe ProductRequest(
            product, rows: Cut(rows, by: rows), columns: Cut(rows, by: ProductLimits.panelColumns),
            inner: Cut(product.inner, by: product.inner), packsLeft: product.left.columnStride > 128,
            copiesRight: ProductPlan.copiesRight(product.right, rows: rows),
            nanoseconds: rows * rows * product.inner / 128)
        unsafe request.isLower = true
        unsafe run(request)
    }
}
