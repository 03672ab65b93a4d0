// Random words that a counter makes, and dropout and noise by them. The generator is Lanes/Threefry.swift.

import MartletKernelInterface

/// The words of one piece. Its first may stand anywhere among 32.
func randomWords(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: RandomWordsRequest = value(at: request)
    let key = streamKey(request.key, request.stream)
    let start = request.cut.start(piece)
    let end = request.cut.end(piece)
    var index = start
    while index < end {
        let number = request.first &+ UInt64(index)
        let skipped = Int(number & 31)
        let count = min(32 - skipped, end - index)
        let (first, second) = drawn(key, number >> 5)
        if count == 32 {
            write(first, to: request.out + index)
            write(second, to: request.out + index + grain)
        } else {
            write(first, to: scratch)
            write(second, to: scratch + 64)
            copy(scratch + skipped * 4, to: request.out + index, bytes: count * 4)
        }
        index += count
    }
}

/// Keeps elements whose random number, of 23 bits, is at least the rate.
func dropout(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: DropoutRequest = value(at: request)
    let (x, y) = (request.x, request.y)
    let key = streamKey(request.key, request.step)
    let end = request.cut.end(piece)
    // Numbers from 1 to 2 against 1 + rate: no subtraction loses anything.
    let rate = request.rate
    let factor = 1 / (1 - rate)
    @_transparent
    func drop(_ index: Int, _ bits: SIMD16<UInt32>) {
        let count = min(end - index, grain)
        if count <= 0 { return }
        let numbers = floats((bits &>> 9) | 0x3F80_0000) - 1
        let kept = (load(count, x + index) * factor).replacing(with: 0, where: numbers .< rate)
        store(count, kept, to: y + index)
    }
    var index = request.cut.start(piece)
    while index < end {
        let (first, second) = drawn(key, UInt64(index) >> 5)
        drop(index, first)
        drop(index + grain, second)
        index += 32
    }
}

/// Adds numbers of the normal distribution: sqrt(-2 log u) cos(2 pi v) (Box, Muller: A note on the generation of random normal
/// deviates, 1958), where sin(pi w) with w from -1/2 to 1/2 is spread as the cosine is.
func noise(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: NoiseRequest = value(at: request)
    let key = streamKey(request.key, request.step)
    let end = request.cut.end(piece)
    var index = request.cut.start(piece)
    while index < end {
        let count = min(end - index, grain)
        let (first, second) = drawn(key, UInt64(index) >> 4)
        // From 1, but for the last of 2^23 numbers, down to 0, and from -1/2 to 1/2.
        let u = 2 - floats((first &>> 9) | 0x3F80_0000)
        let angle = (floats((second &>> 9) | 0x3F80_0000) - 1.5) * 3.141_592_65
        let radius = (logarithm(u) * -2).squareRoot()
        let square = angle * angle
        var p = Floats(repeating: -2.505_210_84e-8)
        p = multiplyAdd(Floats(repeating: 2.755_731_92e-6), p, square)
        p = multiplyAdd(Floats(repeating: -1.984_126_98e-4), p, square)
        p = multiplyAdd(Floats(repeating: 8.333_333_33e-3), p, square)
        p = multiplyAdd(Floats(repeating: -0.166_666_667), p, square)
        let normal = radius * multiplyAdd(angle, angle, square * p)
        store(count, load(count, request.x + index) + normal * request.deviation, to: request.y + index)
        index += grain
    }
}
