// One piece of a product of few rows and a transposed right factor, worked out as its own transpose: the right factor's
// columns, which lie together, are then the rows that tiles read where they lie, and what is turned is the few rows of
// the left factor and of the results, and not the whole right factor. Each result is the same sum in the same order.
// Which products go this way, Compute decides.

import MartletKernelInterface

/// One piece of a `ProductTurnedRequest`: some columns of the results, for all rows.
@inline(never)
func productTurned(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: ProductTurnedRequest = value(at: request)
    let product = request.product
    let left = product.left
    let turned = Factor(base: left.base, rowStride: left.columnStride, columnStride: left.rowStride)
    let rows = wholeGrains(product.rows)
    BlockScratch.prepare(scratch)
    let panels = RightPanels(columns: product.rows, inner: product.inner)
    let copy = scratch + PieceMemory.right
    panels.fill(left.base, turned, inner: product.inner, columns: product.rows, to: copy)
    let blocks = ProductLimits.blocks(of: product.inner)
    let end = request.columns.end(piece)
    var column = request.columns.start(piece)
    while column < end {
        let count = min(ProductLimits.turnedRows, end - column)
        let results = scratch + PieceMemory.left
        for index in 0..<blocks.pieces {
            multiplyTurned(
                product, columns: column..<column + count, inner: blocks.range(index), rows: rows, panels, copy,
                to: results, scratch)
        }
        turnBack(
            results, stride: rows * 4, rows: product.rows, columns: count,
            to: UnsafeMutableRawPointer(product.out + column), stride: product.outStride * 4)
        column += count
    }
}

/// Adds the products of one block of the inner index to the results of some columns, each a row here.
@inline(__always)
private func multiplyTurned(
    _ product: MatrixProduct, columns: Range<Int>, inner: Range<Int>, rows: Int, _ panels: RightPanels,
    _ copy: UnsafeRawPointer, to results: UnsafeMutableRawPointer, _ scratch: UnsafeMutableRawPointer
) {
    let right = product.right
    let isFirst = inner.lowerBound == 0
    let start = BlockStart(base: isFirst ? nil : UnsafeRawPointer(results), row: isFirst ? 0 : rows * 4)
    withAddress(of: Segment(left: 0, right: 0, count: inner.count)) { segment in
        let block = TileBlock(
            segments: segment, segmentCount: 1, leftRow: right.columnStride * 4, leftStep: right.rowStride * 4,
            rightStep: panels.rowStride, outRow: rows * 4, startRow: 0, floor: -.infinity)
        multiplyBlock(
            block, rows: columns.count, columns: rows,
            left: UnsafeRawPointer(right.base) + columns.lowerBound * block.leftRow + inner.lowerBound * block.leftStep,
            right: copy + inner.lowerBound * panels.rowStride, panelStride: panels.panelStride, start: start,
            out: results, scratch: scratch)
    }
}

/// Writes the columns of `source`, each of `rows` numbers in a row of its own, as columns.
@inline(never)
private func turnBack(
    _ source: UnsafeRawPointer, stride: Int, rows: Int, columns: Int, to out: UnsafeMutableRawPointer,
    stride outStride: Int
) {
    let wholeRows = rows & ~(grain - 1)
    let wholeColumns = columns & ~(grain - 1)
    for block in 0..<columns / grain {
        for rowBlock in 0..<rows / grain {
            let (column, row) = (block * grain, rowBlock * grain)
            transpose(
                source + column * stride + row * 4, stride: stride, to: out + row * outStride + column * 4,
                stride: outStride)
        }
    }
    for column in 0..<columns {
        for row in (column < wholeColumns ? wholeRows : 0)..<rows {
            copy(source + column * stride + row * 4, to: out + row * outStride + column * 4, bytes: 4)
        }
    }
}
