// Products of matrices: what runs for one, and in which pieces. How it is cut, ProductPlan.swift says; the arithmetic is
// in Kernels/ProductPieces.swift and, by way of the transpose, Kernels/ProductTurned.swift.

import MartletKernelInterface

extension Execution {
    /// Does a product. Sizes and addresses have been checked.
    package func multiply(_ product: MatrixProduct) {
        guard unsafe product.rows > 0 && product.columns > 0 else { return }
        if unsafe isTurned(product) { return unsafe multiplyTurned(product) }
        let plan = unsafe ProductPlan(product, threads: threads)
        var request = unsafe ProductRequest(
            product, rows: plan.rows, columns: plan.columns, inner: plan.inner, packsLeft: plan.packsLeft,
            copiesRight: plan.copiesRight, nanoseconds: plan.nanoseconds)
        let pieces = plan.inner.pieces
        if pieces <= 1 { return unsafe run(request) }
        let partials = unsafe shared.assumingMemoryBound(to: Float.self)
        unsafe request.partials = partials
        let blocks = unsafe ProductLimits.blocks(of: product.inner)
        // As many inner pieces at a time as there is memory for the results of.
        for first in stride(from: 0, to: pieces, by: plan.innerAtOnce) {
            let last = min(first + plan.innerAtOnce, pieces) - 1
            unsafe request.firstInner = first
            unsafe request.innerPieces = last - first + 1
            unsafe run(request)
            let count = plan.inner.end(last) - plan.inner.start(first)
            unsafe run(
                ProductSumRequest(
                    product, partials: partials, count: (count + blocks.size - 1) / blocks.size,
                    stride: request.partialStride, isFirst: first == 0, isLast: last == pieces - 1))
        }
    }
}

extension Execution {
    /// Whether the product's transpose is worked out: where the right factor is transposed and too large to be turned for
    /// few rows, which fit into the scratch.
    private func isTurned(_ product: MatrixProduct) -> Bool {
        unsafe product.right.columnStride != 1 && product.right.columnStride & 1023 != 0 && product.rows >= 16
            && product.rows <= ProductLimits.turnedRows && product.columns >= 1024 && product.inner >= 64
            && ProductLimits.wholePanels(product.rows) * product.inner <= ProductLimits.inner * ProductLimits.columns
            && !product.accumulates && product.bias == nil && product.epilogue == .none
    }

    private func multiplyTurned(_ product: MatrixProduct) {
        let strips = unsafe (product.columns + ProductLimits.turnedRows - 1) / ProductLimits.turnedRows
        let columns = unsafe Cut(
            product.columns, by: min((strips + threads - 1) / threads, 8) * ProductLimits.turnedRows)
        unsafe run(ProductTurnedRequest(product, columns: columns, nanoseconds: ProductSize(product).work / 64))
    }
}
