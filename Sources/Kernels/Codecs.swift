// Codecs: how a storage type becomes elements that a rule computes on, and back. Each walks a block that stays in the
// first-level cache. bf16 and fp16 keep their denormals whatever the processor's flush mode; a NaN stays a NaN.
// No choice of what is staged (Sweep.swift), no loads or stores of its own (Lanes.swift).

import MartletKernelInterface

// MARK: - Widths

// Lane by lane, and not by the standard library's generic conversions: those can be emitted as functions of their own,
// under one name for every instruction set, of which the linker keeps any. Each of these is one or two instructions.

@inline(__always)
private func words(_ halves: SIMD16<UInt16>) -> SIMD16<UInt32> {
    var words = SIMD16<UInt32>()
    for lane in 0..<16 { words[lane] = UInt32(truncatingIfNeeded: halves[lane]) }
    return words
}

@inline(__always)
private func lowHalves(_ words: SIMD16<UInt32>) -> SIMD16<UInt16> {
    var halves = SIMD16<UInt16>()
    for lane in 0..<16 { halves[lane] = UInt16(truncatingIfNeeded: words[lane]) }
    return halves
}

@inline(__always)
private func number(_ bits: SIMD16<UInt32>) -> SIMD16<Float> { unsafeBitCast(bits, to: SIMD16<Float>.self) }

@inline(__always)
private func word(_ number: SIMD16<Float>) -> SIMD16<UInt32> { unsafeBitCast(number, to: SIMD16<UInt32>.self) }

@inline(__always)
private func doubles(_ floats: SIMD8<Float>) -> SIMD8<Double> {
    var doubles = SIMD8<Double>()
    for lane in 0..<8 { doubles[lane] = Double(floats[lane]) }
    return doubles
}

@inline(__always)
private func floats(_ doubles: SIMD8<Double>) -> SIMD8<Float> {
    var floats = SIMD8<Float>()
    for lane in 0..<8 { floats[lane] = Float(doubles[lane]) }
    return floats
}

// MARK: - Sixteen elements at a time

/// bf16 is the upper half of fp32.
@inline(__always)
func floats(bf16 bits: SIMD16<UInt16>) -> SIMD16<Float> {
    number(words(bits) &<< 16)
}

/// Rounds to nearest, ties to even: adds just under half of the last place kept, or half where that place is odd.
/// The sum would carry a NaN into another number, so NaN is tested first and made quiet.
@inline(__always)
func bf16(_ numbers: SIMD16<Float>) -> SIMD16<UInt16> {
    let bits = word(numbers)
    let upper = bits &>> 16
    let rounded = (bits &+ 0x7fff &+ (upper & 1)) &>> 16
    return lowHalves(rounded.replacing(with: upper | 0x40, where: numbers .!= numbers))
}

#if MARTLET_FMA

    /// The processor converts: exact, and deaf to its flush mode.
    @inline(__always)
    func floats(fp16 bits: SIMD16<UInt16>) -> SIMD16<Float> {
        let halves = unsafeBitCast(bits, to: SIMD16<Float16>.self)
        var numbers = SIMD16<Float>()
        for lane in 0..<16 { numbers[lane] = Float(halves[lane]) }
        return numbers
    }

    /// The processor rounds to nearest, ties to even.
    @inline(__always)
    func fp16(_ numbers: SIMD16<Float>) -> SIMD16<UInt16> {
        var halves = SIMD16<Float16>()
        for lane in 0..<16 { halves[lane] = Float16(numbers[lane]) }
        return unsafeBitCast(halves, to: SIMD16<UInt16>.self)
    }

#else

    /// Moves the exponent's bias from 15 to 127. A denormal becomes 2^-14 + itself, less 2^-14, both of which are
    /// normal in fp32, so that a flush mode leaves it alone. Comparisons are of floats: the standard library's integer
    /// ones become loops here.
    @inline(__always)
    func floats(fp16 bits: SIMD16<UInt16>) -> SIMD16<Float> {
        let wide = words(bits)
        let shifted = (wide & 0x7fff) &<< 13
        let scaled = number(shifted)
        let normal = shifted &+ 0x3800_0000
        let denormal = word(number(shifted &+ 0x3880_0000) - 0x1p-14)
        let special = shifted &+ 0x7000_0000
        return number(
            normal
                .replacing(with: denormal, where: scaled .< 0x1p-126)
                .replacing(with: special, where: scaled .>= 0x1p-96) | (wide & 0x8000) &<< 16)
    }

    /// Rounds to nearest, ties to even. Below 2^-14 the sum with 1/2, whose last place is fp16's smallest denormal,
    /// does the rounding; above, the same integer sum as for bf16; from 65,520 on there is only infinity.
    @inline(__always)
    func fp16(_ numbers: SIMD16<Float>) -> SIMD16<UInt16> {
        let bits = word(numbers)
        let magnitude = bits & 0x7fff_ffff
        let size = number(magnitude)
        let normal = (magnitude &- 0x3800_0000 &+ 0xfff &+ ((magnitude &>> 13) & 1)) &>> 13
        let denormal = word(size + 0.5) &- 0x3f00_0000
        let rounded =
            normal
            .replacing(with: denormal, where: size .< 0x1p-14)
            .replacing(with: 0x7c00, where: size .>= 65_520)
            .replacing(with: (magnitude &>> 13) & 0x3ff | 0x7e00, where: numbers .!= numbers)
        return lowHalves(rounded | (bits &>> 16) & 0x8000)
    }

#endif

/// Rounds to fp32 so that rounding once more, to bf16 or fp16, gives what rounding once from fp64 would: toward zero,
/// with the last bit set where anything was lost.
@inline(__always)
func floatsToOdd(_ numbers: SIMD8<Double>) -> SIMD8<Float> {
    let nearest = floats(numbers)
    let back = doubles(nearest)
    let bits = unsafeBitCast(nearest, to: SIMD8<UInt32>.self)
    var low = SIMD8<UInt32>()
    for lane in 0..<8 {
        let above = back[lane].magnitude > numbers[lane].magnitude
        low[lane] = back[lane] == numbers[lane] ? bits[lane] : (above ? bits[lane] &- 1 : bits[lane]) | 1
    }
    return unsafeBitCast(low, to: SIMD8<Float>.self)
}

// MARK: - Blocks

/// Calls `body` with the first element of each grain.
@inline(__always)
private func eachGrain(_ count: Int, _ body: (Int) -> Void) {
    var start = 0
    while start < count {
        body(start)
        start += grain
    }
}

extension FloatLanes {
    @inline(__always)
    static func isInPlace(_ type: ElementType) -> Bool {
        if case .fp32 = type { true } else { false }
    }

    @inline(never)
    static func decode(
        _ type: ElementType, from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int
    ) {
        switch type {
        case .bf16:
            eachGrain(count) { start in
                write(floats(bf16: read(source + start * 2)), to: target + start * 4)
            }
        case .fp16:
            eachGrain(count) { start in
                write(floats(fp16: read(source + start * 2)), to: target + start * 4)
            }
        case .fp32, .fp64:
            copy(source, to: target, bytes: count * 4)
        }
    }

    @inline(never)
    static func encode(
        _ type: ElementType, from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int
    ) {
        switch type {
        case .bf16:
            eachGrain(count) { start in
                write(bf16(read(source + start * 4)), to: target + start * 2)
            }
        case .fp16:
            eachGrain(count) { start in
                write(fp16(read(source + start * 4)), to: target + start * 2)
            }
        case .fp32, .fp64:
            copy(source, to: target, bytes: count * 4)
        }
    }
}

extension DoubleLanes {
    @inline(__always)
    static func isInPlace(_ type: ElementType) -> Bool {
        if case .fp64 = type { true } else { false }
    }

    @inline(never)
    static func decode(
        _ type: ElementType, from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int
    ) {
        switch type {
        case .bf16:
            eachGrain(count) { start in
                write(doubles: floats(bf16: read(source + start * 2)), to: target + start * 8)
            }
        case .fp16:
            eachGrain(count) { start in
                write(doubles: floats(fp16: read(source + start * 2)), to: target + start * 8)
            }
        case .fp32:
            eachGrain(count) { start in
                write(doubles: read(source + start * 4), to: target + start * 8)
            }
        case .fp64:
            copy(source, to: target, bytes: count * 8)
        }
    }

    @inline(never)
    static func encode(
        _ type: ElementType, from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int
    ) {
        switch type {
        case .bf16:
            eachGrain(count) { start in
                write(bf16(readToOdd(source + start * 8)), to: target + start * 2)
            }
        case .fp16:
            eachGrain(count) { start in
                write(fp16(readToOdd(source + start * 8)), to: target + start * 2)
            }
        case .fp32:
            eachGrain(count) { start in
                let low: SIMD8<Double> = read(source + start * 8)
                let high: SIMD8<Double> = read(source + start * 8 + 64)
                write(SIMD16(lowHalf: floats(low), highHalf: floats(high)), to: target + start * 4)
            }
        case .fp64:
            copy(source, to: target, bytes: count * 8)
        }
    }
}

@inline(__always)
private func write(doubles numbers: SIMD16<Float>, to target: UnsafeMutableRawPointer) {
    write(doubles(numbers.lowHalf), to: target)
    write(doubles(numbers.highHalf), to: target + 64)
}

@inline(__always)
private func readToOdd(_ source: UnsafeRawPointer) -> SIMD16<Float> {
    SIMD16(lowHalf: floatsToOdd(read(source)), highHalf: floatsToOdd(read(source + 64)))
}
