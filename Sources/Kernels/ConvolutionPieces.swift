// One piece of a convolution, forward or towards the image: some positions of the window, each a row of a product whose
// other factor is the weights. A row of positions is a row of tiles, over the taps as segments of the inner index.
// Which positions make a piece, and what flipped or strided windows come to, Compute decides.

import MartletKernelInterface

/// One piece of a `SlideRequest`.
@inline(never)
func slide(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: SlideRequest = value(at: request)
    let window = request.window
    let strip = Strip(window, piece: piece)
    BlockScratch.prepare(scratch)
    let pixels = scratch + StripMemory.strip
    let segments = scratch + StripMemory.segments
    let panels = RightPanels(columns: request.columns, inner: window.inner)
    let segmentCount = writeTaps(window, strip, panels, to: segments)
    if segmentCount > 0 { strip.fill(window, pixels) }

    let block = TileBlock(
        segments: UnsafeRawPointer(segments).assumingMemoryBound(to: Segment.self), segmentCount: segmentCount,
        leftRow: window.tapsAcross.stride * strip.pixelBytes, leftStep: 4, rightStep: panels.rowStride,
        outRow: request.outPixel * 4, startRow: 0, floor: floor(of: request))
    for image in 0..<strip.images {
        for row in 0..<strip.rows {
            let place =
                request.out + (strip.firstImage + image) * request.outImage
                + (strip.firstRow + row) * request.outRow + strip.firstColumn * request.outPixel
            var start = BlockStart(base: nil, row: 0)
            if request.accumulates {
                start = BlockStart(base: UnsafeRawPointer(place), row: block.outRow)
            } else if let bias = request.bias {
                start = BlockStart(base: UnsafeRawPointer(bias), row: 0)
            }
            multiplyBlock(
                block, rows: strip.columns, columns: request.columns,
                left: pixels + image * strip.imageBytes + row * window.tapsDown.stride * strip.rowBytes,
                right: UnsafeRawPointer(request.weights), panelStride: panels.panelStride, start: start,
                out: UnsafeMutableRawPointer(place), scratch: scratch)
        }
    }
}

@inline(__always)
private func floor(of request: SlideRequest) -> Float {
    switch request.epilogue {
    case .none: -.infinity
    case .relu: 0
    }
}

/// The taps as segments: those of one kernel row that look at neighbouring pixels are one. Returns how many.
@inline(__always)
private func writeTaps(
    _ window: SlidingWindow, _ strip: Strip, _ panels: RightPanels, to target: UnsafeMutableRawPointer
) -> Int {
    let (down, across) = (window.tapsDown, window.tapsAcross)
    // Neighbours in one segment, and segments in a kernel row.
    let together = across.offsetStep == 1 || across.count == 1 ? across.count : 1
    let runs = together == 0 ? 0 : across.count / together
    var place = target
    for y in 0..<down.count {
        for x in 0..<runs {
            put(
                Segment(
                    left: y * down.offsetStep * strip.rowBytes + x * across.offsetStep * strip.pixelBytes,
                    right: (y * across.count + x) * window.depth * panels.rowStride, count: together * window.depth),
                at: place)
            place += MemoryLayout<Segment>.stride
        }
    }
    return down.count * runs
}
