// What the codecs are held against, one element at a time and written from the definitions: the storage types by exact
// arithmetic in Double. Slow and plain on purpose; shares nothing with the kernels.

import MartletKernelInterface

/// A binary format of 16 bits: `fraction` stored bits after the point, and the exponent of its smallest normal number.
struct SmallFormat {
    let fraction: Int
    let leastExponent: Int

    static let bf16 = SmallFormat(fraction: 7, leastExponent: -126)
    static let fp16 = SmallFormat(fraction: 10, leastExponent: -14)

    /// The bits of infinity: all ones in the exponent.
    var infinity: Int { ((1 << (15 - fraction)) - 1) << fraction }

    func decode(_ bits: UInt16) -> Double {
        let magnitude = Int(bits & 0x7fff)
        let sign = bits >> 15 == 1 ? -1.0 : 1.0
        if magnitude > infinity { return .nan }
        if magnitude == infinity { return sign * .infinity }
        let field = magnitude >> fraction
        let digits = magnitude - (field << fraction) + (field == 0 ? 0 : 1 << fraction)
        return sign * scaled(Double(digits), by: max(field, 1) - 1 + leastExponent - fraction)
    }

    /// Rounds to nearest, ties to even.
    func encode(_ number: Double) -> UInt16 {
        if number.isNaN { return UInt16(infinity + 1) }
        let sign: UInt16 = number.sign == .minus ? 0x8000 : 0
        if number.isInfinite { return sign | UInt16(infinity) }
        if number == 0 { return sign }
        // Units of the last place that the format has at this size.
        let exponent = max(Int(number.exponent), leastExponent)
        let digits = scaled(number.magnitude, by: fraction - exponent).rounded(.toNearestOrEven)
        return sign | UInt16(min(((exponent - leastExponent) << fraction) + Int(digits), infinity))
    }

    /// number * 2^power, in two steps, since the power alone may be out of range.
    private func scaled(_ number: Double, by power: Int) -> Double {
        let half = power / 2
        return number * Double(sign: .plus, exponent: half, significand: 1)
            * Double(sign: .plus, exponent: power - half, significand: 1)
    }
}

extension ElementType {
    func decode(_ bits: UInt64) -> Double {
        switch self {
        case .fp64: Double(bitPattern: bits)
        case .fp32: Double(Float(bitPattern: UInt32(bits)))
        case .bf16: SmallFormat.bf16.decode(UInt16(bits))
        case .fp16: SmallFormat.fp16.decode(UInt16(bits))
        }
    }

    func encode(_ number: Double) -> UInt64 {
        switch self {
        case .fp64: number.bitPattern
        case .fp32: UInt64(Float(number).bitPattern)
        case .bf16: UInt64(SmallFormat.bf16.encode(number))
        case .fp16: UInt64(SmallFormat.fp16.encode(number))
        }
    }

    /// Whether two elements are the same bits, or both NaN.
    func isSame(_ a: UInt64, _ b: UInt64) -> Bool { a == b || decode(a).isNaN && decode(b).isNaN }
}
