// Codecs: how stored elements become lanes that a rule computes on, and back, sixteen at a time and in registers: their
// few instructions run while the processor divides. bf16 and fp16 keep their denormals whatever the processor's flush
// mode; a NaN stays a NaN. No loops (Conversion.swift), no loads or stores of its own (Memory.swift).
//
// Widths change lane by lane, and not by the standard library's generic conversions: those can be emitted as functions
// of their own, under one name for every instruction set, of which the linker keeps any.

import CMachine
import MartletKernelInterface

extension FloatLanes {
    @inline(__always)
    init(_ type: ElementType, in array: UnsafeRawPointer, at index: Int) {
        switch type {
        case .bf16: lanes = floats(bf16: read(array + index * 2))
        case .fp16: lanes = floats(fp16: read(array + index * 2))
        case .fp32, .fp64: lanes = read(array + index * 4)
        }
    }

    @inline(__always)
    func store(_ type: ElementType, in array: UnsafeMutableRawPointer, at index: Int) {
        switch type {
        case .bf16: write(bf16(lanes), to: array + index * 2)
        case .fp16: write(fp16(lanes), to: array + index * 2)
        case .fp32, .fp64: write(lanes, to: array + index * 4)
        }
    }
}

extension DoubleLanes {
    @inline(__always)
    init(_ type: ElementType, in array: UnsafeRawPointer, at index: Int) {
        switch type {
        case .bf16: lanes = doubles(floats(bf16: read(array + index * 2)))
        case .fp16: lanes = doubles(floats(fp16: read(array + index * 2)))
        case .fp32: lanes = doubles(read(array + index * 4))
        case .fp64: lanes = read(array + index * 8)
        }
    }

    @inline(__always)
    func store(_ type: ElementType, in array: UnsafeMutableRawPointer, at index: Int) {
        switch type {
        case .bf16: write(bf16(oddFloats(lanes)), to: array + index * 2)
        case .fp16: write(fp16(oddFloats(lanes)), to: array + index * 2)
        case .fp32: write(floats(lanes), to: array + index * 4)
        case .fp64: write(lanes, to: array + index * 8)
        }
    }
}

// MARK: - bf16

/// bf16 is the upper half of fp32. A function of its own in the baseline, as the three that follow are: there they would be
/// most of the code of a loop.
#if MARTLET_FMA
    @inline(__always)
#else
    @inline(never)
#endif
func floats(bf16 bits: SIMD16<UInt16>) -> SIMD16<Float> {
    floats(words(bits) &<< 16)
}

#if MARTLET_FMA
    @inline(__always)
#else
    @inline(never)
#endif
func bf16(_ numbers: SIMD16<Float>) -> SIMD16<UInt16> { smallHalves(nearestBF16(numbers)) }

/// Rounds to nearest, ties to even: adds just under half of the last place kept, or half where that place is odd.
/// That would carry some NaN into another number, so NaN is told apart by the number itself.
@inline(__always)
func nearestBF16(_ numbers: SIMD16<Float>) -> SIMD16<UInt32> {
    let bits = words(numbers)
    let rounded = (bits &+ 0x7fff &+ ((bits &>> 16) & 1)) &>> 16
    return rounded.replacing(with: 0x7fc0, where: numbers .!= numbers)
}

// MARK: - fp16

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
    @inline(never)
    func floats(fp16 bits: SIMD16<UInt16>) -> SIMD16<Float> {
        let wide = words(bits)
        let shifted = (wide & 0x7fff) &<< 13
        let scaled = floats(shifted)
        let normal = shifted &+ 0x3800_0000
        let denormal = words(floats(shifted &+ 0x3880_0000) - 0x1p-14)
        let special = shifted &+ 0x7000_0000
        return floats(
            normal
                .replacing(with: denormal, where: scaled .< 0x1p-126)
                .replacing(with: special, where: scaled .>= 0x1p-96) | (wide & 0x8000) &<< 16)
    }

    /// Rounds to nearest, ties to even. Below 2^-14 the sum with 1/2, whose last place is fp16's smallest denormal,
    /// does the rounding; above, the same integer sum as for bf16; from 65,520 on there is only infinity.
    @inline(never)
    func fp16(_ numbers: SIMD16<Float>) -> SIMD16<UInt16> {
        let bits = words(numbers)
        let magnitude = bits & 0x7fff_ffff
        let size = floats(magnitude)
        let normal = (magnitude &- 0x3800_0000 &+ 0xfff &+ ((magnitude &>> 13) & 1)) &>> 13
        let denormal = words(size + 0.5) &- 0x3f00_0000
        let rounded =
            normal
            .replacing(with: denormal, where: size .< 0x1p-14)
            .replacing(with: 0x7c00, where: size .>= 65_520)
            .replacing(with: (magnitude &>> 13) & 0x3ff | 0x7e00, where: numbers .!= numbers)
        return halves(rounded | (bits &>> 16) & 0x8000)
    }

#endif

// MARK: - fp64

@inline(__always)
func doubles(_ numbers: SIMD16<Float>) -> SIMD16<Double> {
    var doubles = SIMD16<Double>()
    for lane in 0..<16 { doubles[lane] = Double(numbers[lane]) }
    return doubles
}

@inline(__always)
func floats(_ numbers: SIMD16<Double>) -> SIMD16<Float> {
    var floats = SIMD16<Float>()
    for lane in 0..<16 { floats[lane] = Float(numbers[lane]) }
    return floats
}

/// Rounds to fp32 so that rounding once more, to bf16 or fp16, gives what rounding once from fp64 would: toward zero,
/// with the last bit set where anything was lost.
@inline(__always)
private func oddFloats(_ numbers: SIMD16<Double>) -> SIMD16<Float> {
    var odd = SIMD16<Float>()
    for lane in 0..<16 {
        let nearest = Float(numbers[lane])
        let back = Double(nearest)
        let towardZero = nearest.bitPattern &- (back.magnitude > numbers[lane].magnitude ? 1 : 0)
        odd[lane] = Float(bitPattern: towardZero | (back == numbers[lane] ? 0 : 1))
    }
    return odd
}

// MARK: - Bits

@inline(__always)
func floats(_ bits: SIMD16<UInt32>) -> SIMD16<Float> { unsafeBitCast(bits, to: SIMD16<Float>.self) }

@inline(__always)
func words(_ numbers: SIMD16<Float>) -> SIMD16<UInt32> { unsafeBitCast(numbers, to: SIMD16<UInt32>.self) }

@inline(__always)
func words(_ halves: SIMD16<UInt16>) -> SIMD16<UInt32> { machine_words_of_halves(halves) }

/// Words under 2^16 as halves.
@inline(__always)
func smallHalves(_ words: SIMD16<UInt32>) -> SIMD16<UInt16> { machine_halves_of_small_words(words) }

/// The lower half of each word.
@inline(__always)
func halves(_ words: SIMD16<UInt32>) -> SIMD16<UInt16> { machine_halves_of_words(words) }
