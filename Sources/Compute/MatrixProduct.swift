// Products of matrices: how one is cut into pieces, and which parts of its factors are copied together first. None of it
// changes a bit of the results but the cutting of a long inner index, which follows from the shape alone.
// The arithmetic is in Kernels/ProductPieces.swift and, by way of the transpose, Kernels/ProductTurned.swift.
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
            unsafe run(table.product, on: &request, pieces: pieces, nanoseconds: plan.nanoseconds)
            return
        }
        unsafe request.pieceInner = plan.inner.size
        unsafe request.innerPieces = plan.inner.pieces
        unsafe request.partialStride = product.rows * product.columns
        unsafe request.partials = shared.assumingMemoryBound(to: Float.self)
        unsafe run(table.product, on: &request, pieces: pieces * plan.inner.pieces, nanoseconds: plan.nanoseconds)
        unsafe run(
            table.productSum, on: &request, pieces: product.rows,
            nanoseconds: product.rows * product.columns * plan.inner.pieces / 8)
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
    var rows: Cut
    var columns: Cut
    /// Pieces behind one another, each with a result of its own. The only cut that bits depend on, so threads have no say.
    var inner: Cut
    var packsLeft: Bool
    var copiesRight: Bool
    var nanoseconds: Int

    /// Products that are worth a piece of their own: some 5 us.
    private static var leastPiece: Int { 400_000 }
    private static var mostPieces: Int { 16 }

    init(_ product: MatrixProduct, threads: Int) {
        let size = unsafe ProductSize(rows: product.rows, inner: product.inner, columns: product.columns)
        let wanted = min(max(size.work / ProductPlan.leastPiece, 1), ProductPlan.mostPieces)
        inner = Cut(size.inner, by: size.inner)
        nanoseconds = size.work / 64 + size.results / 8
        if size.isLarge {
            (rows, columns) = ProductPlan.largeCuts(size, threads: threads)
        } else {
            (rows, columns) = ProductPlan.cuts(size, wanted: wanted)
            let pieces = rows.pieces * columns.pieces
            let busy = min(threads, wanted)
            if size.inner >= 2048, pieces < wanted, size.areFew {
                // Few results, each a long sum.
                let room = unsafe Execution.sharedByteCount / (size.results * 4)
                let innerPieces = max(min(wanted / pieces, size.inner / 1024, room), 1)
                inner = Cut(size.inner, by: (size.inner + innerPieces - 1) / innerPieces)
            }
            if inner.pieces == 1, pieces < busy, size.rows > 8 {
                // More threads than that share the rows further.
                rows = Cut(size.rows, by: max((size.rows * columns.pieces + busy - 1) / busy, 8))
            }
        }

        // Copying a factor pays where the copy is read twice and more, and the original lies far apart, in slow memory, or
        // so that each vector begins in one cache line and ends in the next.
        let right = unsafe product.right
        let isSplit = unsafe UInt(bitPattern: right.base) & 63 != 0 || right.rowStride & 15 != 0
        copiesRight = unsafe rows.size > 12 && (right.rowStride > 64 || isSplit)
        packsLeft = unsafe product.left.columnStride > 128 && columns.size >= 128
    }

    /// Pieces about as high as wide, so that what is copied of the factors serves many products. Where the right factor is
    /// large, each piece reads long stretches of its rows, and as few pieces as may be read the same: of very long sums all
    /// of its rows, since there are pieces enough along them.
    private static func cuts(_ size: ProductSize, wanted: Int) -> (rows: Cut, columns: Cut) {
        let (rows, columns) = (size.rows, size.columns)
        let readsMuch = size.inner.saturatingProduct(columns) > 128 << 10
        let narrowest = size.areFew && size.inner >= 8192 ? columns : readsMuch ? 128 : ProductLimits.panelColumns
        var acrossColumns = 1
        while acrossColumns * 2 <= wanted, columns / (acrossColumns * 2) >= narrowest,
            columns / acrossColumns > rows / (wanted / acrossColumns),
            isEven(columns, into: acrossColumns * 2)
        {
            acrossColumns *= 2
        }
        let columnCut = cut(columns, into: acrossColumns)
        // Each piece reads its columns of the right factor again, so it takes some rows; an even number of pieces, since
        // two threads are the fewest that share.
        let mostAcross = readsMuch ? rows / leastRows : rows >= 16 ? max(rows / 32, 2) : 1
        var acrossRows = max(min(wanted / columnCut.pieces, mostAcross), 1)
        if acrossRows > 1 { acrossRows += acrossRows % 2 }
        return (Cut(rows, by: (rows + acrossRows - 1) / acrossRows), columnCut)
    }

    /// The fewest rows that are worth copying the right factor for.
    private static var leastRows: Int { 96 }

    /// Of a large product each piece takes the columns that stay near and as many rows as it can, since it copies the right
    /// factor; two pieces and more for each thread, as many for each.
    private static func largeCuts(_ size: ProductSize, threads: Int) -> (rows: Cut, columns: Cut) {
        let widest = size.columns < 2 * ProductLimits.columns ? ProductLimits.columns / 2 : ProductLimits.columns
        let columns = Cut(size.columns, evenlyBy: widest, grain: ProductLimits.panelColumns)
        let sharing = max(threads, 2)
        var across = (2 * sharing + columns.pieces - 1) / columns.pieces
        if across * columns.pieces % sharing != 0 { across = (across + sharing - 1) / sharing * sharing }
        across = min(across, size.rows / leastRows)
        return (Cut(size.rows, by: (size.rows + across - 1) / across), columns)
    }

    /// The columns of a piece, whole panels, where `pieces` pieces are wanted.
    private static func cut(_ columns: Int, into pieces: Int) -> Cut {
        Cut(columns, by: ProductLimits.wholePanels((columns + pieces - 1) / pieces))
    }

    /// Whether so many pieces take about the same time, though they are whole panels but for the last.
    private static func isEven(_ columns: Int, into pieces: Int) -> Bool {
        let cut = cut(columns, into: pieces)
        return columns * 5 > cut.size * cut.pieces * 4
    }
}

/// What a product's plan depends on.
private struct ProductSize {
    var rows: Int
    var inner: Int
    var columns: Int

    var results: Int { rows.saturatingProduct(columns) }
    /// Multiplications.
    var work: Int { results.saturatingProduct(max(inner, 1)) }
    /// So few results that parts of a long sum are worth results of their own.
    var areFew: Bool { results <= 1 << 16 }
    /// So large that each thread's part is worth copying a part of the right factor for.
    var isLarge: Bool { rows >= 256 && columns >= 256 && inner >= 256 && !areFew }
}

extension Int {
    fileprivate func saturatingProduct(_ other: Int) -> Int {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? .max / 4 : product
    }
}
