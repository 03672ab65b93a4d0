// Floats of 8 and of 4 bits, as state is kept in: sixteen numbers between 0 and 1, beside a scale, there and back in
// registers. No loops and no scales (Rules/SmallState.swift), no memory (Memory.swift).
//
// A magnitude's code counts the floats of as many bits of mantissa from the least up to 1, which is the largest code; so a
// code is such a float's upper bits less a constant, and code 0 is exactly 0. There are no denormals, and all that is
// done is the same on every instruction set and in every flush mode.

import MartletKernelInterface

/// How numbers are kept in a few bits: sign, exponent and mantissa, or without a sign.
protocol SmallFloat {
    static var type: SmallType { get }
    /// Bits of fp32 below those that are kept.
    static var shift: UInt32 { get }
    /// The code of 1, which is the largest. The next bit is the sign of a format that has one.
    static var top: UInt32 { get }
}

/// Sign, four bits of exponent, three of mantissa: 0, and 2^-15.75 to 1.
enum Float8: SmallFloat {
    @_transparent static var type: SmallType { .float8 }
    @_transparent static var shift: UInt32 { 20 }
    @_transparent static var top: UInt32 { 127 }
}

/// Five bits of exponent, three of mantissa: 0, and 2^-31.75 to 1.
enum UFloat8: SmallFloat {
    @_transparent static var type: SmallType { .ufloat8 }
    @_transparent static var shift: UInt32 { 20 }
    @_transparent static var top: UInt32 { 255 }
}

/// Sign, two bits of exponent, one of mantissa: 0, and 1/8 to 1.
enum Float4: SmallFloat {
    @_transparent static var type: SmallType { .float4 }
    @_transparent static var shift: UInt32 { 22 }
    @_transparent static var top: UInt32 { 7 }
}

/// Three bits of exponent, one of mantissa: 0, and 1/128 to 1.
enum UFloat4: SmallFloat {
    @_transparent static var type: SmallType { .ufloat4 }
    @_transparent static var shift: UInt32 { 22 }
    @_transparent static var top: UInt32 { 15 }
}

extension SmallFloat {
    @_transparent static var bits: Int { type.bits }
    @_transparent static var isSigned: Bool { !type.isUnsigned }

    /// What lies below the number of code 1, as bits of fp32: what a code 0 would be.
    @_transparent
    static var base: UInt32 { 0x3f80_0000 - top << shift }

    /// The number of code 1.
    @_transparent
    static var least: Float { Float(bitPattern: base + 1 << shift) }

    /// The numbers of sixteen codes.
    @_transparent
    static func decode(_ codes: SIMD16<UInt32>) -> Floats {
        let magnitude = floats((codes & top) &<< shift &+ base)
        let zeroed = magnitude.replacing(with: 0, where: magnitude .< least)
        if !isSigned { return zeroed }
        return floats(words(zeroed) | (codes & (top + 1)) &<< UInt32(32 - bits))
    }

    /// What rounds up to code 1 as an arithmetic of fp32 would have it: no number of a code is lost to the last bits.
    @_transparent
    static var almostLeast: Float { Float(bitPattern: base + (1 << shift) - 8) }

    /// A number with a sign that is less, and less than code 1, becomes 0: as code 1 of 4 bits, now and then, it would count
    /// for more than sixteen times what it is.
    @_transparent
    static var quiet: Float { 0x1p-7 }

    /// The codes of sixteen numbers, none of which is NaN, and which `factors`, one after the other, bring to -1 to 1, where
    /// what is larger ends. Rounded at random, up with the chance that what goes stands for, by draws of 16 bits: to
    /// nearest, an average that changes by less than half a step in a hundred would stand still, and its quotient with
    /// another run away. A number of a code keeps it, and 0 is one. What is less than code 1 becomes code 1 where there is no
    /// sign: an almost-zero divisor would be a leap. What is less than that and `quiet` becomes 0 where there is one.
    @_transparent
    static func encode(_ numbers: Floats, _ factors: (Float, Float), _ draws: SIMD16<UInt32>) -> SIMD16<UInt32> {
        let bits = words(numbers)
        let scaled = floats(bits & 0x7fff_ffff) * factors.0 * factors.1
        let magnitude = scaled.replacing(with: 1, where: scaled .> 1)
        // Within eight of the last places of fp32 a number is the code's.
        let up = draws &<< (shift - 16) &+ (1 << (shift - 17)) &- base
        if isSigned {
            let sign = (bits &>> UInt32(32 - Self.bits)) & (top + 1)
            let coded = (words(magnitude) &+ up) &>> shift | sign
            if least <= quiet { return coded.replacing(with: 0, where: magnitude .< almostLeast) }
            let chance = (floats(draws &<< 7 | 0x3f80_0000) - 1) * least
            let small = (sign | 1).replacing(with: 0, where: magnitude .<= chance .| magnitude .< quiet)
            return coded.replacing(with: small, where: magnitude .< almostLeast)
        }
        let raised = magnitude.replacing(with: least, where: magnitude .< least)
        return ((words(raised) &+ up) &>> shift).replacing(with: 0, where: numbers .<= 0)
    }
}

/// Sixteen codes of 8 bits, one in a word.
@inline(__always)
func words(_ bytes: SIMD16<UInt8>) -> SIMD16<UInt32> {
    var words = SIMD16<UInt32>()
    for lane in 0..<16 { words[lane] = UInt32(truncatingIfNeeded: bytes[lane]) }
    return words
}

/// The lowest byte of each word.
@inline(__always)
func bytes(_ words: SIMD16<UInt32>) -> SIMD16<UInt8> {
    var bytes = SIMD16<UInt8>()
    for lane in 0..<16 { bytes[lane] = UInt8(truncatingIfNeeded: words[lane]) }
    return bytes
}

/// Sixteen codes of 4 bits, which lie two in a byte, the first in its lower half: one in a byte.
@inline(__always)
func spread(_ pairs: SIMD8<UInt8>) -> SIMD16<UInt8> {
    var wide = SIMD8<UInt16>()
    for lane in 0..<8 { wide[lane] = UInt16(truncatingIfNeeded: pairs[lane]) }
    return unsafeBitCast((wide | wide &<< 4) & 0x0f0f, to: SIMD16<UInt8>.self)
}

/// The same the other way.
@inline(__always)
func paired(_ codes: SIMD16<UInt8>) -> SIMD8<UInt8> {
    let wide = unsafeBitCast(codes, to: SIMD8<UInt16>.self)
    let both = wide | wide &>> 4
    var pairs = SIMD8<UInt8>()
    for lane in 0..<8 { pairs[lane] = UInt8(truncatingIfNeeded: both[lane]) }
    return pairs
}
