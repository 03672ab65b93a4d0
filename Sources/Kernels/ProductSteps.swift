// Pieces of a large product, which goes step by step: in each, all threads copy a part of the right factor, some columns
// over one block of the inner index, and then work out all rows for it, a few rows a piece. So neither factor is copied
// more than once for each such part. Which products go this way, and which parts, Compute decides.

import MartletKernelInterface

/// One piece of the copying: some panels.
@inline(never)
func productPanels(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let step: ProductStep = value(at: request)
    let right = step.product.right
    let columns = step.columnCut.range(piece)
    let panels = RightPanels(columns: step.columns.count, inner: step.inner.count)
    let source =
        UnsafeRawPointer(right.base) + (step.columns.lowerBound + columns.lowerBound) * right.columnStride * 4
        + step.inner.lowerBound * right.rowStride * 4
    panels.fill(
        source, right, inner: step.inner.count, columns: columns.count,
        to: step.panels + panels.offset(column: columns.lowerBound))
}

/// One piece of the rest: some rows, for all columns of the step.
@inline(never)
func productRows(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let step: ProductStep = value(at: request)
    BlockScratch.prepare(scratch)
    let rows = step.rowCut.range(piece)
    var row = rows.lowerBound
    while row < rows.upperBound {
        let end = min(row + ProductLimits.rows, rows.upperBound)
        multiplyRows(step, row..<end, scratch)
        row = end
    }
}

/// Copies a part of the left factor and multiplies it with the panels, as many at a time as stay near.
@inline(never)
private func multiplyRows(_ step: ProductStep, _ rows: Range<Int>, _ scratch: UnsafeMutableRawPointer) {
    let product = step.product
    let inner = step.inner.count
    let left = LeftPart(product.left, row: rows.lowerBound, inner: step.inner.lowerBound)
        .copied(rows: rows.count, inner: inner, to: scratch + PieceMemory.left)
    let panels = RightPanels(columns: step.columns.count, inner: inner)
    let ends = BlockEnds(
        product, isFirst: step.inner.lowerBound == 0, isLast: step.inner.upperBound == product.inner)
    let segment = Segment(left: 0, right: 0, count: inner)
    withAddress(of: segment) { segment in
        let block = TileBlock(
            segments: segment, segmentCount: 1, leftRow: left.row, leftStep: left.step,
            rightStep: panels.rowStride, outRow: product.outStride * 4, startRow: 0, floor: ends.floor)
        var column = 0
        while column < step.columns.count {
            let place = step.columns.lowerBound + column
            multiplyBlock(
                block, rows: rows.count, columns: min(ProductLimits.columns, step.columns.count - column),
                left: left.base,
                right: step.panels + panels.offset(column: column), panelStride: panels.panelStride,
                start: ends.start.at(row: rows.lowerBound, column: place),
                out: UnsafeMutableRawPointer(product.out + rows.lowerBound * product.outStride + place),
                scratch: scratch)
            column += ProductLimits.columns
        }
    }
}
