// How a product is cut into pieces, and which parts of its factors are copied together first. None of it changes a bit of
// the results: a row's are the same in a product of many rows and by itself, for any layout and number of threads.
// Nothing runs here, and no address is read: MatrixProduct.swift does what is planned.
import MartletKernelInterface

/// The cutting of one product.
package struct ProductPlan {
    package private(set) var rows: Cut
    package private(set) var columns: Cut
    /// Pieces behind one another, whole blocks of the inner index, each of which has results of its own where these pieces
    /// are several; and how many pieces there is memory for at once.
    package private(set) var inner: Cut
    package private(set) var innerAtOnce = 1
    /// Whether parts of the left factor are copied together before they are read.
    package let packsLeft: Bool
    /// Whether the first to read a part of the right factor copies it for the others.
    package let copiesRight: Bool
    /// About how long one thread takes.
    package let nanoseconds: Int

    /// Multiplications that are worth a piece of their own. Of few rows that is a right factor that two threads read in half
    /// the time, some 5 us; what other products read, and leave for what comes next, goes from the one's cache to the
    /// other's, which takes as long as half of 28 us of them.
    private static func leastPiece(rows: Int) -> Int { rows < 16 ? 400_000 : 900_000 }
    private static var mostPieces: Int { 16 }

    package init(_ product: MatrixProduct, threads: Int) {
        let size = unsafe ProductSize(product)
        let wanted = min(max(size.work / ProductPlan.leastPiece(rows: size.rows), 1), ProductPlan.mostPieces)
        (rows, columns) =
            size.isLarge
            ? ProductPlan.largeCuts(size, threads: threads)
            : ProductPlan.cuts(size, wanted: wanted, threads: threads)
        inner = Cut(size.inner, by: size.inner)
        nanoseconds = size.work / 64 + size.results / 8
        let pieces = rows.pieces * columns.pieces
        let busy = min(threads, wanted)
        if size.areFew, size.inner >= 2048, pieces < busy, size.partialsStayNear || size.rows < 16 {
            // Each result is a long sum, and rows are too few to share, or the results of its blocks are little memory.
            let blocks = ProductLimits.blocks(of: size.inner)
            let room = unsafe min(Execution.sharedByteCount / (size.results * 4), blocks.pieces)
            let innerPieces = min((wanted + pieces - 1) / pieces, room)
            let blocksEach = (room + innerPieces - 1) / innerPieces
            inner = Cut(size.inner, by: blocksEach * blocks.size)
            innerAtOnce = room / blocksEach
        }
        let forEachRow = columns.pieces * max(inner.pieces, 1)
        if rows.pieces * forEachRow < busy, size.rows >= 16 {
            // More threads than pieces share the rows further.
            rows = Cut(size.rows, by: max((size.rows * forEachRow + busy - 1) / busy, 8))
        }

        copiesRight = unsafe ProductPlan.copiesRight(product.right, rows: rows.size)
        packsLeft = unsafe product.left.columnStride > 128 && columns.size >= 128
    }

    /// Whether copying the right factor pays: where the copy is read twice and more, and the original lies far apart, in
    /// slow memory, or so that each vector begins in one cache line and ends in the next.
    static func copiesRight(_ right: Factor, rows: Int) -> Bool {
        let isSplit = unsafe UInt(bitPattern: right.base) & 63 != 0 || right.rowStride & 15 != 0
        return unsafe rows > 12 && (right.rowStride > 64 || isSplit)
    }
}

extension ProductPlan {
    /// Pieces about as high as wide, so that what is copied of the factors serves many products. Where the right factor is
    /// large, each piece reads long stretches of its rows, and as few pieces as may be read the same: of very long sums all
    /// of its rows, since there are pieces enough along them, or where their results would be much memory, each thread a
    /// stretch of its own.
    private static func cuts(_ size: ProductSize, wanted: Int, threads: Int) -> (rows: Cut, columns: Cut) {
        let (rows, columns) = (size.rows, size.columns)
        if wanted == 1 { return (Cut(rows, by: rows), cut(columns, into: 1)) }
        let readsMuch = size.inner.saturatingProduct(columns) > 128 << 10
        let stretch = size.partialsStayNear ? columns : max(columns / threads, ProductLimits.panelColumns)
        let narrowest = size.areFew && size.inner >= 8192 ? stretch : readsMuch ? 128 : ProductLimits.panelColumns
        var acrossColumns = 1
        while acrossColumns * 2 <= wanted, columns / (acrossColumns * 2) >= narrowest,
            columns / acrossColumns > rows / (wanted / acrossColumns),
            isEven(columns, into: acrossColumns * 2)
        {
            acrossColumns *= 2
        }
        let columnCut = cut(columns, into: acrossColumns)
        // One thread has nobody to share rows with.
        if threads == 1 { return (Cut(rows, by: rows), columnCut) }
        // Each piece reads its columns of the right factor again, so it takes some rows; an even number of pieces, though
        // it be one too many, since two threads are the fewest that share.
        let mostAcross = readsMuch ? rows / leastRows : rows >= 16 ? max(rows / 32, 2) : 1
        var acrossRows = max(min(wanted / columnCut.pieces, mostAcross), 1)
        if acrossRows > 1 { acrossRows += acrossRows % 2 }
        return (Cut(rows, by: (rows + acrossRows - 1) / acrossRows), columnCut)
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

    /// The fewest rows that are worth copying the right factor for, and the fewest where threads would else have none.
    private static var leastRows: Int { 96 }
    private static var leastSharedRows: Int { 32 }

    /// Of a large product each piece takes the columns that stay near, or half of these where columns are few, and as many
    /// rows as it can, since it copies the right factor. Each of several threads gets two pieces or more, and where these
    /// are few, as many as the others.
    private static func largeCuts(_ size: ProductSize, threads: Int) -> (rows: Cut, columns: Cut) {
        let widest = size.columns < 2 * ProductLimits.columns ? ProductLimits.columns / 2 : ProductLimits.columns
        let columns = Cut(size.columns, evenlyBy: widest, grain: ProductLimits.panelColumns)
        guard threads > 1, columns.pieces < 8 * threads else { return (Cut(size.rows, by: size.rows), columns) }
        // So many pieces above one another, or a multiple, are as many for each thread.
        let even = threads / greatestCommonDivisor(columns.pieces, threads)
        let twice = (2 * threads + columns.pieces - 1) / columns.pieces
        let most = size.rows / leastRows
        let across =
            even > most
            ? min(even, size.rows / leastSharedRows) : min((twice + even - 1) / even, most / even) * even
        return (Cut(size.rows, by: (size.rows + across - 1) / across), columns)
    }

    private static func greatestCommonDivisor(_ first: Int, _ second: Int) -> Int {
        second == 0 ? first : greatestCommonDivisor(second, first % second)
    }
}

/// What a plan depends on but for where factors lie.
struct ProductSize {
    var rows: Int
    var inner: Int
    var columns: Int

    init(_ product: MatrixProduct) {
        rows = unsafe product.rows
        inner = unsafe product.inner
        columns = unsafe product.columns
    }

    var results: Int { rows.saturatingProduct(columns) }
    /// Multiplications.
    var work: Int { results.saturatingProduct(max(inner, 1)) }
    /// So few results that parts of a long sum are worth results of their own.
    var areFew: Bool { results <= 1 << 16 }
    /// Whether the results of all blocks of the inner index stay in the fast caches.
    var partialsStayNear: Bool { results.saturatingProduct(ProductLimits.blocks(of: inner).pieces) <= 1 << 18 }
    /// So large that each thread's part is worth copying a part of the right factor for.
    var isLarge: Bool { rows >= 256 && columns >= 256 && inner >= 256 && !areFew }
}

extension Int {
    fileprivate func saturatingProduct(_ other: Int) -> Int {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? .max / 4 : product
    }
}
