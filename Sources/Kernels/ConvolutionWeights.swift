// What a convolution does with its weights: their copy in panels, and their gradient, a product whose inner index runs
// over positions of the window. Its left factor is the images as columns: the channels that neighbouring taps see of
// one pixel stand side by side in the strip, and so are rows of one block.

import MartletKernelInterface

/// One tap of a `WeightPanelsRequest`.
@inline(never)
func weightPanels(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: WeightPanelsRequest = value(at: request)
    let (down, across) = (request.tapsDown, request.tapsAcross)
    let y = down.firstIndex + piece / across.count * down.indexStep
    let x = across.firstIndex + piece % across.count * across.indexStep
    let source = UnsafeRawPointer(request.weights + y * request.rowStride + x * request.tapStride)
    let panels = RightPanels(columns: request.columns, inner: down.count * across.count * request.depth)
    let target = UnsafeMutableRawPointer(request.panels) + piece * request.depth * panels.rowStride
    if request.columnStride == 1 {
        panels.copyRows(
            source, stride: request.depthStride * 4, inner: request.depth, columns: request.columns, to: target)
    } else {
        panels.copyColumns(
            source, stride: request.columnStride * 4, inner: request.depth, columns: request.columns, to: target)
    }
}

/// One piece of a `WeightGradientRequest`.
@inline(never)
func weightGradient(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
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

/// Adds what some positions contribute: their gradient is copied into panels, and some rows at a time what the taps see at
/// them next to one another, since pixels lie at distances that collide in the first-level cache.
@inline(__always)
private func addPart(
    _ request: WeightGradientRequest, _ window: SlidingWindow, _ strip: Strip, column: Int, columns: Int,
    isFirst: Bool, to out: UnsafeMutableRawPointer, scratch: UnsafeMutableRawPointer
) {
    let pixels = scratch + StripMemory.strip
    strip.fill(window, pixels)
    let positions = strip.images * strip.rows * strip.columns
    let panels = RightPanels(columns: columns, inner: positions)
    copyGradient(request, window, strip, panels, column: column, columns: columns, to: scratch + StripMemory.panels)

    let across = window.tapsAcross
    // Channels of neighbouring taps are rows of one block where they are neighbours in the result, too.
    let together = across.offsetStep == 1 && request.outTap == window.depth * request.outChannel ? across.count : 1
    let rows = together * window.depth
    let outRow = request.outChannel * 4
    let block = TileBlock(
        segments: UnsafeRawPointer(scratch + StripMemory.segments).assumingMemoryBound(to: Segment.self),
        segmentCount: 1, leftRow: 4, leftStep: StripMemory.leftStep, rightStep: panels.rowStride, outRow: outRow,
        startRow: 0, floor: -.infinity)
    put(Segment(left: 0, right: 0, count: positions), at: scratch + StripMemory.segments)
    for y in 0..<window.tapsDown.count {
        var x = 0
        while x < across.count {
            let seen =
                pixels + y * window.tapsDown.offsetStep * strip.rowBytes
                + x * across.offsetStep * strip.pixelBytes
            let place = out + (y * request.outRow + x * request.outTap) * 4
            var row = 0
            while row < rows {
                let count = evenRows(rows - row, most: StripMemory.leftRows)
                copySeen(seen + row * 4, window, strip, to: scratch + StripMemory.left)
                let target = place + row * outRow
                multiplyBlock(
                    block, rows: count, columns: columns, left: UnsafeRawPointer(scratch + StripMemory.left),
                    right: UnsafeRawPointer(scratch + StripMemory.panels), panelStride: panels.panelStride,
                    start: isFirst ? BlockStart(base: nil, row: 0) : BlockStart(base: target, row: outRow),
                    out: target, scratch: scratch)
                row += count
            }
            x += together
        }
    }
}

/// Copies sixteen numbers from what is seen at each position; which of them count, the block knows.
@inline(never)
private func copySeen(
    _ seen: UnsafeRawPointer, _ window: SlidingWindow, _ strip: Strip, to target: UnsafeMutableRawPointer
) {
    let step = window.tapsAcross.stride * strip.pixelBytes
    var place = target
    for image in 0..<strip.images {
        for row in 0..<strip.rows {
            var from = seen + image * strip.imageBytes + row * window.tapsDown.stride * strip.rowBytes
            for _ in 0..<strip.columns {
                write(read(from) as SIMD16<Float>, to: place)
                from += step
                place += StripMemory.leftStep
            }
        }
    }
}

/// Copies the gradient at some positions into panels.
@inline(never)
private func copyGradient(
    _ request: WeightGradientRequest, _ window: SlidingWindow, _ strip: Strip, _ panels: RightPanels, column: Int,
    columns: Int, to target: UnsafeMutableRawPointer
) {
    let step = request.gradientPixel * 4
    var place = target
    for image in 0..<strip.images {
        for row in 0..<strip.rows {
            let y = (strip.firstImage + image) * window.outHeight + strip.firstRow + row
            let position = y * window.outWidth + strip.firstColumn
            panels.copyRows(
                UnsafeRawPointer(request.gradient + position * request.gradientPixel + column), stride: step,
                inner: strip.columns, columns: columns, to: place)
            place += strip.columns * panels.rowStride
        }
    }
}
