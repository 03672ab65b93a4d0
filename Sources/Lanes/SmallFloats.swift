// Floats of 16, 8 and 4 bits, as state is kept in: sixteen numbers between 0 and 1, beside a scale, there and back in
// registers. No loops and no scales (Rules/SmallState.swift), no memory (Memory.swift).
//
// A magnitude's code counts the floats of as many bits of mantissa from the least up to 1, which is the largest code; so a
// code is such a float's upper bits less a constant, and code 0 is exactly 0. There are no denormals, and all that is
// done is the same on every instruction set and in every flush mode.

import CMachine
import MartletKernelInterface

/// How numbers are kept in a few bits: sign, exponent and mantissa, or without a sign.
protocol SmallFloat {
    static var type: SmallType { get }
    /// Bits of fp32 below those that are kept.
    static var shift: UInt32 { get }
    /// The code of 1, which is the largest. The next bit is the sign of a format that has one.
    static var top: UInt32 { get }
}

/// Sign, five bits of exponent, ten of mantissa: 0, and about 2^-32 to 1.
enum SFloat16: SmallFloat {
    @_transparent static var type: SmallType { .float16 }
    @_transparent static var shift: UInt32 { 13 }
    @_transparent static var top: UInt32 { 0x7fff }
}

/// Six bits of exponent, ten of mantissa: 0, and about 2^-64 to 1.
enum UFloat16: SmallFloat {
    @_transparent static var type: SmallType { .ufloat16 }
    @_transparent static var shift: UInt32 { 13 }
    @_transparent static var top: UInt32 { 0xffff }
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

    /// The numbers of sixteen codes times a scale, so that a scale of NaN leaves none of its block; above the codes are words
    /// full of their signs, or zeros without.
    @_transparent
    static func decode(_ codes: SIMD16<UInt32>, _ scale: Float) -> Floats {
        if !isSigned {
            let magnitude = floats(codes &<< shift &+ base)
            return magnitude.replacing(with: 0, where: magnitude .< least) * scale
        }
        let number = floats((codes &<< shift & (0x8000_0000 | top << shift)) &+ base)
        return floats(machine_where_set(words(number), codes & top)) * scale
    }

    /// What is less than that, and less than code 1, becomes 0 where there is a sign: as code 1 of 4 bits, now and then, it
    /// would count for more than sixteen times what it is.
    @_transparent
    static var quiet: Float { 0x1p-7 }

    /// The codes of sixteen numbers, none of which is NaN, and which `factor` brings to -1 to 1. Rounded at random, up with the
    /// chance that what goes stands for, by at most the upper 16 bits of `drawn`: to nearest, an average that changes by less
    /// than half a step in a hundred would stand still, and its quotient with another run away. A number of a code keeps it,
    /// and 0 is one. What is less than code 1 becomes code 1 where there is no sign: an almost-zero divisor would be a leap.
    @_transparent
    static func encode(_ numbers: Floats, _ factor: Float, _ drawn: SIMD16<UInt32>) -> SIMD16<UInt32> {
        let scaled = numbers * factor
        // Draws in place of the bits that go, and half of the rest, so that within eight of the last places of fp32 a number
        // is the code's; and above them, with no bit in common, what codes are counted from.
        let rest: UInt32 = shift < 20 ? 4 : shift - 16
        let kept: UInt32 = 1 << shift - 1 << rest
        let up = (drawn &>> (32 - shift)) & kept | (0 &- base | 1 << (rest - 1))
        if !isSigned {
            let raised = scaled.replacing(with: least, where: scaled .< least)
            return ((words(raised) &+ up) &>> shift).replacing(with: 0, where: numbers .<= 0)
        }
        let magnitude = floats(words(scaled) & 0x7fff_ffff)
        let sign = (words(scaled) &>> UInt32(32 - bits)) & (top + 1)
        if least <= quiet {
            let coded = (words(magnitude) &+ up) &>> shift | sign
            return coded.replacing(with: 0, where: magnitude .< almostLeast)
        }
        // Under code 1 a number becomes that or 0, by the same draw, and 0 in any case where it is less than `quiet`.
        let chance = whole(drawn &>> 16) * (least * 0x1p-16)
        let below = Float(bitPattern: quiet.bitPattern - 1)
        let most = chance.replacing(with: below, where: chance .< below)
        let raised = magnitude.replacing(with: least, where: magnitude .< least)
        let coded = (words(raised) &+ up) &>> shift | sign
        return coded.replacing(with: 0, where: magnitude .<= most)
    }

    /// What rounds up to code 1 as an arithmetic of fp32 would have it: no number of a code is lost to the last bits.
    @_transparent
    static var almostLeast: Float { Float(bitPattern: base + (1 << shift) - 8) }
}

/// Whole numbers under 2^31 as floats.
@inline(__always)
private func whole(_ numbers: SIMD16<UInt32>) -> Floats {
    machine_floats_of_integers(unsafeBitCast(numbers, to: SIMD16<Int32>.self))
}

/// Sixteen codes of 8 bits, one in a word.
@inline(__always)
func words(_ bytes: SIMD16<UInt8>) -> SIMD16<UInt32> { machine_words_of_bytes(bytes) }

/// The same of codes whose highest bit is a sign, which fills the rest of the word.
@inline(__always)
func signedWords(_ bytes: SIMD16<UInt8>) -> SIMD16<UInt32> {
    let signed = unsafeBitCast(bytes, to: SIMD16<Int8>.self)
    return unsafeBitCast(machine_integers_of_signed_bytes(signed), to: SIMD16<UInt32>.self)
}

@inline(__always)
func signedWords(_ halves: SIMD16<UInt16>) -> SIMD16<UInt32> {
    unsafeBitCast(unsafeBitCast(words(halves) &<< 16, to: SIMD16<Int32>.self) &>> 16, to: SIMD16<UInt32>.self)
}

/// Words under 256 as bytes.
@inline(__always)
func bytes(_ words: SIMD16<UInt32>) -> SIMD16<UInt8> { machine_bytes_of_small_words(words) }

/// Sixteen codes of 4 bits, one in a word, as bytes of two, the first in the lower half.
@inline(__always)
func paired(_ codes: SIMD16<UInt32>) -> SIMD8<UInt8> { machine_pairs(codes) }

/// What the codes of a block stand for.
struct BlockNumbers<Format: SmallFloat> {
    private let scale: Float
    /// Those of all codes, of 4 bits.
    private let table: Floats

    @inline(__always)
    init(_ scale: Float) {
        self.scale = scale
        let codes = SIMD16<UInt32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
        let signed = unsafeBitCast(unsafeBitCast(codes &<< 28, to: SIMD16<Int32>.self) &>> 28, to: SIMD16<UInt32>.self)
        table = Format.bits == 4 ? Format.decode(Format.isSigned ? signed : codes, scale) : Floats()
    }

    /// The numbers of codes of 16 bits.
    @inline(__always)
    subscript(halves codes: SIMD16<UInt16>) -> Floats {
        Format.decode(Format.isSigned ? signedWords(codes) : words(codes), scale)
    }

    /// The numbers of codes of 8 bits.
    @inline(__always)
    subscript(codes: SIMD16<UInt8>) -> Floats {
        Format.decode(Format.isSigned ? signedWords(codes) : words(codes), scale)
    }

    /// The numbers of codes of 4 bits, which lie two in a byte, the first in its lower half.
    @inline(__always)
    subscript(pairs: SIMD8<UInt8>) -> Floats { machine_chosen(table, machine_nibbles(pairs)) }
}
