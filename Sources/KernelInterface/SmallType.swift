// The types of 16, 8 and 4 bits that state may be kept in: codes, and a scale in fp32 for each block of them. The numbers are
// those of martlet.h. What a code stands for is Lanes/SmallFloats.swift.

/// How the numbers of an array are stored in few bits.
@frozen
public enum SmallType: Int32, Sendable, CaseIterable {
    case float8 = 10
    case ufloat8 = 11
    case float4 = 12
    case ufloat4 = 13
    case float16 = 14
    case ufloat16 = 15

    /// Bits of a code.
    @inline(__always)
    public var bits: Int {
        switch self {
        case .float16, .ufloat16: 16
        case .float8, .ufloat8: 8
        case .float4, .ufloat4: 4
        }
    }

    /// Numbers that share a scale.
    @inline(__always)
    public var block: Int {
        switch self {
        case .float16, .ufloat16, .float8, .ufloat8: 256
        case .float4, .ufloat4: 128
        }
    }

    /// Whether its numbers are never negative.
    @inline(__always)
    public var isUnsigned: Bool {
        switch self {
        case .float16, .float8, .float4: false
        case .ufloat16, .ufloat8, .ufloat4: true
        }
    }

    /// Bytes of so many codes; those of 4 bits lie two in a byte, the first in its lower half.
    @inline(__always)
    public func byteCount(_ count: Int) -> Int { (count * bits + 7) / 8 }

    /// Scales of so many codes.
    @inline(__always)
    public func scaleCount(_ count: Int) -> Int { (count + block - 1) / block }
}
