// Products of matrices: what runs for one, and in which pieces. How it is cut, ProductPlan.swift says; the arithmetic is
// in Kernels/ProductPieces.swift and, by way of the transpose, Kernels/ProductTurned.swift.

import MartletKernelInterface

extension Execution {
    /// Does a product. Sizes and addresses have been checked.
    package func multiply(_ product: MatrixProduct) {
        guard unsafe product.rows > 0 && product.columns > 0 else { return }
        if unsafe isTurned(product) { return unsafe multiplyTurned(product) }
        let plan = unsafe ProductPlan(product, threads: threads)
        var request = unsafe ProductRequest(product)
        unsafe request.pieceRows = plan.rows.size
        unsafe request.pieceColumns = plan.columns.size
        unsafe request.columnPieces = plan.columns.pieces
        unsafe request.packsLeft = plan.packsLeft
        unsafe request.copiesRight = plan.copiesRight
        let pieces = plan.rows.pieces * plan.columns.pieces
        guard plan.inner.pieces > 1 else {
            unsafe run(.product, on: &request, pieces: pieces, nanoseconds: plan.nanoseconds)
            return
        }
        unsafe request.pieceInner = plan.inner.size
        unsafe request.partialStride = product.rows * product.columns
        unsafe request.partials = shared.assumingMemoryBound(to: Float.self)
        let blocks = unsafe ProductLimits.blocks(of: product.inner)
        // As many inner pieces at a time as there is memory for the results of.
        for first in stride(from: 0, to: plan.inner.pieces, by: plan.innerAtOnce) {
            let last = min(first + plan.innerAtOnce, plan.inner.pieces) - 1
            unsafe request.innerStart = plan.inner.start(first)
            unsafe request.innerEnd = plan.inner.end(last)
            unsafe request.innerPieces = last - first + 1
            let count = unsafe request.innerEnd - request.innerStart
            unsafe request.partialCount = (count + blocks.size - 1) / blocks.size
            unsafe run(
                .product, on: &request, pieces: pieces * request.innerPieces,
                nanoseconds: plan.nanoseconds / plan.inner.pieces * request.innerPieces)
            unsafe run(
                .productSum, on: &request, pieces: product.rows,
                nanoseconds: product.rows * product.columns * request.partialCount / 8)
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
        var request = unsafe ProductRequest(product)
        let strips = unsafe (product.columns + ProductLimits.turnedRows - 1) / ProductLimits.turnedRows
        let cut = unsafe Cut(
            product.columns, by: min((strips + threads - 1) / threads, 8) * ProductLimits.turnedRows)
        unsafe request.pieceColumns = cut.size
        unsafe run(
            .productTurned, on: &request, pieces: cut.pieces,
            nanoseconds: ProductSize(product).work / 64)
    }
}
