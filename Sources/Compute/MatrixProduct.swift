// Products of matrices: how one is cut into pieces, and which parts of its factors are copied together first. None of it
// changes a bit of the results but the cutting of a long inner index, which follows from the shape alone.
// The arithmetic is in Kernels/ProductPieces.swift and, for large products, Kernels/ProductSteps.swift.
import MartletKernelInterface

extension Execution {
    /// Does a product. Sizes and addresses have been checked.
    package func multiply(_ product: MatrixProduct) {
        guard unsafe product.rows > 0 && product.columns > 0 else { return }
        if unsafe goesInSteps(product) { return unsafe multiplyInSteps(product) }
        if unsafe isTurned(product) { return unsafe multiplyTurned(product) }
        let plan = unsafe ProductPlan(product, threads: threads)
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
        // As many pieces of rows for each thread, since threads wait for one another at a step's end.
        let fewest = unsafe Cut(product.rows, by: ProductLimits.rows).pieces
        let rowPieces = unsafe min((fewest + threads - 1) / threads * threads, max(product.rows / 32, fewest))
        let pieceRows = unsafe (product.rows + rowPieces - 1) / rowPieces
        for columnStep in 0..<columns.pieces {
            for innerStep in 0..<inner.pieces {
                var step = unsafe ProductStep(
                    product, columns: columns.range(columnStep), inner: inner.range(innerStep), pieceRows: pieceRows,
                    panels: panels)
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
            && product.rows <= ProductLimits.turnedRows && product.columns >= 1024 && product.inner >= 64
            && ProductLimits.wholePanels(product.rows) * product.inner <= ProductLimits.inner * ProductLimits.columns
            && !product.accumulates && product.bias == nil && product.epilogue == .none
    }

    private func multiplyTurned(_ product: MatrixProduct) {
        var request = unsafe ProductRequest(product)
        let cut = unsafe Cut(product.columns, by: 8 * ProductLimits.turnedRows)
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

    init(_ product: MatrixProduct, threads: Int) {
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
            columns / acrossColumns > rows / (wanted / acrossColumns),
            ProductPlan.isEven(columns, into: acrossColumns * 2)
        {
            acrossColumns *= 2
        }
        (pieceColumns, columnPieces) = ProductPlan.cut(columns, into: acrossColumns)
        // Each piece reads its columns of the right factor again, so it takes some rows; an even number of pieces, since
        // two threads are the fewest that share.
        let mostAcross = isLarge ? rows / 96 : rows >= 16 ? max(rows / 32, 2) : 1
        var acrossRows = max(min(wanted / columnPieces, mostAcross), 1)
        if acrossRows > 1 { acrossRows += acrossRows % 2 }
        pieceRows = (rows + acrossRows - 1) / acrossRows
        rowPieces = (rows + pieceRows - 1) / pieceRows

        // Copying a factor pays where the copy is read twice and more, and the original lies far apart, in slow memory, or so that
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
        // More threads than that share the rows further, which changes no sum.
        let busy = min(threads, wanted)
        if innerPieces == 1, pieces < busy, rows > 8 {
            pieceRows = max((rows * columnPieces + busy - 1) / busy, 8)
            rowPieces = (rows + pieceRows - 1) / pieceRows
        }
    }

    /// The columns of a piece, whole panels, and how many pieces there are, where `pieces` are wanted.
    private static func cut(_ columns: Int, into pieces: Int) -> (size: Int, pieces: Int) {
        let size = ProductLimits.wholePanels((columns + pieces - 1) / pieces)
        return (size, (columns + size - 1) / size)
    }

    /// Whether so many pieces take about the same time, though they are whole panels but for the last.
    private static func isEven(_ columns: Int, into pieces: Int) -> Bool {
        let cut = cut(columns, into: pieces)
        return columns * 5 > cut.size * cut.pieces * 4
    }
}

extension Int {
    fileprivate func saturatingProduct(_ other: Int) -> Int {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? .max / 4 : product
    }
}
