// State in 8 and 4 bits, block after block: codes and scales become numbers of fp32 that a rule's loop works on, and
// numbers become codes, rounded at random, with a scale that makes the largest magnitude of a block the largest code. Where blocks begin
// is Compute/CodedArrays.swift's affair; the codes are Lanes/SmallFloats.swift's.

import MartletKernelInterface

func fetchFloat8(_ block: UnsafeRawPointer) { fetch(Float8.self, block) }
func fetchUFloat8(_ block: UnsafeRawPointer) { fetch(UFloat8.self, block) }
func fetchFloat4(_ block: UnsafeRawPointer) { fetch(Float4.self, block) }
func fetchUFloat4(_ block: UnsafeRawPointer) { fetch(UFloat4.self, block) }
func putFloat8(_ block: UnsafeRawPointer) { put(Float8.self, block) }
func putUFloat8(_ block: UnsafeRawPointer) { put(UFloat8.self, block) }
func putFloat4(_ block: UnsafeRawPointer) { put(Float4.self, block) }
func putUFloat4(_ block: UnsafeRawPointer) { put(UFloat4.self, block) }

@inline(__always)
private func fetch<Format: SmallFloat>(_ format: Format.Type, _ block: UnsafeRawPointer) {
    let block: CodedBlock = value(at: block)
    guard let scales = block.beside else { return }
    decodeBlocks(format, block.stored, scales, to: block.numbers, count: block.count)
}

@inline(__always)
private func put<Format: SmallFloat>(_ format: Format.Type, _ block: UnsafeRawPointer) {
    let block: CodedBlock = value(at: block)
    guard let scales = block.beside else { return }
    encodeBlocks(format, block, scales)
}

/// Numbers from the beginning of a block on: codes times scales.
@inline(__always)
private func decodeBlocks<Format: SmallFloat>(
    _ format: Format.Type, _ codes: UnsafeRawPointer, _ scales: UnsafeRawPointer, to numbers: UnsafeMutableRawPointer,
    count: Int
) {
    var first = 0
    while first < count {
        let scale = Floats(repeating: number(scales + first / Format.type.block * 4))
        let end = min(first + Format.type.block, count)
        var place = first
        while place + grain <= end {
            write(Format.decode(read(format, codes, place)) * scale, to: numbers + place * 4)
            place += grain
        }
        if place < end {
            var padded = GrainPair()
            padded.withAddress { padded in
                let bytes = Format.type.byteCount(end - place)
                copy(codes + Format.type.byteCount(place), to: padded, bytes: bytes)
                write(Format.decode(read(format, padded, 0)) * scale, to: padded)
                copy(padded, to: numbers + place * 4, bytes: (end - place) * 4)
            }
        }
        first = end
    }
}

/// The same the other way. A block with a NaN becomes one of NaN: its scale is one, and its codes are 0. An infinity
/// counts as the largest number of fp32.
@inline(__always)
private func encodeBlocks<Format: SmallFloat>(
    _ format: Format.Type, _ block: CodedBlock, _ scales: UnsafeMutableRawPointer
) {
    let key = pair(block.stream)
    let (numbers, codes) = (block.numbers, block.stored)
    var first = 0
    while first < block.count {
        let end = min(first + Format.type.block, block.count)
        let most = largestMagnitude(numbers + first * 4, count: end - first)
        put(most > 0 ? most : most * 0, at: scales + first / Format.type.block * 4)
        if !(most > 0) {
            let start = Format.type.byteCount(first)
            clear(codes + start, bytes: Format.type.byteCount(end) - start)
            first = end
            continue
        }
        let factors = factors(most)
        while first + grain <= end {
            let draws = draws(key, block.place, first)
            write(format, Format.encode(read(numbers + first * 4), factors, draws), codes, first)
            first += grain
        }
        if first < end {
            encodeRest(format, numbers, codes, first, end - first, factors, draws(key, block.place, first))
            first = end
        }
    }
}

/// Sixteen draws of 16 bits, of elements from a place on: their places, multiplied and mixed twice with the words of a
/// stream's key. No more is needed to round evenly, and the generator of Threefry.swift would cost three times the rest.
@_transparent
private func draws(_ key: (UInt32, UInt32), _ place: UInt64, _ first: Int) -> SIMD16<UInt32> {
    let start = UInt32(truncatingIfNeeded: place) &+ UInt32(truncatingIfNeeded: first) &+ key.0
    let counters = SIMD16<UInt32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) &+ start
    let once = counters &* 0x9e37_79b1
    return ((once ^ once &>> 15 ^ key.1) &* 0x85eb_ca77) &>> 16
}

/// The last few of a block.
@inline(never)
private func encodeRest<Format: SmallFloat>(
    _ format: Format.Type, _ numbers: UnsafeRawPointer, _ codes: UnsafeMutableRawPointer, _ place: Int, _ count: Int,
    _ factors: (Float, Float), _ draws: SIMD16<UInt32>
) {
    var padded = GrainPair()
    padded.withAddress { padded in
        copy(numbers + place * 4, to: padded, bytes: count * 4)
        write(format, Format.encode(read(padded), factors, draws), padded + GrainPair.stride, 0)
        copy(
            padded + GrainPair.stride, to: codes + Format.type.byteCount(place), bytes: Format.type.byteCount(count))
    }
}

/// The largest magnitude of some numbers, but the largest of fp32 in place of an infinity; NaN where one of them is NaN.
/// Magnitudes are in order as their bits are, NaN behind infinity.
@inline(__always)
private func largestMagnitude(_ numbers: UnsafeRawPointer, count: Int) -> Float {
    var (most, more) = (SIMD16<UInt32>(), SIMD16<UInt32>())
    var place = 0
    while place + 2 * grain <= count {
        most = larger(most, read(numbers + place * 4) & 0x7fff_ffff)
        more = larger(more, read(numbers + (place + grain) * 4) & 0x7fff_ffff)
        place += 2 * grain
    }
    while place < count {
        var padded = GrainPair()
        let few = min(grain, count - place)
        padded.withAddress { padded in
            copy(numbers + place * 4, to: padded, bytes: few * 4)
            most = larger(most, read(padded) & 0x7fff_ffff)
        }
        place += few
    }
    most = larger(most, more)
    var largest: UInt32 = 0
    for lane in 0..<grain { largest = most[lane] > largest ? most[lane] : largest }
    if largest > Float.infinity.bitPattern { return .nan }
    return Float(bitPattern: largest == Float.infinity.bitPattern ? largest - 1 : largest)
}

/// Lane by lane, which becomes an instruction, where the standard library's comparisons of integers become loops.
@inline(__always)
private func larger(_ a: SIMD16<UInt32>, _ b: SIMD16<UInt32>) -> SIMD16<UInt32> {
    var larger = SIMD16<UInt32>()
    for lane in 0..<grain { larger[lane] = a[lane] > b[lane] ? a[lane] : b[lane] }
    return larger
}

/// Two factors that together divide by a positive number, of any size: none is an infinity, a denormal or 0.
@inline(__always)
private func factors(_ number: Float) -> (Float, Float) {
    let first: Float = number >= 1 ? 0x1p-64 : 0x1p64
    return (first, 1 / (number * first))
}

@inline(__always)
private func read<Format: SmallFloat>(
    _ format: Format.Type, _ codes: UnsafeRawPointer, _ place: Int
) -> SIMD16<UInt32> {
    words(format.bits == 8 ? read(codes + place) : spread(readEight(codes + place / 2)))
}

@inline(__always)
private func write<Format: SmallFloat>(
    _ format: Format.Type, _ numbers: SIMD16<UInt32>, _ codes: UnsafeMutableRawPointer, _ place: Int
) {
    if format.bits == 8 {
        write(bytes(numbers), to: codes + place)
    } else {
        writeEight(paired(bytes(numbers)), to: codes + place / 2)
    }
}
