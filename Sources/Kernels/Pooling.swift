// Pooling over images, channels-last, and its gradients. Sixteen channels at a time; where fewer are left, lanes reach
// into what follows, which is read for nothing, and written before its own values come. Averages over whole images are
// in GlobalAverage.swift.

import MartletKernelInterface

/// The places of the image, along one dimension, that a window has taps on.
private struct Taps {
    /// Those from `first` on below `end`, `step` apart.
    let first, end, step: Int

    /// A window may be far larger than its image: what of it lies outside is left out here and not tap by tap.
    @inline(__always)
    init(from start: Int, taps: Int, apart: Int, size: Int) {
        step = apart
        end = min(start + taps * apart, size)
        first = start >= 0 ? start : apart == 1 ? 0 : start + (apart - 1 - start) / apart * apart
    }

    @inline(__always)
    var count: Int { first < end ? (end - first - 1) / step + 1 : 0 }

    /// Where the last one lies; before `first` where there is none.
    @inline(__always)
    var last: Int { first + (count - 1) * step }
}

/// One output's window: which rows and columns of the image it sees.
private struct Corner {
    let rows, columns: Taps

    @inline(__always)
    init(_ window: ImageWindow, _ row: Int, _ column: Int) {
        rows = Taps(
            from: row * window.strideHeight - window.padTop, taps: window.kernelHeight, apart: window.dilationHeight,
            size: window.height)
        columns = Taps(
            from: column * window.strideWidth - window.padLeft, taps: window.kernelWidth, apart: window.dilationWidth,
            size: window.width)
    }
}

/// Channel numbers from `first` on.
@_transparent
private func places(from first: Int) -> SIMD16<Int32> {
    SIMD16<Int32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) &+ Int32(truncatingIfNeeded: first)
}

/// The largest element of each window, on one piece's rows of outputs.
func maxPool(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: MaxPoolRequest = value(at: request)
    let window = request.window
    let channels = window.channels
    let image = window.height * window.width * channels
    let pieceEnd = request.cut.end(piece) * window.outWidth * channels
    for line in request.cut.start(piece)..<request.cut.end(piece) {
        let number = line / window.outHeight
        let x = request.image + number * image
        let left = (window.batch - number) * image
        for column in 0..<window.outWidth {
            let corner = Corner(window, line % window.outHeight, column)
            let place = (line * window.outWidth + column) * channels
            var channel = 0
            while channel < channels {
                let (top, winner) = largest(window, corner, x, left, channel)
                let room = min(pieceEnd - place - channel, grain)
                store(room, top, to: request.out + place + channel)
                store(room, winner, to: request.places + place + channel)
                channel += grain
            }
        }
    }
}

/// The largest of a window and its place in the image, for sixteen channels.
@_transparent
private func largest(
    _ window: ImageWindow, _ corner: Corner, _ x: UnsafePointer<Float>, _ left: Int, _ channel: Int
) -> (Floats, SIMD16<Int32>) {
    var top = Floats(repeating: -.infinity)
    var row = corner.rows.first
    while row < corner.rows.end {
        var column = corner.columns.first
        while column < corner.columns.end {
            let place = (row * window.width + column) * window.channels + channel
            let numbers = loadReaching(grain, left - place, x + place)
            top = top.replacing(with: numbers, where: (numbers .> top) .| (numbers .!= numbers))
            column += corner.columns.step
        }
        row += corner.rows.step
    }
    // Then who it was: from the last to the first, those with the same bits. 0 is added, since -0 is the same as 0.
    var winner = SIMD16<Int32>(repeating: -1)
    let wanted = unsafeBitCast(top + 0, to: SIMD16<Int32>.self)
    row = corner.rows.last
    while row >= corner.rows.first {
        var column = corner.columns.last
        while column >= corner.columns.first {
            let place = (row * window.width + column) * window.channels + channel
            let numbers = loadReaching(grain, left - place, x + place)
            let difference = unsafeBitCast(numbers + 0, to: SIMD16<Int32>.self) ^ wanted
            // All ones where they differ.
            let mask = (difference | (0 &- difference)) &>> 31
            winner = (winner & mask) | (places(from: place) & ~mask)
            column -= corner.columns.step
        }
        row -= corner.rows.step
    }
    return (top, winner)
}

/// Adds each output's gradient to the place it came from, on one piece's images.
func maxPoolBackward(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: MaxPoolBackwardRequest = value(at: request)
    let window = request.window
    let channels = window.channels
    let image = window.height * window.width * channels
    let outputs = window.outHeight * window.outWidth * channels
    let (start, end) = (request.cut.start(piece), request.cut.end(piece))
    clearNumbers(request.imageGradient + start * image, count: (end - start) * image)
    for number in start..<end {
        let y = request.imageGradient + number * image
        let left = (end - number) * image
        for line in 0..<window.outHeight * window.outWidth {
            let corner = Corner(window, line / window.outWidth, line % window.outWidth)
            var channel = 0
            while channel < channels {
                let few = min(channels - channel, grain)
                let place = number * outputs + line * channels + channel
                let room = window.batch * outputs - place
                let gradient = keep(few, loadReaching(few, room, request.gradient + place), otherwise: 0)
                let winner = loadReaching(few, room, request.places + place)
                deal(window, corner, channel, gradient, winner, to: y, left)
                channel += grain
            }
        }
    }
}

/// Adds the gradient of sixteen channels to the tap that won: every tap takes the gradient or zeros, since lanes have no
/// addresses of their own.
@_transparent
private func deal(
    _ window: ImageWindow, _ corner: Corner, _ channel: Int, _ gradient: Floats, _ winner: SIMD16<Int32>,
    to y: UnsafeMutablePointer<Float>, _ left: Int
) {
    var row = corner.rows.first
    while row < corner.rows.end {
        var column = corner.columns.first
        while column < corner.columns.end {
            let place = (row * window.width + column) * window.channels + channel
            // All ones where the tap is the winner, else zeros: one less than a difference of 0 has its sign. Places are
            // not negative where there is a tap inside.
            let difference = winner ^ places(from: place)
            let mask = unsafeBitCast((difference &- 1) &>> 31, to: SIMD16<UInt32>.self)
            let share = floats(words(gradient) & mask)
            add(share, to: y + place, left - place)
            column += corner.columns.step
        }
        row += corner.rows.step
    }
}

/// Adds to sixteen elements, or to as many as are left.
@_transparent
private func add(_ share: Floats, to y: UnsafeMutablePointer<Float>, _ left: Int) {
    let count = min(left, grain)
    store(count, load(count, y) + share, to: y)
}

/// The average, or sum, of each window, on one piece's rows of outputs.
func averagePool(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: AveragePoolRequest = value(at: request)
    let window = request.window
    let channels = window.channels
    let image = window.height * window.width * channels
    let pieceEnd = request.cut.end(piece) * window.outWidth * channels
    for line in request.cut.start(piece)..<request.cut.end(piece) {
        let number = line / window.outHeight
        let x = request.image + number * image
        let left = (window.batch - number) * image
        for column in 0..<window.outWidth {
            let corner = Corner(window, line % window.outHeight, column)
            let place = (line * window.outWidth + column) * channels
            let factor = request.isSum ? 1 : 1 / Float(divisor(window, corner, request.countsPadding))
            var channel = 0
            while channel < channels {
                let total = windowSum(window, corner, x, left, channel)
                store(min(pieceEnd - place - channel, grain), total * factor, to: request.out + place + channel)
                channel += grain
            }
        }
    }
}

@_transparent
private func windowSum(
    _ window: ImageWindow, _ corner: Corner, _ x: UnsafePointer<Float>, _ left: Int, _ channel: Int
) -> Floats {
    var total = Floats.zero
    var row = corner.rows.first
    while row < corner.rows.end {
        var column = corner.columns.first
        while column < corner.columns.end {
            let place = (row * window.width + column) * window.channels + channel
            total += loadReaching(grain, left - place, x + place)
            column += corner.columns.step
        }
        row += corner.rows.step
    }
    return total
}

/// How many places of a window count; at least 1.
@inline(__always)
private func divisor(_ window: ImageWindow, _ corner: Corner, _ countsPadding: Bool) -> Int {
    if countsPadding { return window.kernelHeight * window.kernelWidth }
    return max(corner.rows.count * corner.columns.count, 1)
}

/// Spreads each output's gradient over its window, on one piece's images.
func averagePoolBackward(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: AveragePoolBackwardRequest = value(at: request)
    let window = request.window
    let channels = window.channels
    let image = window.height * window.width * channels
    let outputs = window.outHeight * window.outWidth * channels
    let (start, end) = (request.cut.start(piece), request.cut.end(piece))
    clearNumbers(request.imageGradient + start * image, count: (end - start) * image)
    for number in start..<end {
        let y = request.imageGradient + number * image
        let left = (end - number) * image
        for line in 0..<window.outHeight * window.outWidth {
            let corner = Corner(window, line / window.outWidth, line % window.outWidth)
            let factor = request.isSum ? 1 : 1 / Float(divisor(window, corner, request.countsPadding))
            var channel = 0
            while channel < channels {
                let few = min(channels - channel, grain)
                let place = number * outputs + line * channels + channel
                let gradient = loadReaching(few, window.batch * outputs - place, request.gradient + place)
                spread(window, corner, channel, keep(few, gradient * factor, otherwise: 0), to: y, left)
                channel += grain
            }
        }
    }
}

@_transparent
private func spread(
    _ window: ImageWindow, _ corner: Corner, _ channel: Int, _ share: Floats, to y: UnsafeMutablePointer<Float>,
    _ left: Int
) {
    var row = corner.rows.first
    while row < corner.rows.end {
        var column = corner.columns.first
        while column < corner.columns.end {
            let place = (row * window.width + column) * window.channels + channel
            add(share, to: y + place, left - place)
            column += corner.columns.step
        }
        row += corner.rows.step
    }
}
