// Random words that a counter makes, and dropout by them. The generator is Lanes/Threefry.swift.

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
