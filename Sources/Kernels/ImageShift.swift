// Images in another frame: with zeros around them, cut out, moved, mirrored; and the gradients of that, which go the same
// way back.

import MartletKernelInterface

/// Which pixel is shown along one direction: `start` + i, or `start` - i.
private struct Way {
    let start: Int
    let isTurned: Bool

    /// - Parameter size: the image's.
    @inline(__always)
    init(_ shift: Shift, _ mirror: UInt32, _ offset: UInt32, size: Int, isBackward: Bool) {
        let drawn = shift.first + Int((UInt64(offset) &* UInt64(shift.choices)) >> 32)
        isTurned = shift.mirrors && mirror >> 31 == 1
        start = isTurned ? size - 1 - drawn : isBackward ? -drawn : drawn
    }

    @inline(__always)
    func callAsFunction(_ index: Int) -> Int { isTurned ? start - index : start + index }
}

/// One piece's images.
func imageShift(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: ImageShiftRequest = value(at: request)
    let (height, width, channels) = (request.height, request.width, request.channels)
    let key = streamKey(request.key, request.step)
    let isBackward = request.isBackward
    for image in request.cut.start(piece)..<request.cut.end(piece) {
        let words = drawnFour(key, UInt64(image))
        let down = Way(
            request.rows, words[0], words[1], size: isBackward ? request.toHeight : height, isBackward: isBackward)
        let across = Way(
            request.columns, words[2], words[3], size: isBackward ? request.toWidth : width, isBackward: isBackward)
        let x = request.from + image * height * width * channels
        var y = request.to + image * request.toHeight * request.toWidth * channels
        for row in 0..<request.toHeight {
            showRow(x, down(row), across, request, to: y)
            y += request.toWidth * channels
        }
    }
}

/// A row of what is made, from a row of the image, or from none.
@inline(__always)
private func showRow(
    _ x: UnsafePointer<Float>, _ row: Int, _ across: Way, _ request: ImageShiftRequest,
    to y: UnsafeMutablePointer<Float>
) {
    let (width, count, channels) = (request.width, request.toWidth, request.channels)
    guard row >= 0 && row < request.height else {
        clearNumbers(y, count: count * channels)
        return
    }
    // The first column that shows a pixel, and the one behind the last.
    let first = min(max(across.isTurned ? across.start - width + 1 : -across.start, 0), count)
    let end = max(min(across.isTurned ? across.start + 1 : width - across.start, count), first)
    clearNumbers(y, count: first * channels)
    clearNumbers(y + end * channels, count: (count - end) * channels)
    let line = x + row * width * channels
    if !across.isTurned {
        copyNumbers(line + across(first) * channels, to: y + first * channels, count: (end - first) * channels)
        return
    }
    for column in first..<end {
        copyNumbers(line + across(column) * channels, to: y + column * channels, count: channels)
    }
}
