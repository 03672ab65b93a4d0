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
/// their first reader, the rest copied at once.
private struct RightPart {
    let base: UnsafeRawPointer
    let rowStride: Int
    let copy: UnsafeMutableRawPointer
    let panels: RightPanels
    /// The first columns: those that tiles can read where they lie.
    let plain: Int

    @inline(__always)
    init(_ factor: Factor, _ part: ProductPart, copy: UnsafeMutableRawPointer) {
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
        panels.fill(
            base + plain * columnStride, factor, inner: inner, columns: columns - plain,
            to: copy + panels.offset(column: plain))
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
    let right = RightPart(product.right, part, copy: scratch + PieceMemory.right)
    let copies = request.copiesRight && inner > 0 && part.rows.count > mostTileRows(columns: min(columns, panelColumns))
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
            if done < columns {
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
