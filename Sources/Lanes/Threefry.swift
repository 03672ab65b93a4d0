// Random words that a counter makes: word i of a stream depends on the key, the stream and i alone, so threads and cuts
// cannot change it. Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw: Parallel random numbers, as easy as 1, 2, 3;
// SC 2011), which JAX uses too.
//
// A stream's key is what the generator makes of the stream's number under the caller's key. Words 32 q to 32 q + 15 are
// then the first halves for the counters 16 q to 16 q + 15, and the next sixteen the second halves.

/// Twenty rounds on several counters at once, or the first thirteen, the fewest that pass the paper's tests.
@_transparent
private func threefry<Words: SIMD>(
    _ key: (UInt32, UInt32), _ first: Words, _ second: Words, isShort: Bool = false
) -> (Words, Words) where Words.Scalar == UInt32 {
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
    if isShort {
        mix(17)
        return (a, b)
    }
    odd(4)
    even(5)
    return (a, b)
}

@inline(__always)
func pair(_ number: UInt64) -> (UInt32, UInt32) {
    (UInt32(truncatingIfNeeded: number), UInt32(truncatingIfNeeded: number >> 32))
}

/// The key of a stream. Once for a piece, and so by itself, in few words.
@inline(never)
func streamKey(_ key: UInt64, _ stream: UInt64) -> (UInt32, UInt32) {
    let (low, high) = pair(stream)
    let (a, b) = threefry(pair(key), SIMD4(repeating: low), SIMD4(repeating: high))
    return (a[0], b[0])
}

/// Words 32 q to 32 q + 3 of a stream.
@inline(never)
func drawnFour(_ key: (UInt32, UInt32), _ q: UInt64) -> SIMD4<UInt32> {
    let (low, high) = pair(q &* 16)
    return threefry(key, SIMD4(0, 1, 2, 3) &+ low, SIMD4(repeating: high)).0
}

/// Words 32 q to 32 q + 31 of a stream. By itself, since it is far more code than its call.
@inline(never)
func drawn(_ key: (UInt32, UInt32), _ q: UInt64) -> (SIMD16<UInt32>, SIMD16<UInt32>) {
    drawnOf(key, q, isShort: false)
}

/// The same within a loop.
@_transparent
func drawnOf(_ key: (UInt32, UInt32), _ q: UInt64, isShort: Bool) -> (SIMD16<UInt32>, SIMD16<UInt32>) {
    // Sixteen counters from a multiple of sixteen on: their upper halves are one.
    let (low, high) = pair(q &* 16)
    let counters = SIMD16<UInt32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) &+ low
    return threefry(key, counters, SIMD16(repeating: high), isShort: isShort)
}
