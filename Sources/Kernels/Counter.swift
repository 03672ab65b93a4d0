// Random words that a counter makes, and dropout by them: word i of a stream depends on the key, the stream and i alone,
// so threads and cuts cannot change it. Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw: Parallel random
// numbers, as easy as 1, 2, 3; SC 2011), which JAX uses too.
//
// A stream's key is what the generator makes of the stream's number under the caller's key. Words 32 q to 32 q + 15 are
// then the first halves for the counters 16 q to 16 q + 15, and the next sixteen the second halves.

import MartletKernelInterface

/// Twenty rounds on sixteen counters at once.
@_transparent
private func threefry(
    _ key: (UInt32, UInt32), _ first: SIMD16<UInt32>, _ second: SIMD16<UInt32>
) -> (SIMD16<UInt32>, SIMD16<UInt32>) {
    let keys: InlineArray<3, UInt32> = [key.0, key.1, 0x1BD1_1BDA ^ key.0 ^ key.1]
    var (a, b) = (first &+ keys[0], second &+ keys[1])
    @inline(__always)
    func mix(_ left: UInt32) {
        a = a &+ b
        b = ((b &<< left) | (b &>> (32 - left))) ^ a
    }
    @inline(__always)
    func inject(_ number: Int) {
        a = a &+ keys[number % 3]
        b = b &+ (keys[(number + 1) % 3] &+ UInt32(truncatingIfNeeded: number))
    }
    @inline(__always)
    func even(_ number: Int) {
        mix(13)
        mix(15)
        mix(26)
        mix(6)
        inject(number)
    }
    @inline(__always)
    func odd(_ number: Int) {
        mix(17)
        mix(29)
        mix(16)
        mix(24)
        inject(number)
    }
    even(1)
    odd(2)
    even(3)
    odd(4)
    even(5)
    return (a, b)
}

@inline(__always)
private func halves(_ number: UInt64) -> (UInt32, UInt32) {
    (UInt32(truncatingIfNeeded: number), UInt32(truncatingIfNeeded: number >> 32))
}

/// The key of a stream.
@inline(__always)
private func streamKey(_ key: UInt64, _ stream: UInt64) -> (UInt32, UInt32) {
    let (low, high) = halves(stream)
    let (a, b) = threefry(halves(key), SIMD16(repeating: low), SIMD16(repeating: high))
    return (a[0], b[0])
}

/// Words 32 q to 32 q + 31 of a stream.
@_transparent
private func words(_ key: (UInt32, UInt32), _ q: UInt64) -> (SIMD16<UInt32>, SIMD16<UInt32>) {
    // Sixteen counters from a multiple of sixteen on: their upper halves are one.
    let (low, high) = halves(q &* 16)
    let counters = SIMD16<UInt32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) &+ low
    return threefry(key, counters, SIMD16(repeating: high))
}

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
        let (first, second) = words(key, number >> 5)
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
        let (first, second) = words(key, UInt64(index) >> 5)
        drop(index, first)
        drop(index + grain, second)
        index += 32
    }
}
