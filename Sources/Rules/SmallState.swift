// State in 16, 8 and 4 bits, block after block: codes and scales become numbers of fp32 that a rule's loop works on, and
// numbers become codes, rounded at random, with a scale that makes the largest magnitude of a block the largest code. Where
// blocks begin is Compute/CodedArrays.swift's affair; the codes are Lanes/SmallFloats.swift's.

import CMachine
import MartletKernelInterface

func fetchFloat16(_ block: UnsafeRawPointer) { fetch(SFloat16.self, block) }
func fetchUFloat16(_ block: UnsafeRawPointer) { fetch(UFloat16.self, block) }
func fetchFloat8(_ block: UnsafeRawPointer) { fetch(Float8.self, block) }
func fetchUFloat8(_ block: UnsafeRawPointer) { fetch(UFloat8.self, block) }
func fetchFloat4(_ block: UnsafeRawPointer) { fetch(Float4.self, block) }
func fetchUFloat4(_ block: UnsafeRawPointer) { fetch(UFloat4.self, block) }
func putFloat16(_ block: UnsafeRawPointer) { put(SFloat16.self, block) }
func putUFloat16(_ block: UnsafeRawPointer) { put(UFloat16.self, block) }
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
        let decoded = BlockNumbers<Format>(number(scales + first / Format.type.block * 4))
        let end = min(first + Format.type.block, count)
        var place = first
        while place + grain <= end {
            write(readNumbers(decoded, codes, place), to: numbers + place * 4)
            place += grain
        }
        if place < end {
            var padded = GrainPair()
            padded.withAddress { padded in
                let bytes = Format.type.byteCount(end - place)
                copy(codes + Format.type.byteCount(place), to: padded, bytes: bytes)
                write(readNumbers(decoded, padded, 0), to: padded)
                copy(padded, to: numbers + place * 4, bytes: (end - place) * 4)
            }
        }
        first = end
    }
}

/// The same the other way.
@inline(__always)
private func encodeBlocks<Format: SmallFloat>(
    _ format: Format.Type, _ block: CodedBlock, _ scales: UnsafeMutableRawPointer
) {
    var first = 0
    while first < block.count {
        let count = min(Format.type.block, block.count - first)
        let most = largestMagnitude(block.numbers + first * 4, count: count)
        let scale = scales + first / Format.type.block * 4
        if isPlainScale(most) && count == Format.type.block {
            put(most, at: scale)
            let factor = 1 / most
            var draws = StateDraws(pair(block.stream), block.place, first)
            let end = first + count
            while first < end {
                fetch(block.ahead.base + first * block.ahead.type.size)
                let codes = Format.encode(read(block.numbers + first * 4), factor, draws.next())
                writeCodes(format, codes, block.stored, first)
                first += grain
            }
        } else {
            encodeBlock(format, block.numbers + first * 4, block.stored, scale, first, count, block.place, block.stream)
            first += count
        }
    }
}

/// Whether one division brings numbers up to this one to 1, since it is neither 0 nor NaN nor out of the sizes that have an
/// inverse.
@inline(__always)
func isPlainScale(_ most: Float) -> Bool { most >= 0x1p-126 && most <= 0x1p126 }

/// A block, or the part of one at an array's end, with any numbers. With a NaN it becomes one of NaN: its scale is one, and
/// its codes are 0. An infinity counts as the largest number of fp32.
@inline(never)
func encodeBlock<Format: SmallFloat>(
    _ format: Format.Type, _ numbers: UnsafeRawPointer, _ codes: UnsafeMutableRawPointer,
    _ scale: UnsafeMutableRawPointer, _ first: Int, _ count: Int, _ place: UInt64, _ stream: UInt64
) {
    let most = largestMagnitude(numbers, count: count)
    put(most > 0 ? most : most * 0, at: scale)
    let codes = codes + Format.type.byteCount(first)
    if !(most > 0) {
        clear(codes, bytes: Format.type.byteCount(count))
        return
    }
    // Two factors that together divide by the largest: none is an infinity, a denormal or 0.
    let before: Float = isPlainScale(most) ? 1 : most > 1 ? 0x1p-64 : 0x1p64
    let factor = 1 / (most * before)
    let bound = FloatLanes(Double(Float.greatestFiniteMagnitude))
    var draws = StateDraws(pair(stream), place, first)
    var index = 0
    var padded = GrainPair()
    padded.withAddress { padded in
        let coded = padded + GrainPair.stride
        while index < count {
            let few = min(grain, count - index)
            copy(numbers + index * 4, to: padded, bytes: few * 4)
            let finite = FloatLanes(lanes: read(padded)).between(FloatLanes(0) - bound, bound)
            writeCodes(format, Format.encode(finite.lanes * before, factor, draws.next()), coded, 0)
            copy(coded, to: codes + Format.type.byteCount(index), bytes: Format.type.byteCount(few))
            index += few
        }
    }
}

/// Sixteen draws at a time, of which the upper 16 bits count, of elements from a place on: their places, multiplied and
/// mixed twice with the words of a stream's key. No more is needed to round evenly, and the generator of Threefry.swift
/// would cost three times the rest.
struct StateDraws {
    private var places: SIMD16<UInt32>
    private let key: UInt32

    @inline(__always)
    init(_ key: (UInt32, UInt32), _ place: UInt64, _ first: Int) {
        let start = UInt32(truncatingIfNeeded: place) &+ UInt32(truncatingIfNeeded: first) &+ key.0
        let lanes = SIMD16<UInt32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
        places = lanes &* 0x9e37_79b1 &+ SIMD16(repeating: start &* 0x9e37_79b1)
        self.key = key.1
    }

    /// From here on in the order of machine_order.
    @inline(__always)
    mutating func order() { places = machine_order(places) }

    @inline(__always)
    mutating func next() -> SIMD16<UInt32> {
        let drawn = (places ^ places &>> 15 ^ key) &* 0x85eb_ca77
        places = places &+ 0xe377_9b10  // sixteen times the first factor
        return drawn
    }
}

/// The largest magnitude of some numbers, but the largest of fp32 in place of an infinity; NaN where one of them is NaN.
/// Magnitudes are in order as their bits are, NaN behind infinity.
@inline(__always)
private func largestMagnitude(_ numbers: UnsafeRawPointer, count: Int) -> Float {
    var (most, more) = (SIMD16<UInt32>(), SIMD16<UInt32>())
    var place = 0
    while place + 2 * grain <= count {
        most = machine_larger(most, read(numbers + place * 4) & 0x7fff_ffff)
        more = machine_larger(more, read(numbers + (place + grain) * 4) & 0x7fff_ffff)
        place += 2 * grain
    }
    while place < count {
        var padded = GrainPair()
        let few = min(grain, count - place)
        padded.withAddress { padded in
            copy(numbers + place * 4, to: padded, bytes: few * 4)
            most = machine_larger(most, read(padded) & 0x7fff_ffff)
        }
        place += few
    }
    return largest(machine_larger(most, more))
}

/// The largest of sixteen magnitudes likewise.
@inline(__always)
func largest(_ most: SIMD16<UInt32>) -> Float {
    let largest = machine_largest(most)
    if largest > Float.infinity.bitPattern { return .nan }
    return Float(bitPattern: largest == Float.infinity.bitPattern ? largest - 1 : largest)
}

/// Sixteen numbers, by their codes.
@inline(__always)
func readNumbers<Format: SmallFloat>(
    _ numbers: BlockNumbers<Format>, _ codes: UnsafeRawPointer, _ place: Int
) -> Floats {
    switch Format.bits {
    case 16: numbers[halves: read(codes + place * 2)]
    case 8: numbers[read(codes + place)]
    default: numbers[readEight(codes + place >> 1)]
    }
}

@inline(__always)
func writeCodes<Format: SmallFloat>(
    _ format: Format.Type, _ numbers: SIMD16<UInt32>, _ codes: UnsafeMutableRawPointer, _ place: Int
) {
    switch format.bits {
    case 16: write(smallHalves(numbers), to: codes + place * 2)
    case 8: write(bytes(numbers), to: codes + place)
    default: writeEight(paired(numbers), to: codes + place >> 1)
    }
}
