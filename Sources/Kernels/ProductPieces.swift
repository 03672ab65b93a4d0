// One piece of a product: its results block by block, with parts of the factors copied where that pays. The inner index
// is cut by its length alone, so that every result is the same sum in the same order whatever the strategy.
// Which strategy, and which pieces, Compute decides.

import MartletKernelInterface

/// The inner index in blocks: as few as hold at most 256 each, as even as they go.
struct InnerBlocks {
    let count: Int
    private let size: Int
    private let inner: Int

    @inline(__always)
    init(_ inner: Int) {
        self.inner = inner
        count = max(1, (inner + LeftBlock.inner - 1) / LeftBlock.inner)
        size = (inner + count - 1) / count
    }

    @inline(__always)
    func start(_ block: Int) -> Int { min(block * size, inner) }
    @inline(__always)
    func end(_ block: Int) -> Int { min((block + 1) * size, inner) }
}

/// How much of a right factor is copied at a time.
private enum Chunk {
    @inline(__always)
    static var columns: Int { 512 }
}

/// Part of a product.
struct ProductPart {
    var rows: Range<Int>
    var columns: Range<Int>
    var inner: Range<Int>
}

/// One piece of a `ProductRequest`.
@inline(never)
func productPiece(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: ProductRequest = value(at: request)
    var product = request.product
    let inPlane = piece / request.innerPieces
    let innerPiece = piece - inPlane * request.innerPieces
    let rowPiece = inPlane / request.columnPieces
    let columnPiece = inPlane - rowPiece * request.columnPieces
    let row = rowPiece * request.pieceRows
    let column = columnPiece * request.pieceColumns
    let inner = innerPiece * request.pieceInner
    let part = ProductPart(
        rows: row..<min(row + request.pieceRows, product.rows),
        columns: column..<min(column + request.pieceColumns, product.columns),
        inner: inner..<min(inner + request.pieceInner, product.inner))
    if let partials = request.partials {
        product.out = partials + innerPiece * request.partialStride
        product.outStride = product.columns
        product.accumulates = false
        product.bias = nil
        product.epilogue = .none
    }
    BlockScratch.prepare(scratch)
    multiplyPart(
        product, part, packsLeft: request.packsLeft, packsRight: request.packsRight, scratch: scratch)
}

/// What follows inner pieces: their results are added up in order. One piece for each of the rows.
@inline(never)
func productSum(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: ProductRequest = value(at: request)
    let product = request.product
    guard let partials = request.partials else { return }
    let from = partials + piece * product.columns
    let out = product.out + piece * product.outStride
    var column = 0
    while column < product.columns {
        let count = min(grain, product.columns - column)
        var sum = load(count, from + column)
        for partial in 1..<request.innerPieces {
            sum += load(count, from + partial * request.partialStride + column)
        }
        if product.accumulates {
            sum = load(count, out + column) + sum
        } else {
            if let bias = product.bias { sum += load(count, bias + column) }
            sum = sum.replacing(with: 0, where: sum .< SIMD16(repeating: floor(of: product)))
        }
        store(count, sum, to: out + column)
        column += grain
    }
}

@inline(__always)
private func floor(of product: MatrixProduct) -> Float {
    switch product.epilogue {
    case .none: -.infinity
    case .relu: product.accumulates ? -.infinity : 0
    }
}

/// Multiplies one part after another of the inner index.
@inline(__always)
private func multiplyPart(
    _ product: MatrixProduct, _ part: ProductPart, packsLeft: Bool, packsRight: Bool, scratch: UnsafeMutableRawPointer
) {
    let blocks = InnerBlocks(part.inner.count)
    for index in 0..<blocks.count {
        let inner = part.inner.lowerBound + blocks.start(index)..<part.inner.lowerBound + blocks.end(index)
        var start = BlockStart(base: nil, row: 0)
        if product.accumulates || index > 0 {
            start = BlockStart(base: UnsafeRawPointer(product.out), row: product.outStride * 4)
        } else if let bias = product.bias {
            start = BlockStart(base: UnsafeRawPointer(bias), row: 0)
        }
        var column = part.columns.lowerBound
        while column < part.columns.upperBound {
            let columns = column..<min(column + Chunk.columns, part.columns.upperBound)
            multiplyColumns(
                product, ProductPart(rows: part.rows, columns: columns, inner: inner), start,
                floor: index == blocks.count - 1 ? floor(of: product) : -.infinity, packsLeft: packsLeft,
                packsRight: packsRight, scratch: scratch)
            column = columns.upperBound
        }
    }
}

/// The memory of a piece: what blocks need, the copied left factor, the copied right one.
private enum PieceMemory {
    @inline(__always)
    static var left: Int { (BlockScratch.byteCount + 63) / 64 * 64 }
    @inline(__always)
    static var right: Int { left + LeftBlock.byteCount }
}

/// Multiplies one chunk of columns over one block of the inner index.
@inline(never)
private func multiplyColumns(
    _ product: MatrixProduct, _ part: ProductPart, _ start: BlockStart, floor: Float, packsLeft: Bool,
    packsRight: Bool, scratch: UnsafeMutableRawPointer
) {
    let inner = part.inner.count
    let columns = part.columns.count
    let rightColumn = product.right.columnStride * 4
    let rightRow = product.right.rowStride * 4
    let right =
        UnsafeRawPointer(product.right.base) + part.columns.lowerBound * rightColumn
        + part.inner.lowerBound * rightRow
    let panels = scratch + PieceMemory.right
    let panelStride = RightPanels.rowStride * inner
    // Columns that are read where they lie.
    var plain = 0
    if product.right.columnStride != 1 {
        RightPanels.copyColumns(
            right, stride: rightColumn, inner: inner, columns: columns, to: panels, panelStride: panelStride)
    } else if packsRight {
        RightPanels.copyRows(
            right, stride: rightRow, inner: inner, columns: columns, to: panels, panelStride: panelStride)
    } else {
        plain = columns & (grain - 1) == 0 ? columns : columns / panelColumns * panelColumns
        RightPanels.copyRows(
            right + plain * 4, stride: rightRow, inner: inner, columns: columns - plain, to: panels,
            panelStride: panelStride)
    }

    let segment = Segment(left: 0, right: 0, count: inner)
    var row = part.rows.lowerBound
    while row < part.rows.upperBound {
        let rows = packsLeft ? min(LeftBlock.rows, part.rows.upperBound - row) : part.rows.count
        withAddress(of: segment) { segment in
            var left =
                UnsafeRawPointer(product.left.base) + row * product.left.rowStride * 4
                + part.inner.lowerBound * product.left.columnStride * 4
            var block = TileBlock(
                segments: segment, segmentCount: inner == 0 ? 0 : 1, leftRow: product.left.rowStride * 4,
                leftStep: product.left.columnStride * 4, rightStep: rightRow, outRow: product.outStride * 4,
                startRow: 0, floor: floor)
            if packsLeft {
                let copied = scratch + PieceMemory.left
                if product.left.columnStride == 1 {
                    LeftBlock.copyRows(left, stride: block.leftRow, rows: rows, inner: inner, to: copied)
                    block.leftRow = LeftBlock.rowStride
                } else {
                    LeftBlock.copyColumns(left, stride: block.leftStep, rows: rows, inner: inner, to: copied)
                    block.leftStep = LeftBlock.columnStride
                }
                left = UnsafeRawPointer(copied)
            }
            let out = UnsafeMutableRawPointer(product.out + row * product.outStride + part.columns.lowerBound)
            var here = start
            if let base = start.base { here.base = base + row * start.row + part.columns.lowerBound * 4 }
            if plain > 0 {
                multiplyBlock(
                    block, rows: rows, columns: plain, left: left, right: right, panelStride: panelColumns * 4,
                    start: here, out: out, scratch: scratch)
            }
            if plain < columns {
                if let base = here.base { here.base = base + plain * 4 }
                block.rightStep = RightPanels.rowStride
                multiplyBlock(
                    block, rows: rows, columns: columns - plain, left: left, right: panels,
                    panelStride: panelStride, start: here, out: out + plain * 4, scratch: scratch)
            }
        }
        row += rows
    }
}
