// The part of the images that a piece of a convolution sees, copied once with zeros where windows reach beyond them.
// Tiles then read every pixel where it stands, as often as taps look at it, and nothing is unfolded.
// No sums: ConvolutionPieces.swift and ConvolutionWeights.swift do those.

import MartletKernelInterface

/// One piece's positions and what they see.
struct Strip {
    var firstImage: Int
    var images: Int
    var firstRow: Int
    var rows: Int
    var firstColumn: Int
    var columns: Int
    /// Rows of pixels of one image, and bytes from row to row and from image to image.
    var height: Int
    var rowBytes: Int
    var imageBytes: Int
    /// Bytes of one pixel.
    var pixelBytes: Int

    @inline(__always)
    init(_ window: SlidingWindow, piece: Int) {
        let across = window.piecesAcross
        let down = window.piecesDown
        let line = piece / across
        firstColumn = (piece - line * across) * window.pieceWidth
        firstImage = line / down * window.pieceImages
        firstRow = (line - line / down * down) * window.pieceHeight
        images = min(window.pieceImages, window.batch - firstImage)
        rows = min(window.pieceHeight, window.outHeight - firstRow)
        columns = min(window.pieceWidth, window.outWidth - firstColumn)
        height = window.tapsDown.span(rows)
        pixelBytes = window.depth * 4
        rowBytes = window.tapsAcross.span(columns) * pixelBytes
        imageBytes = height * rowBytes
    }

    /// Copies what the piece sees.
    @inline(never)
    func fill(_ window: SlidingWindow, _ target: UnsafeMutableRawPointer) {
        let top = firstRow * window.tapsDown.stride + window.tapsDown.firstOffset
        let left = firstColumn * window.tapsAcross.stride + window.tapsAcross.firstOffset
        let width = window.tapsAcross.span(columns)
        // Columns of the strip that are in the image.
        let first = min(max(-left, 0), width)
        let end = max(min(width, window.width - left), first)
        for image in 0..<images {
            for row in 0..<height {
                let place = target + image * imageBytes + row * rowBytes
                let y = top + row
                if y < 0 || y >= window.height || first == end {
                    clearNumbers(place, count: width * window.depth)
                    continue
                }
                clearNumbers(place, count: first * window.depth)
                clearNumbers(place + end * pixelBytes, count: (width - end) * window.depth)
                let pixel = ((firstImage + image) * window.height + y) * window.width + left + first
                let source = UnsafeRawPointer(window.image + pixel * window.pixelStride)
                if window.depth == window.pixelStride {
                    copyNumbers(source, to: place + first * pixelBytes, count: (end - first) * window.depth)
                } else {
                    for x in 0..<end - first {
                        copyNumbers(
                            source + x * window.pixelStride * 4, to: place + (first + x) * pixelBytes,
                            count: window.depth)
                    }
                }
            }
        }
    }
}

/// The scratch of a piece of a convolution.
enum StripMemory {
    @inline(__always)
    static var segments: Int { (BlockScratch.byteCount + 63) / 64 * 64 }
    @inline(__always)
    static var strip: Int {
        (segments + ConvolutionLimits.segments * MemoryLayout<Segment>.stride + 63) / 64 * 64
    }
    /// Behind the strip, for gradients of weights: what a tile sees, `leftStep` bytes from position to position, and
    /// the gradient in panels.
    @inline(__always)
    static var left: Int { strip + ConvolutionLimits.stripBytes + 64 }
    @inline(__always)
    static var leftStep: Int { 64 }
    /// The most rows of a product for which that is copied at once; tiles of any width share them evenly.
    @inline(__always)
    static var leftRows: Int { 12 }
    @inline(__always)
    static var panels: Int { left + ConvolutionLimits.positions * leftStep }
}
