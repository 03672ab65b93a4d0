// Pooling over images, channels-last, and its gradients. Sixteen channels at a time; where fewer are left, lanes reach
// into what follows, which is read for nothing, and written before its own values come. Averages over whole images are
// in GlobalAverage.swift.

import MartletKernelInterface

/// One output's window: where its rows and columns of the image lie.
private struct Corner {
    let top, left: Int

    @inline(__always)
    init(_ window: ImageWindow, _ row: Int, _ column: Int) {
        top = row * window.strideHeight - window.padTop
        left = column * window.strideWidth - window.padLeft
    }

    /// The row or column of a tap; outside the image it is not below its size, taken as a number without sign.
    @inline(__always)
    func row(_ window: ImageWindow, _ tap: Int) -> Int { top + tap * window.dilationHeight }

    @inline(__always)
    func column(_ window: ImageWindow, _ tap: Int) -> Int { left + tap * window.dilationWidth }
}

@inline(__always)
private func isInside(_ place: Int, _ size: Int) -> Bool { UInt(bitPattern: place) < UInt(bitPattern: size) }

/// Channel numbers from `first` on.
@_transparent
private func places(from first: Int) -> SIMD16<Int32> {
    SIMD16<Int32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) &+ Int32(truncatingIfNeeded: first)
}

/// The largest element of each window, on one piece's rows of outputs.
func maxPool(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: PoolRequest = value(at: request)
    guard let winners = request.places else { return }
    let window = request.window
    let channels = window.channels
    let image = window.height * window.width * channels
    let pieceEnd = request.cut.end(piece) * window.outWidth * channels
    for line in request.cut.start(piece)..<request.cut.end(piece) {
        let number = line / window.outHeight
        let x = request.x + number * image
        let left = (window.batch - number) * image
        for column in 0..<window.outWidth {
            let corner = Corner(window, line % window.outHeight, column)
            let place = (line * window.outWidth + column) * channels
            var channel = 0
            while channel < channels {
                let (top, winner) = largest(window, corner, x, left, channel)
                let room = min(pieceEnd - place - channel, grain)
                store(room, top, to: request.y + place + channel)
                store(room, winner, to: winners + place + channel)
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
    for i in 0..<window.kernelHeight {
        let row = corner.row(window, i)
        if !isInside(row, window.height) { continue }
        for j in 0..<window.kernelWidth {
            let column = corner.column(window, j)
            if !isInside(column, window.width) { continue }
            let place = (row * window.width + column) * window.channels + channel
            let numbers = loadReaching(grain, left - place, x + place)
            top = top.replacing(with: numbers, where: (numbers .> top) .| (numbers .!= numbers))
        }
    }
    // Then who it was: from the last to the first, those with the same bits. 0 is added, since -0 is the same as 0.
    var winner = SIMD16<Int32>(repeating: -1)
    let wanted = unsafeBitCast(top + 0, to: SIMD16<Int32>.self)
    for i in stride(from: window.kernelHeight - 1, through: 0, by: -1) {
        let row = corner.row(window, i)
        if !isInside(row, window.height) { continue }
        for j in stride(from: window.kernelWidth - 1, through: 0, by: -1) {
            let column = corner.column(window, j)
            if !isInside(column, window.width) { continue }
            let place = (row * window.width + column) * window.channels + channel
            let numbers = loadReaching(grain, left - place, x + place)
            let difference = unsafeBitCast(numbers + 0, to: SIMD16<Int32>.self) ^ wanted
            // All ones where they differ.
            let mask = (difference | (0 &- difference)) &>> 31
            winner = (winner & mask) | (places(from: place) & ~mask)
        }
    }
    return (top, winner)
}

/// Adds each output's gradient to the place it came from, on one piece's images.
func maxPoolBackward(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: PoolRequest = value(at: request)
    guard let winners = request.places else { return }
    let window = request.window
    let channels = window.channels
    let image = window.height * window.width * channels
    let outputs = window.outHeight * window.outWidth * channels
    let (start, end) = (request.cut.start(piece), request.cut.end(piece))
    fillZeros(request.y + start * image, count: (end - start) * image)
    for number in start..<end {
        let y = request.y + number * image
        let left = (end - number) * image
        for line in 0..<window.outHeight * window.outWidth {
            let corner = Corner(window, line / window.outWidth, line % window.outWidth)
            var channel = 0
            while channel < channels {
                let few = min(channels - channel, grain)
                let place = number * outputs + line * channels + channel
                let room = window.batch * outputs - place
                let gradient = keep(few, loadReaching(few, room, request.x + place), otherwise: 0)
                let winner = loadReaching(few, room, winners + place)
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
    for i in 0..<window.kernelHeight {
        let row = corner.row(window, i)
        if !isInside(row, window.height) { continue }
        for j in 0..<window.kernelWidth {
            let column = corner.column(window, j)
            if !isInside(column, window.width) { continue }
            let place = (row * window.width + column) * window.channels + channel
            // All ones where the tap is the winner, else zeros: one less than a difference of 0 has its sign. Places are
            // not negative where there is a tap inside.
            let difference = winner ^ places(from: place)
            let mask = unsafeBitCast((difference &- 1) &>> 31, to: SIMD16<UInt32>.self)
            let share = floats(words(gradient) & mask)
            add(share, to: y + place, left - place)
        }
    }
}

/// Adds to sixteen elements, or to as many as are left.
@_transparent
private func add(_ share: Floats, to y: UnsafeMutablePointer<Float>, _ left: Int) {
    let count = min(left, grain)
    store(count, load(count, y) + share, to: y)
}

/// The average of each window, on one piece's rows of outputs.
func averagePool(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: PoolRequest = value(at: request)
    let window = request.window
    let channels = window.channels
    let image = window.height * window.width * channels
    let pieceEnd = request.cut.end(piece) * window.outWidth * channels
    for line in request.cut.start(piece)..<request.cut.end(piece) {
        let number = line / window.outHeight
        let x = request.x + number * image
        let left = (window.batch - number) * image
        for column in 0..<window.outWidth {
            let corner = Corner(window, line % window.outHeight, column)
            let place = (line * window.outWidth + column) * channels
            let factor = 1 / Float(divisor(window, corner, request.countsPadding))
            var channel = 0
            while channel < channels {
                let total = windowSum(window, corner, x, left, channel)
                store(min(pieceEnd - place - channel, grain), total * factor, to: request.y + place + channel)
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
    for i in 0..<window.kernelHeight {
        let row = corner.row(window, i)
        if !isInside(row, window.height) { continue }
        for j in 0..<window.kernelWidth {
            let column = corner.column(window, j)
            if !isInside(column, window.width) { continue }
            let place = (row * window.width + column) * window.channels + channel
            total += loadReaching(grain, left - place, x + place)
        }
    }
    return total
}

/// How many places of a window count; at least 1.
@inline(__always)
private func divisor(_ window: ImageWindow, _ corner: Corner, _ countsPadding: Bool) -> Int {
    if countsPadding { return window.kernelHeight * window.kernelWidth }
    var (rows, columns) = (0, 0)
    for i in 0..<window.kernelHeight where isInside(corner.row(window, i), window.height) { rows += 1 }
    for j in 0..<window.kernelWidth where isInside(corner.column(window, j), window.width) { columns += 1 }
    return max(rows * columns, 1)
}

/// Spreads each output's gradient over its window, on one piece's images.
func averagePoolBackward(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: PoolRequest = value(at: request)
    let window = request.window
    let channels = window.channels
    let image = window.height * window.width * channels
    let outputs = window.outHeight * window.outWidth * channels
    let (start, end) = (request.cut.start(piece), request.cut.end(piece))
    fillZeros(request.y + start * image, count: (end - start) * image)
    for number in start..<end {
        let y = request.y + number * image
        let left = (end - number) * image
        for line in 0..<window.outHeight * window.outWidth {
            let corner = Corner(window, line / window.outWidth, line % window.outWidth)
            let factor = 1 / Float(divisor(window, corner, request.countsPadding))
            var channel = 0
            while channel < channels {
                let few = min(channels - channel, grain)
                let place = number * outputs + line * channels + channel
                let gradient = loadReaching(few, window.batch * outputs - place, request.x + place)
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
    for i in 0..<window.kernelHeight {
        let row = corner.row(window, i)
        if !isInside(row, window.height) { continue }
        for j in 0..<window.kernelWidth {
            let column = corner.column(window, j)
            if !isInside(column, window.width) { continue }
            let place = (row * window.width + column) * window.channels + channel
            add(share, to: y + place, left - place)
        }
    }
}
