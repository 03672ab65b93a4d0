// Blocks of coded arrays as numbers of fp32, and back: by integers and by fp32's own operations, so that every instruction
// set gives the same bits.

import MartletKernelInterface

/// What a coding does, compiled for the instruction set that this module's name says.
@inline(never)
package func codec(_ coding: Coding) -> Codec {
    switch coding {
    case .randomBF16: Codec(fetch: fetchBF16, put: putRandomBF16)
    case .randomFP16: Codec(fetch: fetchFP16, put: putRandomFP16)
    case .drawnBF16: Codec(fetch: fetchBF16, put: putDrawnBF16)
    case .kahanBF16: Codec(fetch: fetchBF16, put: putKahanBF16)
    case .kahanFP16: Codec(fetch: fetchFP16, put: putKahanFP16)
    case .split: Codec(fetch: fetchSplit, put: putSplit)
    case .float16: Codec(fetch: fetchFloat16, put: putFloat16)
    case .ufloat16: Codec(fetch: fetchUFloat16, put: putUFloat16)
    case .float8: Codec(fetch: fetchFloat8, put: putFloat8)
    case .ufloat8: Codec(fetch: fetchUFloat8, put: putUFloat8)
    case .float4: Codec(fetch: fetchFloat4, put: putFloat4)
    case .ufloat4: Codec(fetch: fetchUFloat4, put: putUFloat4)
    }
}

// MARK: - One by one

private func fetchBF16(_ block: UnsafeRawPointer) { fetchHalves(block) { floats(bf16: $0) } }
private func fetchFP16(_ block: UnsafeRawPointer) { fetchHalves(block) { floats(fp16: $0) } }

@inline(__always)
private func fetchHalves(_ block: UnsafeRawPointer, _ decode: (SIMD16<UInt16>) -> SIMD16<Float>) {
    let block: CodedBlock = value(at: block)
    let rest = block.count & (grain - 1)
    let whole = block.count - rest
    var index = 0
    while index < whole {
        prefetch(.bf16, in: block.stored, at: index)
        write(decode(read(block.stored + index * 2)), to: block.numbers + index * 4)
        index += grain
    }
    if rest == 0 { return }
    var scratch = GrainScratch()
    scratch.withAddress { pad in
        copy(block.stored + whole * 2, to: pad, bytes: rest * 2)
        write(decode(read(pad)), to: block.numbers + whole * 4)
    }
}

// MARK: - Two by two

/// Sixteen numbers and what stands for them: a half of the stored array and one beside it.
private struct Halves {
    var stored, beside: SIMD16<UInt16>
}

/// Kahan's summation: c, beside p, is what rounding has taken from p so far.
///     p' = p + (n - p) + c, rounded; c' = (n - p) + c - (p' - p), rounded          n is what p is to become
/// What is infinite or no number has lost nothing.
@inline(__always)
private func putKahan(
    _ block: UnsafeRawPointer, _ decode: (SIMD16<UInt16>) -> SIMD16<Float>, _ encode: (SIMD16<Float>) -> SIMD16<UInt16>
) {
    replaceHalves(block) { numbers, parts in
        let old = decode(parts.stored)
        let sum = (numbers - old) + decode(parts.beside)
        let new = decode(encode(old + sum))
        let lost = sum - (new - old)
        let isNone = (new - new) .!= 0
        parts.stored = encode(new.replacing(with: numbers, where: isNone))
        parts.beside = encode(lost.replacing(with: 0, where: isNone))
    }
}

private func putKahanBF16(_ block: UnsafeRawPointer) { putKahan(block, { floats(bf16: $0) }, { bf16($0) }) }
private func putKahanFP16(_ block: UnsafeRawPointer) { putKahan(block, { floats(fp16: $0) }, { fp16($0) }) }

/// The lower half is added as a number with a sign, since the upper one may have been rounded up. Where the upper half is
/// infinite or no number it stands alone.
private func fetchSplit(_ block: UnsafeRawPointer) {
    readHalves(block) { halves in
        let upper = floats(bf16: halves.stored)
        let lower = words(halves.beside)
        let joined = words(upper) &+ lower &- (lower & 0x8000) &<< 1
        return floats(joined.replacing(with: words(upper), where: (upper - upper) .!= 0))
    }
}

private func putSplit(_ block: UnsafeRawPointer) {
    replaceHalves(block) { numbers, parts in
        let bits = words(numbers).replacing(with: 0x7fc0_0000, where: numbers .!= numbers)
        parts.stored = smallHalves((bits &+ 0x8000) &>> 16)
        parts.beside = halves(bits)
    }
}

@inline(__always)
private func readHalves(_ block: UnsafeRawPointer, _ decode: (Halves) -> SIMD16<Float>) {
    eachGrain(block, writes: false) { stored, beside, numbers in
        write(decode(Halves(stored: read(stored), beside: read(beside))), to: numbers)
    }
}

@inline(__always)
private func replaceHalves(_ block: UnsafeRawPointer, _ change: (SIMD16<Float>, inout Halves) -> Void) {
    eachGrain(block, writes: true) { stored, beside, numbers in
        var both = Halves(stored: read(stored), beside: read(beside))
        change(read(numbers), &both)
        write(both.stored, to: stored)
        write(both.beside, to: beside)
    }
}

/// Calls `body` for sixteen elements at a time, of which the last few stand among padding.
@inline(__always)
private func eachGrain(
    _ block: UnsafeRawPointer, writes: Bool,
    _ body: (UnsafeMutableRawPointer, UnsafeMutableRawPointer, UnsafeMutableRawPointer) -> Void
) {
    let block: CodedBlock = value(at: block)
    guard let beside = block.beside else { return }
    let rest = block.count & (grain - 1)
    let whole = block.count - rest
    var index = 0
    while index < whole {
        body(block.stored + index * 2, beside + index * 2, block.numbers + index * 4)
        index += grain
    }
    if rest == 0 { return }
    var scratch = GrainScratch()
    scratch.withAddress { pad in
        let (stored, other) = (block.stored + whole * 2, beside + whole * 2)
        copy(stored, to: pad, bytes: rest * 2)
        copy(other, to: pad + GrainScratch.stride, bytes: rest * 2)
        body(pad, pad + GrainScratch.stride, block.numbers + whole * 4)
        if !writes { return }
        copy(pad, to: stored, bytes: rest * 2)
        copy(pad + GrainScratch.stride, to: other, bytes: rest * 2)
    }
}

// MARK: - Rounded at random

private func putRandomBF16(_ block: UnsafeRawPointer) { putRandomly(block) { smallHalves(randomBF16($0, $1)) } }
private func putRandomFP16(_ block: UnsafeRawPointer) { putRandomly(block) { randomFP16($0, $1) } }

/// By groups of 64 elements, counted from the parameter's first, for each of which the generator is asked once: its words'
/// halves are the draws.
@inline(__always)
private func putRandomly(
    _ block: UnsafeRawPointer, _ encode: (SIMD16<Float>, SIMD16<UInt32>) -> SIMD16<UInt16>
) {
    let block: CodedBlock = value(at: block)
    let key = pair(block.stream)
    @inline(__always)
    func group(_ number: UInt64, _ numbers: UnsafeRawPointer, _ stored: UnsafeMutableRawPointer) {
        let (first, second) = drawnOf(key, number, isShort: true)
        write(encode(read(numbers), first & 0xffff), to: stored)
        write(encode(read(numbers + 64), first &>> 16), to: stored + 32)
        write(encode(read(numbers + 128), second & 0xffff), to: stored + 64)
        write(encode(read(numbers + 192), second &>> 16), to: stored + 96)
    }
    var index = 0
    while index < block.count {
        let place = block.place &+ UInt64(truncatingIfNeeded: index)
        let skipped = Int(place & 63)
        let count = min(64 - skipped, block.count - index)
        let (numbers, stored) = (block.numbers + index * 4, block.stored + index * 2)
        if count == 64 {
            group(place &>> 6, numbers, stored)
        } else {
            // A part of a group stands among padding.
            var scratch = GrainScratch()
            scratch.withAddress { pad in
                copy(numbers, to: pad + skipped * 4, bytes: count * 4)
                group(place &>> 6, pad, pad + 256)
                copy(pad + 256 + skipped * 2, to: stored, bytes: count * 2)
            }
        }
        index += count
    }
}

/// State has draws of its own kind, as that of few bits does.
private func putDrawnBF16(_ block: UnsafeRawPointer) {
    let block: CodedBlock = value(at: block)
    var draws = StateDraws(pair(block.stream), block.place, 0)
    let rest = block.count & (grain - 1)
    let whole = block.count - rest
    var index = 0
    while index < whole {
        write(
            smallHalves(randomBF16(read(block.numbers + index * 4), draws.next() &>> 16)), to: block.stored + index * 2)
        index += grain
    }
    if rest == 0 { return }
    // The room behind the last number is memory of the block's.
    var scratch = GrainScratch()
    scratch.withAddress { pad in
        write(smallHalves(randomBF16(read(block.numbers + whole * 4), draws.next() &>> 16)), to: pad)
        copy(pad, to: block.stored + whole * 2, bytes: rest * 2)
    }
}

/// Up with the chance that the bits which go stand for, of 16: an exact number has none. NaN is told apart by the number
/// itself, as in rounding to nearest.
@inline(__always)
func randomBF16(_ numbers: SIMD16<Float>, _ draws: SIMD16<UInt32>) -> SIMD16<UInt32> {
    let rounded = (words(numbers) &+ draws) &>> 16
    return rounded.replacing(with: 0x7fc0, where: numbers .!= numbers)
}

/// The same with 13 bits that go. Below 2^-14 the last place stays 2^-24: a number is moved by less than half of that,
/// evenly to both sides and in odd steps, so that nothing becomes a tie, and the sum with 1/2 rounds to nearest.
@inline(__always)
private func randomFP16(_ numbers: SIMD16<Float>, _ draws: SIMD16<UInt32>) -> SIMD16<UInt16> {
    let bits = words(numbers)
    let magnitude = bits & 0x7fff_ffff
    let size = floats(magnitude)
    let draw = draws &>> 3
    let normal = (magnitude &- 0x3800_0000 &+ draw) &>> 13
    // 0 to 8191 as -8191 to 8191 in steps of 2, times 2^-38: first as a number from 1 to 2.
    let move = (floats(draw &<< 10 | 0x3f80_0000) - Float(1.5) + Float(0x1p-14)) * Float(0x1p-24)
    let moved = size + move
    let denormal = words(moved.replacing(with: 0, where: moved .< 0) + Float(0.5)) &- 0x3f00_0000
    let rounded =
        normal
        .replacing(with: denormal, where: size .< 0x1p-14)
        .replacing(with: 0x7c00, where: size .>= 65_536)
        .replacing(with: (magnitude &>> 13) & 0x3ff | 0x7e00, where: numbers .!= numbers)
    return smallHalves(rounded | (bits &>> 16) & 0x8000)
}

/// The stream of a parameter's draws at a step.
@inline(never)
package func roundingStream(_ seed: RoundingSeed) -> UInt64 {
    let key = streamKey(seed.seed, seed.parameter)
    let stream = streamKey(UInt64(key.1) &<< 32 | UInt64(key.0), seed.step)
    return UInt64(stream.1) &<< 32 | UInt64(stream.0)
}
