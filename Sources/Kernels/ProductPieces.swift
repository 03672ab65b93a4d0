// One piece of a product: its results block by block, with parts of the factors copied where that pays. The inner index
// is cut into blocks by its length alone, so that every result is the same sum in the same order whatever is copied and
// whoever works out which block.
// Which pieces, and what is copied, Compute decides.

import MartletKernelInterface

/// Part of a product.
struct ProductPart {
    var rows: Range<Int>
    var columns: Range<Int>
    var inner: Range<Int>
}

/// One piece of a `ProductRequest`.
@inline(never)
func product(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: ProductRequest = value(at: request)
    var product = request.product
    let inPlane = piece / request.innerPieces
    let innerPiece = piece - inPlane * request.innerPieces
    let rowPiece = inPlane / request.columns.pieces
    let columnPiece = inPlane - rowPiece * request.columns.pieces
    var part = ProductPart(
        rows: request.rows.range(rowPiece), columns: request.columns.range(columnPiece),
        inner: request.inner.range(request.firstInner + innerPiece))
    if request.isLower { part.rows = part.columns.lowerBound..<product.rows }
    if request.partials != nil {
        product.outStride = product.columns
        product.accumulates = false
        product.bias = nil
        product.epilogue = .none
    }
    BlockScratch.prepare(scratch)
    multiplyPart(request, product, part, scratch: scratch)
}

/// One row of a `ProductSumRequest`.
@inline(never)
func productSum(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: ProductSumRequest = value(at: request)
    let product = request.product
    let from = request.partials + piece * product.columns
    let out = product.out + piece * product.outStride
    let ends = BlockEnds(product, isFirst: request.isFirst, isLast: request.isLast)
    let start = ends.start.at(row: piece, column: 0).base?.assumingMemoryBound(to: Float.self)
    let least = Floats(repeating: ends.floor)
    var column = 0
    while column < product.columns {
        let count = min(grain, product.columns - column)
        var sum = load(count, from + column)
        if let start { sum += load(count, start + column) }
        for partial in 1..<request.count {
            sum += load(count, from + partial * request.stride + column)
        }
        store(count, sum.replacing(with: least, where: sum .< least), to: out + column)
        column += grain
    }
}

/// What is added to a product's sums over one block of the inner index, and what they become at least.
struct BlockEnds {
    /// For the first row and column.
    let start: BlockStart
    let floor: Float

    @inline(__always)
    init(_ product: MatrixProduct, isFirst: Bool, isLast: Bool) {
        if product.accumulates || !isFirst {
            start = BlockStart(base: UnsafeRawPointer(product.out), row: product.outStride * 4)
        } else if let bias = product.bias {
            start = BlockStart(base: UnsafeRawPointer(bias), row: 0)
        } else {
            start = BlockStart(base: nil, row: 0)
        }
        floor = isLast ? Self.floor(of: product) : -.infinity
    }

    @inline(__always)
    private static func floor(of product: MatrixProduct) -> Float {
        switch product.epilogue {
        case .none: -.infinity
        case .relu: product.accumulates ? -.infinity : 0
        }
    }
}

/// Multiplies one block after another of the inner index.
@inline(__always)
private func multiplyPart(
    _ request: ProductRequest, _ product: MatrixProduct, _ part: ProductPart, scratch: UnsafeMutableRawPointer
) {
    let blocks = ProductLimits.blocks(of: product.inner)
    let last = max(blocks.pieces, 1) - 1
    let firstOfRun = request.inner.start(request.firstInner) / blocks.size
    var product = product
    var inner = part.inner.lowerBound..<part.inner.lowerBound
    repeat {
        let index = inner.upperBound / blocks.size
        inner = blocks.range(index)
        var ends = BlockEnds(product, isFirst: index == 0, isLast: index == last)
        if let partials = request.partials {
            product.out = partials + (index - firstOfRun) * request.partialStride
            ends = BlockEnds(product, isFirst: true, isLast: true)
        }
        var column = part.columns.lowerBound
        while column < part.columns.upperBound {
            let columns = column..<min(column + ProductLimits.columns, part.columns.upperBound)
            multiplyColumns(
                request, product, ProductPart(rows: part.rows, columns: columns, inner: inner), ends, scratch: scratch)
            column = columns.upperBound
        }
    } while inner.upperBound < part.inner.upperBound
}

/// The memory of a piece: what blocks need, the copied left factor, the copied right one.
enum PieceMemory {
    @inline(__always)
    static var left: Int { (BlockScratch.byteCount + 63) / 64 * 64 }
    @inline(__always)
    static var right: Int { left + LeftBlock.byteCount }
}

/// The right factor of some columns over one block of the inner index: the first columns where they lie or copied by
/// their first reader, the rest copied at once, or where it is read but once only as far as it must be.
private struct RightPart {
    let base: UnsafeRawPointer
    let rowStride: Int
    let copy: UnsafeMutableRawPointer
    let panels: RightPanels
    /// The first columns: those that tiles can read where they lie.
    let plain: Int
    /// The first rows of the rest that are not copied, though whole sixteens of them reach into the next rows.
    let loose: Int

    /// - Parameter isOnce: whether the rest is read by one tile alone.
    @inline(__always)
    init(_ product: MatrixProduct, _ part: ProductPart, isOnce: Bool, copy: UnsafeMutableRawPointer) {
        let factor = product.right
        let columnStride = factor.columnStride * 4
        let columns = part.columns.count
        let inner = part.inner.count
        rowStride = factor.rowStride * 4
        base =
            UnsafeRawPointer(factor.base) + part.columns.lowerBound * columnStride + part.inner.lowerBound * rowStride
        self.copy = copy
        panels = RightPanels(columns: columns, inner: inner)
        if factor.columnStride != 1 {
            plain = 0
        } else {
            plain = columns == wholeGrains(columns) ? columns : columns / panelColumns * panelColumns
        }
        let rest = columns - plain
        // What is beyond a row's last number is the next row's, and behind the last rows nobody's.
        let isLoose = isOnce && rest > 0 && columnStride == 4 && factor.rowStride == product.columns
        let last = (wholeGrains(rest) - rest + factor.rowStride - 1) / max(factor.rowStride, 1)
        loose = isLoose ? max(min(inner, product.inner - part.inner.lowerBound - last), 0) : 0
        let from = base + plain * columnStride
        if loose > 0 {
            let before = part.columns.lowerBound + plain
            copyNumbers(from + loose * rowStride, to: copy, count: (inner - loose) * factor.rowStride - before)
        } else if rest > 0 {
            panels.fill(from, factor, inner: inner, columns: rest, to: copy + panels.offset(column: plain))
        }
    }
}

/// Multiplies one chunk of columns over one block of the inner index.
@inline(never)
private func multiplyColumns(
    _ request: ProductRequest, _ product: MatrixProduct, _ part: ProductPart, _ ends: BlockEnds,
    scratch: UnsafeMutableRawPointer
) {
    let inner = part.inner.count
    let columns = part.columns.count
    let copies = request.copiesRight && inner > 0 && part.rows.count > mostTileRows(columns: min(columns, panelColumns))
    let isOnce = part.rows.count <= mostTileRows(columns: panelColumns)
    let right = RightPart(product, part, isOnce: isOnce, copy: scratch + PieceMemory.right)
    var isCopied = false
    let segment = Segment(left: 0, right: 0, count: inner)
    var row = part.rows.lowerBound
    while row < part.rows.upperBound {
        let rows = request.packsLeft ? min(ProductLimits.rows, part.rows.upperBound - row) : part.rows.count
        withAddress(of: segment) { segment in
            var left = LeftPart(product.left, row: row, inner: part.inner.lowerBound)
            if request.packsLeft { left = left.copied(rows: rows, inner: inner, to: scratch + PieceMemory.left) }
            var block = TileBlock(
                segments: segment, segmentCount: inner == 0 ? 0 : 1, leftRow: left.row, leftStep: left.step,
                rightStep: right.rowStride, outRow: product.outStride * 4, startRow: 0, floor: ends.floor)
            let out = UnsafeMutableRawPointer(product.out + row * product.outStride + part.columns.lowerBound)
            let start = ends.start.at(row: row, column: part.columns.lowerBound)
            if right.plain > 0, !isCopied {
                multiplyBlock(
                    block, rows: rows, columns: right.plain, left: left.base, right: right.base,
                    panelStride: panelColumns * 4, start: start, out: out, copy: copies ? right.copy : nil,
                    scratch: scratch)
            }
            let done = isCopied ? 0 : right.plain
            if right.loose > 0 {
                multiplyLoose(
                    block, right, part, left: left, start: start.at(row: 0, column: done), out: out + done * 4,
                    scratch: scratch)
            } else if done < columns {
                block.rightStep = right.panels.rowStride
                multiplyBlock(
                    block, rows: rows, columns: columns - done, left: left.base,
                    right: right.copy + right.panels.offset(column: done), panelStride: right.panels.panelStride,
                    start: start.at(row: 0, column: done), out: out + done * 4, scratch: scratch)
            }
        }
        isCopied = copies
        row += rows
    }
}

/// The columns that are no whole sixteens, of a right factor that is not copied but for its last rows.
@inline(never)
private func multiplyLoose(
    _ block: TileBlock, _ right: RightPart, _ part: ProductPart, left: LeftPart, start: BlockStart,
    out: UnsafeMutableRawPointer, scratch: UnsafeMutableRawPointer
) {
    let from = right.base + right.plain * 4
    let segments = (
        Segment(left: 0, right: 0, count: right.loose),
        Segment(
            left: right.loose * left.step, right: UnsafeRawPointer(right.copy) - from,
            count: part.inner.count - right.loose)
    )
    withUnsafePointer(to: segments) { segments in
        var block = block
        block.segments = UnsafeRawPointer(segments).assumingMemoryBound(to: Segment.self)
        block.segmentCount = right.loose < part.inner.count ? 2 : 1
        multiplyBlock(
            block, rows: part.rows.count, columns: part.columns.count - right.plain, left: left.base, right: from,
            panelStride: 0, start: start, out: out, scratch: scratch)
    }
}
