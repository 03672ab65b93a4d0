// What a convolution does with its weights: their copy in panels, and their gradient, a product whose inner index runs
// over positions of the window. Its left factor is the images as columns: the channels that neighbouring taps see of
// one pixel stand side by side in the strip, and so are rows of one block.

import MartletKernelInterface

/// One tap of a `WeightPanelRequest`.
@inline(never)
func weightPanelPiece(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: WeightPanelRequest = value(at: request)
    let (down, across) = (request.tapsDown, request.tapsAcross)
    let y = down.firstIndex + piece / across.count * down.indexStep
    let x = across.firstIndex + piece % across.count * across.indexStep
    let source = UnsafeRawPointer(request.weights + y * request.rowStride + x * request.tapStride)
    let target = UnsafeMutableRawPointer(request.panels) + piece * request.depth * RightPanels.rowStride
    let panelStride = down.count * across.count * request.depth * RightPanels.rowStride
    if request.columnStride == 1 {
        RightPanels.copyRows(
            source, stride: request.depthStride * 4, inner: request.depth, columns: request.columns, to: target,
            panelStride: panelStride)
    } else {
        RightPanels.copyColumns(
            source, stride: request.columnStride * 4, inner: request.depth, columns: request.columns, to: target,
            panelStride: panelStride)
    }
}

/// One piece of a `WeightGradientRequest`.
@inline(never)
func weightGradientPiece(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: WeightGradientRequest = value(at: request)
    let partial = piece % request.partials
    let inPlane = piece / request.partials
    let tapRow = inPlane / request.columnPieces * request.pieceTapRows
    let column = inPlane % request.columnPieces * request.pieceColumns
    let tapRows = min(request.pieceTapRows, request.window.tapsDown.count - tapRow)
    let columns = min(request.pieceColumns, request.columns - column)

    // This piece sees these rows of taps alone.
    var window = request.window
    window.tapsDown = window.tapsDown.part(tapRow, count: tapRows)
    let pieces = window.pieces
    let first = partial * pieces / request.partials
    let end = (partial + 1) * pieces / request.partials
    let out = UnsafeMutableRawPointer(request.out + partial * request.partialStride + tapRow * request.outRow + column)
    BlockScratch.prepare(scratch)
    for part in first..<end {
        addPart(
            request, window, Strip(window, piece: part), column: column, columns: columns, isFirst: part == first,
            to: out, scratch: scratch)
    }
}

/// Adds what some positions contribute.
@inline(__always)
private func addPart(
    _ request: WeightGradientRequest, _ window: SlidingWindow, _ strip: Strip, column: Int, columns: Int,
    isFirst: Bool, to out: UnsafeMutableRawPointer, scratch: UnsafeMutableRawPointer
) {
    let pixels = scratch + StripMemory.strip
    let edge = scratch + StripMemory.edge
    strip.fill(window, pixels)
    let gradientStep = request.gradientPixel * 4
    let position = (strip.firstImage * window.outHeight + strip.firstRow) * window.outWidth + strip.firstColumn
    let gradient = UnsafeRawPointer(request.gradient + position * request.gradientPixel + column)
    let whole = columns & (grain - 1) == 0 ? columns : columns / panelColumns * panelColumns
    if whole < columns {
        copyEdge(gradient + whole * 4, window, strip, columns: columns - whole, step: gradientStep, to: edge)
    }

    let across = window.tapsAcross
    // Channels of neighbouring taps are rows of one block where they are neighbours in the result, too.
    let together = across.offsetStep == 1 && request.outTap == window.depth * request.outChannel ? across.count : 1
    let outRow = request.outChannel * 4
    var block = TileBlock(
        segments: UnsafeRawPointer(scratch + StripMemory.segments).assumingMemoryBound(to: Segment.self),
        segmentCount: strip.images * strip.rows, leftRow: 4, leftStep: across.stride * strip.pixelBytes,
        rightStep: gradientStep, outRow: outRow, startRow: 0, floor: -.infinity)
    for isEdge in 0..<2 {
        let count = isEdge == 0 ? whole : columns - whole
        if count == 0 { continue }
        block.rightStep = isEdge == 0 ? gradientStep : RightPanels.rowStride
        writeRows(window, strip, rightStep: block.rightStep, isPacked: isEdge == 1, to: scratch + StripMemory.segments)
        for y in 0..<window.tapsDown.count {
            var x = 0
            while x < across.count {
                let place = out + (y * request.outRow + x * request.outTap) * 4 + isEdge * whole * 4
                multiplyBlock(
                    block, rows: together * window.depth, columns: count,
                    left: pixels + y * window.tapsDown.offsetStep * strip.rowBytes
                        + x * across.offsetStep * strip.pixelBytes,
                    right: isEdge == 0 ? gradient : UnsafeRawPointer(edge), panelStride: panelColumns * 4,
                    start: isFirst ? BlockStart(base: nil, row: 0) : BlockStart(base: place, row: outRow),
                    out: place, scratch: scratch)
                x += together
            }
        }
    }
}

/// The rows of positions as segments.
@inline(__always)
private func writeRows(
    _ window: SlidingWindow, _ strip: Strip, rightStep: Int, isPacked: Bool, to target: UnsafeMutableRawPointer
) {
    // Positions from one row to the next, and from one image to the next, of the gradient or of its packed columns.
    let rowPositions = isPacked ? strip.columns : window.outWidth
    let imagePositions = isPacked ? strip.rows * strip.columns : window.outHeight * window.outWidth
    var place = target
    for image in 0..<strip.images {
        for row in 0..<strip.rows {
            put(
                Segment(
                    left: image * strip.imageBytes + row * window.tapsDown.stride * strip.rowBytes,
                    right: (image * imagePositions + row * rowPositions) * rightStep, count: strip.columns),
                at: place)
            place += MemoryLayout<Segment>.stride
        }
    }
}

/// Copies the last columns of the gradient, which tiles would read beyond its end.
@inline(never)
private func copyEdge(
    _ gradient: UnsafeRawPointer, _ window: SlidingWindow, _ strip: Strip, columns: Int, step: Int,
    to target: UnsafeMutableRawPointer
) {
    var place = target
    for image in 0..<strip.images {
        for row in 0..<strip.rows {
            let from = gradient + (image * window.outHeight + row) * window.outWidth * step
            RightPanels.copyRows(
                from, stride: step, inner: strip.columns, columns: columns, to: place, panelStride: 0)
            place += strip.columns * RightPanels.rowStride
        }
    }
}
