// The functions of analysis that models need, on sixteen lanes and of our own: exponential, logarithm, hyperbolic tangent,
// the logistic function (all within about two units in the last place) and the normal distribution (within eight). Right
// at infinities, NaN and both ends of the range; the tests of Compute hold each against fp64.
// Reductions and polynomials of exp, log and tanh are those of the Cephes library's single precision (Moshier, 1984 to
// 1992). The normal distribution's tail is a polynomial of our own, fitted by Remez exchange. Nothing from libm.
//
// Transparent, and not merely inlined: a call would hand sixteen lanes over in four registers of four, and the compiler
// then computes on four at a time. The set that does so anyway, for machines without AVX2, has each of the long ones once.

/// 1.5 * 2^23: a number of at most 2^22 added to it is rounded to an integer, which stands in its last bits.
private let integerBits: UInt32 = 0x4B40_0000

@_transparent
private var integers: Floats { Floats(repeating: 12_582_912) }

/// 2 to the power of each lane, which is an integer from -126 to 127.
@_transparent
private func powerOfTwo(_ power: SIMD16<Int32>) -> Floats {
    unsafeBitCast((power &+ 127) &<< 23, to: Floats.self)
}

/// The lanes, none below `low` nor above `high`; NaN stays.
@_transparent
func clamp(_ x: Floats, _ low: Float, _ high: Float) -> Floats {
    x.replacing(with: low, where: x .< low).replacing(with: high, where: x .> high)
}

@_transparent
func magnitude(_ x: Floats) -> Floats { floats(words(x) & 0x7FFF_FFFF) }

/// The magnitude of one, the sign of the other.
@_transparent
private func signed(_ magnitude: Floats, as sign: Floats) -> Floats {
    floats(words(magnitude) | (words(sign) & 0x8000_0000))
}

/// One or the other by the sign of x. In bits: a choice between results of long computations, made by a mask, has the
/// compiler take them apart into lanes.
@_transparent
private func bySign(_ x: Floats, negative: Floats, positive: Floats) -> Floats {
    let mask = unsafeBitCast(unsafeBitCast(x, to: SIMD16<Int32>.self) &>> 31, to: SIMD16<UInt32>.self)
    return floats((words(negative) & mask) | (words(positive) & ~mask))
}

/// The polynomial's value by Horner's rule, its coefficient of the highest power first.
@_transparent
private func horner(_ x: Floats, _ sum: Floats, _ next: Float) -> Floats {
    multiplyAdd(Floats(repeating: next), sum, x)
}

/// e^x.
#if MARTLET_FMA
    @_transparent
#else
    @inline(never)
#endif
func exponential(_ x: Floats) -> Floats {
    let (rounded, r) = reduced(x)
    return raised(r, rounded)
}

/// e^(x + rest), where the rest is small and the sum is wanted to more digits than x has.
#if MARTLET_FMA
    @_transparent
#else
    @inline(never)
#endif
func exponential(_ x: Floats, plus rest: Floats) -> Floats {
    let (rounded, r) = reduced(x)
    return raised(r + rest, rounded)
}

/// n and r of e^x = 2^n e^r, with |r| at most ln(2) / 2; n stands in the last bits. ln 2 comes in two parts, of which n
/// times the first is exact.
@_transparent
private func reduced(_ x: Floats) -> (rounded: Floats, r: Floats) {
    // Beyond these ends the result is infinite, or less than half of the smallest denormal.
    let x = clamp(x, -104, 89)
    let rounded = multiplyAdd(integers, x, Floats(repeating: 1.442_695_04))
    let n = rounded - integers
    let r = multiplyAdd(x, n, Floats(repeating: -0.693_359_375))
    return (rounded, multiplyAdd(r, n, Floats(repeating: 2.121_944_40e-4)))
}

/// e^x - 1, for x up to 0: what it loses of e^x where that is nearly 1 is kept.
#if MARTLET_FMA
    @_transparent
#else
    @inline(never)
#endif
func exponentialLessOne(_ x: Floats) -> Floats {
    let (rounded, r) = reduced(x)
    let power = powerOfTwo(unsafeBitCast(words(rounded) &- integerBits, to: SIMD16<Int32>.self))
    let y = multiplyAdd(power - 1, lessOne(r), power)
    // Below, the power is out of range.
    return y.replacing(with: -1, where: x .< -80)
}

/// 2^n e^r.
@_transparent
private func raised(_ r: Floats, _ rounded: Floats) -> Floats {
    let y = lessOne(r) + 1
    // In two factors: 2^n alone may be out of range where the result is not.
    let power = unsafeBitCast(words(rounded) &- integerBits, to: SIMD16<Int32>.self)
    let half = power &>> 1
    return y * powerOfTwo(half) * powerOfTwo(power &- half)
}

/// e^r - 1.
@_transparent
private func lessOne(_ r: Floats) -> Floats {
    var p = Floats(repeating: 1.987_569_15e-4)
    p = horner(r, p, 1.398_199_950_7e-3)
    p = horner(r, p, 8.333_451_907_3e-3)
    p = horner(r, p, 4.166_579_589_4e-2)
    p = horner(r, p, 1.666_666_545_9e-1)
    p = horner(r, p, 5.000_000_120_1e-1)
    return multiplyAdd(r, p, r * r)
}

/// The natural logarithm: -inf of 0, NaN below it.
#if MARTLET_FMA
    @_transparent
#else
    @inline(never)
#endif
func logarithm(_ x: Floats) -> Floats {
    // Denormals are brought into range; where they count as zero, so they do here.
    let isSmall = x .< 0x1p-126
    let scaled = x.replacing(with: x * 0x1p25, where: isSmall)
    // x = 2^e (1 + f) with 1 + f from sqrt(1/2) to sqrt(2).
    let offset = words(scaled) &- 0x3F35_04F3
    let power = unsafeBitCast(offset, to: SIMD16<Int32>.self) &>> 23
    let f = floats((offset & 0x7F_FFFF) &+ 0x3F35_04F3) - 1
    var e = floats(unsafeBitCast(power, to: SIMD16<UInt32>.self) &+ integerBits) - integers
    e = e.replacing(with: e - 25, where: isSmall)
    var p = Floats(repeating: 7.037_683_629_2e-2)
    p = horner(f, p, -1.151_461_031_0e-1)
    p = horner(f, p, 1.167_699_874_0e-1)
    p = horner(f, p, -1.242_014_084_6e-1)
    p = horner(f, p, 1.424_932_278_7e-1)
    p = horner(f, p, -1.666_805_766_5e-1)
    p = horner(f, p, 2.000_071_476_5e-1)
    p = horner(f, p, -2.499_999_399_3e-1)
    p = horner(f, p, 3.333_333_117_4e-1)
    let square = f * f
    var y = p * f * square
    y = multiplyAdd(y, e, Floats(repeating: -2.121_944_40e-4))
    y = multiplyAdd(y, square, Floats(repeating: -0.5))
    y = multiplyAdd(f + y, e, Floats(repeating: 0.693_359_375))
    return
        y
        .replacing(with: x, where: x .== .infinity)
        .replacing(with: -.infinity, where: x .== 0)
        .replacing(with: .nan, where: (x .< 0) .| (x .!= x))
}

/// The natural logarithm of 1 + x, for x from 0 to 1: what 1 + x loses is added again.
#if MARTLET_FMA
    @_transparent
#else
    @inline(never)
#endif
func logarithm(onePlus x: Floats) -> Floats {
    let sum = x + 1
    return logarithm(sum) + (x - (sum - 1)) / sum
}

/// The hyperbolic tangent.
#if MARTLET_FMA
    @_transparent
#else
    @inline(never)
#endif
func hyperbolicTangent(_ x: Floats) -> Floats {
    let size = magnitude(x)
    let square = x * x
    var p = Floats(repeating: -5.704_988_727_45e-3)
    p = horner(square, p, 2.063_908_879_54e-2)
    p = horner(square, p, -5.373_971_555_31e-2)
    p = horner(square, p, 1.333_144_220_36e-1)
    p = horner(square, p, -3.333_328_194_22e-1)
    let small = multiplyAdd(x, p * square, x)
    let large = 1 - 2 / (exponential(size + size) + 1)
    return signed(large, as: x).replacing(with: small, where: size .< 0.625)
}

/// 1 / (1 + e^-x), from the exponential of -|x|, so that both ends keep their digits.
@_transparent
func logistic(_ x: Floats) -> Floats { logistic(x, exponential(-magnitude(x))) }

@_transparent
func logistic(_ x: Floats, _ exponential: Floats) -> Floats {
    bySign(x, negative: exponential, positive: Floats(repeating: 1)) / (1 + exponential)
}

/// The normal distribution at x, which is at most 20 from 0: the share of it below x, and e^(-x^2 / 2).
///
/// The share beyond |x| is e^(-x^2 / 2) t p(t) with t = 1 / (1 + |x| / 4), where p of degree 9 has the least relative
/// error for |x| up to 14.5, 8.6e-9 before rounding.
@_transparent
func normal(_ x: Floats) -> (below: Floats, bell: Floats) {
    let size = magnitude(x)
    // The square in two parts, since its rounding would grow by as much as it is large.
    let high = floats(words(size) & 0xFFFF_F000)
    let bell = exponential(high * high * -0.5, plus: (size - high) * (size + high) * -0.5)
    let t = 1 / multiplyAdd(Floats(repeating: 1), size, Floats(repeating: 0.25))
    var p = Floats(repeating: 0.016_892_401_5)
    p = horner(t, p, -0.064_537_130_6)
    p = horner(t, p, 0.055_879_346_6)
    p = horner(t, p, 0.022_611_123_3)
    p = horner(t, p, 0.017_734_485_9)
    p = horner(t, p, 0.083_851_372_0)
    p = horner(t, p, 0.073_012_747_3)
    p = horner(t, p, 0.095_287_872_4)
    p = horner(t, p, 0.099_521_456_5)
    p = horner(t, p, 0.099_746_329_7)
    let tail = bell * (t * p)
    // The tail below 0, and what it leaves of 1 above, again in bits.
    let isBelow = unsafeBitCast(unsafeBitCast(x, to: SIMD16<Int32>.self) &>> 31, to: SIMD16<UInt32>.self)
    let whole = floats(~isBelow & 0x3F80_0000)
    return (whole + floats(words(tail) ^ (~isBelow & 0x8000_0000)), bell)
}
