// Images moved by parts of pixels, and the gradients of that: each pixel of what is made is a mean of up to four, by how near
// they are, as Keras's affine_transform has it.

import MartletKernelInterface

/// The two rows, or columns, that one lies between, -1 where there is none, and how much the second counts.
private struct Between {
    let first: Int
    let second: Int
    let share: Float

    /// - Parameter place: less than 2^22 pixels away.
    @inline(never)
    init(_ place: Float, size: Int, _ request: ImageMoveRequest) {
        let shifted = request.isBilinear ? place : place + 0.5
        var whole = Int(shifted)
        if Float(whole) > shifted { whole -= 1 }
        // A half goes to the even one.
        if !request.isBilinear && Float(whole) == shifted && whole & 1 == 1 { whole -= 1 }
        share = request.isBilinear ? place - Float(whole) : 0
        first = Between.shown(whole, size, request.surround)
        second = Between.shown(whole + 1, size, request.surround)
    }

    /// Which pixel is shown at a place outside of the image too.
    private static func shown(_ place: Int, _ size: Int, _ surround: Surround) -> Int {
        if place >= 0 && place < size { return place }
        switch surround {
        case .number: return -1
        case .nearest: return place < 0 ? 0 : size - 1
        case .wrapped:
            let rest = place % size
            return rest < 0 ? rest + size : rest
        case .reflected:
            var rest = place % (2 * size)
            if rest < 0 { rest += 2 * size }
            return rest < size ? rest : 2 * size - 1 - rest
        }
    }
}

/// One piece's images.
func imageMove(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: ImageMoveRequest = value(at: request)
    let (height, width, channels) = (request.height, request.width, request.channels)
    let key = streamKey(request.key, request.step)
    let elements = height * width * channels
    for image in request.cut.start(piece)..<request.cut.end(piece) {
        let words = drawnFour(key, UInt64(image))
        let down = request.down.least + request.down.span * (Float(words[0] >> 8) * 0x1p-24)
        let right = request.right.least + request.right.span * (Float(words[1] >> 8) * 0x1p-24)
        let (from, to) = (request.from + image * elements, request.to + image * elements)
        clearNumbers(to, count: elements)
        for row in 0..<height {
            let rows = Between(Float(row) - down, size: height, request)
            for column in 0..<width {
                let columns = Between(Float(column) - right, size: width, request)
                movePixel((row * width + column) * channels, rows, columns, request, from, to: to)
            }
        }
    }
}

/// Adds up to four pixels for the one at a place; or, backward, what its gradient has for each of them.
private func movePixel(
    _ place: Int, _ rows: Between, _ columns: Between, _ request: ImageMoveRequest, _ from: UnsafePointer<Float>,
    to: UnsafeMutablePointer<Float>
) {
    let channels = request.channels
    for corner in 0..<4 {
        let weight =
            (corner < 2 ? 1 - rows.share : rows.share) * (corner & 1 == 0 ? 1 - columns.share : columns.share)
        if weight == 0 { continue }
        let row = corner < 2 ? rows.first : rows.second
        let column = corner & 1 == 0 ? columns.first : columns.second
        let isInside = row >= 0 && column >= 0
        let shown = (row * request.width + column) * channels
        for channel in 0..<channels {
            if request.isBackward {
                if isInside { add(weight * number(from + place + channel), to: to + shown + channel) }
            } else {
                let pixel = isInside ? number(from + shown + channel) : request.number
                add(weight * pixel, to: to + place + channel)
            }
        }
    }
}

@inline(__always)
private func add(_ value: Float, to address: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(address).storeBytes(of: number(address) + value, as: Float.self)
}
