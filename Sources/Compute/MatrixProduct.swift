// Products of matrices: how one is cut into pieces, and which parts of its factors are copied together first. All of it
// follows from the shape alone, and none of it changes a bit of the results but the cutting of a long inner index.
// The arithmetic is in Kernels/ProductPieces.swift and, for large products, Kernels/ProductSteps.swift.
import MartletKernelInterface

extension Execution {
    /// Does a product. Sizes and addresses have been checked.
    package func multiply(_ product: MatrixProduct) {
        guard unsafe product.rows > 0 && product.columns > 0 else { return }
        if unsafe goesInSteps(product) { return unsafe multiplyInSteps(product) }
        if unsafe isTurned(product) { return unsafe multiplyTurned(product) }
        let plan = unsafe ProductPlan(product)
        var request = unsafe ProductRequest(product)
        unsafe request.pieceRows = plan.pieceRows
        unsafe request.pieceColumns = plan.pieceColumns
        unsafe request.columnPieces = plan.columnPieces
        unsafe request.packsLeft = plan.packsLeft
        unsafe request.copiesRight = plan.copiesRight
        let pieces = plan.rowPieces * plan.columnPieces
        guard plan.innerPieces > 1 else {
            unsafe run(table.product, on: &request, pieces: pieces, nanoseconds: plan.nanoseconds)
            return
        }
        unsafe request.pieceInner = plan.pieceInner
        unsafe request.innerPieces = plan.innerPieces
        unsafe request.partialStride = product.rows * product.columns
        unsafe request.partials = shared.assumingMemoryBound(to: Float.self)
        unsafe run(table.product, on: &request, pieces: pieces * plan.innerPieces, nanoseconds: plan.nanoseconds)
        unsafe run(
            table.productSum, on: &request, pieces: product.rows,
            nanoseconds: product.rows * product.columns * plan.innerPieces / 8)
    }
}

extension Execution {
    /// The columns of a step, whose part of the right factor stays in the last cache, and what that part takes.
    private static var stepColumns: Int { 2048 }
    package static var panelByteCount: Int { unsafe ProductLimits.inner * stepColumns * 4 }

    /// Whether both factors are worth copying, each number only once for each step that reads it.
    private func goesInSteps(_ product: MatrixProduct) -> Bool {
        unsafe product.rows >= 512 && product.columns >= 256 && product.inner >= 256
    }

    private func multiplyInSteps(_ product: MatrixProduct) {
        let columns = unsafe Cut(product.columns, evenlyBy: Execution.stepColumns, grain: ProductLimits.panelColumns)
        let inner = unsafe Cut(product.inner, evenlyBy: ProductLimits.inner)
        for columnStep in 0..<columns.pieces {
            for innerStep in 0..<inner.pieces {
                var step = unsafe ProductStep(
                    product, columns: columns.range(columnStep), inner: inner.range(innerStep), panels: panels)
                let size = unsafe step.inner.count * step.columns.count
                let (columnCut, rowCut) = unsafe (step.columnCut, step.rowCut)
                unsafe run(table.productPanels, on: &step, pieces: columnCut.pieces, nanoseconds: size / 4)
                unsafe run(
                    table.productRows, on: &step, pieces: rowCut.pieces,
                    nanoseconds: product.rows.saturatingProduct(size) / 64)
            }
        }
    }
}

extension Execution {
    /// Whether the product's transpose is worked out: where the right factor is transposed and too large to be turned for
    /// few rows, which fit into the scratch.
    private func isTurned(_ product: MatrixProduct) -> Bool {
        unsafe product.right.columnStride != 1 && product.right.columnStride & 1023 != 0 && product.rows >= 16
            && product.rows <= ProductLimits.turned && product.columns >= 1024 && product.inner >= 64
            && ProductLimits.wholePanels(product.rows) * product.inner <= ProductLimits.inner * ProductLimits.columns
            && !product.accumulates && product.bias == nil && product.epilogue == .none
    }

    private func multiplyTurned(_ product: MatrixProduct) {
        var request = unsafe ProductRequest(product)
        let cut = unsafe Cut(product.columns, by: 8 * ProductLimits.turned)
        unsafe request.pieceColumns = cut.size
        unsafe run(
            table.productTurned, on: &request, pieces: cut.pieces,
            nanoseconds: product.columns.saturatingProduct(product.rows * product.inner) / 64)
    }
}

/// The cutting of one product.
private struct ProductPlan {
    var pieceRows: Int
    var pieceColumns: Int
    var rowPieces: Int
    var columnPieces: Int
    var packsLeft: Bool
    var copiesRight: Bool
    var pieceInner: Int
    var innerPieces = 1
    var nanoseconds: Int

    /// Products that are worth a piece of their own: some 5 us.
    private static var leastPiece: Int { 400_000 }
    private static var mostPieces: Int { 16 }

    init(_ product: MatrixProduct) {
        let (rows, columns, inner) = unsafe (product.rows, product.columns, product.inner)
        let work = rows.saturatingProduct(columns).saturatingProduct(max(inner, 1))
        let wanted = min(max(work / ProductPlan.leastPiece, 1), ProductPlan.mostPieces)

        // Pieces about as high as wide, so that what is copied of the factors serves many products. Where the right
        // factor is large, each piece reads long stretches of its rows, and as few pieces as may be read the same: of
        // very long sums all of its rows, since there are pieces enough along them.
        let isLarge = inner.saturatingProduct(columns) > 128 << 10
        let areFew = rows.saturatingProduct(columns) <= 1 << 16
        let narrowest = areFew && inner >= 8192 ? columns : isLarge ? 128 : ProductLimits.panelColumns
        var acrossColumns = 1
        while acrossColumns * 2 <= wanted, columns / (acrossColumns * 2) >= narrowest,
            columns / acrossColumns > rows / (wanted / acrossColumns)
        {
            acrossColumns *= 2
        }
        pieceColumns = ProductLimits.wholePanels((columns + acrossColumns - 1) / acrossColumns)
        columnPieces = (columns + pieceColumns - 1) / pieceColumns
        // Each piece reads its columns of the right factor for all its rows, so there are some rows in each: for small
        // products two pieces, and more where there are 32 rows for each, an even number since most machines' are.
        let mostAcross = isLarge ? rows / 96 : rows >= 16 ? max((rows / 32 + 1) / 2 * 2, 2) : 1
        let acrossRows = max(min(wanted / columnPieces, mostAcross), 1)
        pieceRows = (rows + acrossRows - 1) / acrossRows
        rowPieces = (rows + pieceRows - 1) / pieceRows

        // Copying a factor pays where the copy is read again, and the original lies far apart, in slow memory, or so that
        // each vector begins in one cache line and ends in the next.
        let right = unsafe product.right
        let isSplit = unsafe UInt(bitPattern: right.base) & 63 != 0 || right.rowStride & 15 != 0
        copiesRight = unsafe pieceRows > 12 && (right.rowStride > 64 || isSplit)
        packsLeft =
            unsafe product.left.columnStride == 1
            ? pieceColumns >= 512 && product.left.rowStride & 1023 == 0
            : pieceColumns >= 128 && product.left.columnStride > 128
        pieceInner = inner
        nanoseconds = work / 64 + rows.saturatingProduct(columns) / 8

        // Few results, each a long sum.
        let pieces = rowPieces * columnPieces
        if inner >= 2048, pieces < wanted, areFew {
            innerPieces = min(wanted / pieces, inner / 1024, unsafe Execution.sharedByteCount / (rows * columns * 4))
            innerPieces = max(innerPieces, 1)
            pieceInner = (inner + innerPieces - 1) / innerPieces
            innerPieces = (inner + pieceInner - 1) / pieceInner
        }
    }
}

extension Int {
    fileprivate func saturatingProduct(_ other: Int) -> Int {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? .max / 4 : product
    }
}
