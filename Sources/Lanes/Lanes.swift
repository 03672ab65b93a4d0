// Lanes: sixteen neighbouring elements, computed on together.
// No arithmetic beyond one operator and one rounding each, no folds (Floats.swift), no storage types (Codecs.swift), no
// memory (Memory.swift), no equations.

import MartletKernelInterface

/// Elements in one value of any lanes: one AVX-512 register of fp32.
let grain = 16

/// The least multiple of `grain` that is `count` or more.
@inline(__always)
func wholeGrains(_ count: Int) -> Int { (count + grain - 1) & ~(grain - 1) }

/// Sixteen neighbouring elements in the type a rule computes in. Operators round each lane once; the one fused
/// operation has a name.
protocol Lanes {
    /// One of them.
    associatedtype Number: BinaryFloatingPoint, BitwiseCopyable, SIMDScalar where Number.SIMD4Storage: BitwiseCopyable
    /// The storage type that needs no conversion.
    static var native: ElementType { get }

    /// Every lane the same number, rounded once.
    init(_ number: Double)
    /// Two numbers that add up to one of at least 0, to twice the precision. Neither is negative, and neither is 0 unless
    /// the number is, so that an infinity times each is an infinity.
    static func parts(_ number: Double) -> (Self, Self)
    /// Reads the sixteen elements from `index` on of an array stored as `type`.
    init(_ type: ElementType, in array: UnsafeRawPointer, at index: Int)
    /// Writes them, rounded once.
    func store(_ type: ElementType, in array: UnsafeMutableRawPointer, at index: Int)

    static func + (a: Self, b: Self) -> Self
    static func - (a: Self, b: Self) -> Self
    static func * (a: Self, b: Self) -> Self
    static func / (a: Self, b: Self) -> Self
    func squareRoot() -> Self
    /// self + a * b, rounded once.
    func addingProduct(_ a: Self, _ b: Self) -> Self
    /// Each lane in fp64.
    var wide: SIMD16<Double> { get }
    /// Each lane times itself, in fp64: of fp32 exactly.
    var square: SIMD16<Double> { get }
    /// Without the sign.
    var magnitude: Self { get }
    /// The larger of both in each lane; NaN where either is NaN.
    func largest(_ other: Self) -> Self
    /// The smaller of both in each lane; NaN where either is NaN.
    func smallest(_ other: Self) -> Self
    /// Each lane, or the one of two bounds that it is beyond; NaN stays.
    func between(_ low: Self, _ high: Self) -> Self
    /// One of three in each lane, as this is over 0, under it, or neither: 0 or NaN.
    func bySign(over: Self, under: Self, neither: Self) -> Self
    /// One or the other, in all lanes.
    static func choose(_ isFirst: Choice<Self>, _ first: Self, _ second: Self) -> Self
    /// A mask that is the same in all lanes.
    associatedtype Mask
    static func mask(_ isSet: Bool) -> Mask
    /// `chosen` in the lanes where one of this and `other` is over 0 and one under it, else `rest`.
    func opposing(_ other: Self, _ chosen: Self, otherwise rest: Self) -> Self
}

/// A choice that is the same for all elements, between two ways of arithmetic that are both gone: a branch in a loop
/// costs more than the way that is not taken.
struct Choice<Value: Lanes> {
    let mask: Value.Mask

    @inline(__always)
    init(_ isFirst: Bool) { mask = Value.mask(isFirst) }
}

/// Sixteen elements in fp32.
struct FloatLanes: Lanes {
    typealias Number = Float

    var lanes: SIMD16<Float>

    @inline(__always)
    static var native: ElementType { .fp32 }

    @inline(__always)
    init(lanes: SIMD16<Float>) { self.lanes = lanes }

    @inline(__always)
    init(_ number: Double) { lanes = SIMD16(repeating: Float(number)) }

    @inline(__always)
    static func parts(_ number: Double) -> (Self, Self) {
        var high = Float(number)
        if high == 0 { return (Self(0), Self(number)) }
        if Double(high) >= number { high = Float(bitPattern: high.bitPattern - 1) }
        return (Self(Double(high)), Self(number - Double(high)))
    }

    @inline(__always)
    static func + (a: Self, b: Self) -> Self { Self(lanes: a.lanes + b.lanes) }

    @inline(__always)
    static func - (a: Self, b: Self) -> Self { Self(lanes: a.lanes - b.lanes) }

    @inline(__always)
    static func * (a: Self, b: Self) -> Self { Self(lanes: a.lanes * b.lanes) }

    @inline(__always)
    static func / (a: Self, b: Self) -> Self { Self(lanes: a.lanes / b.lanes) }

    @inline(__always)
    func squareRoot() -> Self { Self(lanes: lanes.squareRoot()) }

    @inline(__always)
    var wide: SIMD16<Double> { doubles(lanes) }

    @inline(__always)
    var square: SIMD16<Double> {
        let wide = wide
        return wide * wide
    }

    @inline(__always)
    var magnitude: Self {
        Self(lanes: unsafeBitCast(unsafeBitCast(lanes, to: SIMD16<UInt32>.self) & 0x7fff_ffff, to: SIMD16<Float>.self))
    }

    @inline(__always)
    func addingProduct(_ a: Self, _ b: Self) -> Self {
        #if MARTLET_FMA
            Self(lanes: lanes.addingProduct(a.lanes, b.lanes))
        #else
            Self(lanes: fused(lanes, a.lanes, b.lanes))
        #endif
    }

    @inline(__always)
    func largest(_ other: Self) -> Self {
        Self(lanes: lanes.replacing(with: other.lanes, where: (other.lanes .> lanes) .| (other.lanes .!= other.lanes)))
    }

    @inline(__always)
    func smallest(_ other: Self) -> Self {
        Self(lanes: lanes.replacing(with: other.lanes, where: (other.lanes .< lanes) .| (other.lanes .!= other.lanes)))
    }

    @inline(__always)
    func between(_ low: Self, _ high: Self) -> Self {
        Self(
            lanes: lanes.replacing(with: low.lanes, where: low.lanes .> lanes)
                .replacing(with: high.lanes, where: lanes .> high.lanes))
    }

    @inline(__always)
    func bySign(over: Self, under: Self, neither: Self) -> Self {
        Self(
            lanes: neither.lanes.replacing(with: over.lanes, where: lanes .> 0)
                .replacing(with: under.lanes, where: lanes .< 0))
    }

    @inline(__always)
    static func mask(_ isSet: Bool) -> SIMDMask<SIMD16<Int32>> { SIMDMask<SIMD16<Int32>>(repeating: isSet) }

    @inline(__always)
    static func choose(_ isFirst: Choice<Self>, _ first: Self, _ second: Self) -> Self {
        Self(lanes: second.lanes.replacing(with: first.lanes, where: isFirst.mask))
    }

    @inline(__always)
    func opposing(_ other: Self, _ chosen: Self, otherwise rest: Self) -> Self {
        let isOpposite = ((lanes .> 0) .& (other.lanes .< 0)) .| ((lanes .< 0) .& (other.lanes .> 0))
        return Self(lanes: rest.lanes.replacing(with: chosen.lanes, where: isOpposite))
    }
}

/// Sixteen elements in fp64.
struct DoubleLanes: Lanes {
    typealias Number = Double

    var lanes: SIMD16<Double>

    @inline(__always)
    static var native: ElementType { .fp64 }

    @inline(__always)
    init(lanes: SIMD16<Double>) { self.lanes = lanes }

    @inline(__always)
    init(_ number: Double) { lanes = SIMD16(repeating: number) }

    @inline(__always)
    static func parts(_ number: Double) -> (Self, Self) {
        if number == 0 { return (Self(0), Self(0)) }
        let high = Double(bitPattern: number.bitPattern - 1)
        return (Self(high), Self(number - high))
    }

    @inline(__always)
    static func + (a: Self, b: Self) -> Self { Self(lanes: a.lanes + b.lanes) }

    @inline(__always)
    static func - (a: Self, b: Self) -> Self { Self(lanes: a.lanes - b.lanes) }

    @inline(__always)
    static func * (a: Self, b: Self) -> Self { Self(lanes: a.lanes * b.lanes) }

    @inline(__always)
    static func / (a: Self, b: Self) -> Self { Self(lanes: a.lanes / b.lanes) }

    @inline(__always)
    func squareRoot() -> Self { Self(lanes: lanes.squareRoot()) }

    @inline(__always)
    var wide: SIMD16<Double> { lanes }

    @inline(__always)
    var square: SIMD16<Double> { lanes * lanes }

    @inline(__always)
    var magnitude: Self {
        let bits = unsafeBitCast(lanes, to: SIMD16<UInt64>.self) & 0x7fff_ffff_ffff_ffff
        return Self(lanes: unsafeBitCast(bits, to: SIMD16<Double>.self))
    }

    @inline(__always)
    func addingProduct(_ a: Self, _ b: Self) -> Self {
        #if MARTLET_FMA
            Self(lanes: lanes.addingProduct(a.lanes, b.lanes))
        #else
            Self(lanes: fused(lanes, a.lanes, b.lanes))
        #endif
    }

    @inline(__always)
    func largest(_ other: Self) -> Self {
        Self(lanes: lanes.replacing(with: other.lanes, where: (other.lanes .> lanes) .| (other.lanes .!= other.lanes)))
    }

    @inline(__always)
    func smallest(_ other: Self) -> Self {
        Self(lanes: lanes.replacing(with: other.lanes, where: (other.lanes .< lanes) .| (other.lanes .!= other.lanes)))
    }

    @inline(__always)
    func between(_ low: Self, _ high: Self) -> Self {
        Self(
            lanes: lanes.replacing(with: low.lanes, where: low.lanes .> lanes)
                .replacing(with: high.lanes, where: lanes .> high.lanes))
    }

    @inline(__always)
    func bySign(over: Self, under: Self, neither: Self) -> Self {
        Self(
            lanes: neither.lanes.replacing(with: over.lanes, where: lanes .> 0)
                .replacing(with: under.lanes, where: lanes .< 0))
    }

    @inline(__always)
    static func mask(_ isSet: Bool) -> SIMDMask<SIMD16<Int64>> { SIMDMask<SIMD16<Int64>>(repeating: isSet) }

    @inline(__always)
    static func choose(_ isFirst: Choice<Self>, _ first: Self, _ second: Self) -> Self {
        Self(lanes: second.lanes.replacing(with: first.lanes, where: isFirst.mask))
    }

    @inline(__always)
    func opposing(_ other: Self, _ chosen: Self, otherwise rest: Self) -> Self {
        let isOpposite = ((lanes .> 0) .& (other.lanes .< 0)) .| ((lanes .< 0) .& (other.lanes .> 0))
        return Self(lanes: rest.lanes.replacing(with: chosen.lanes, where: isOpposite))
    }
}

#if !MARTLET_FMA

    /// sum + a * b rounded once, where the processor has no instruction for it. The product is exact in fp64, and so the
    /// sum is rounded there and again to fp32. The second rounding goes wrong only where the first lands halfway between
    /// two numbers of fp32; such lanes, and those under its normal range, are rare and take a longer way. A function of its
    /// own, since it would be most of the code of every loop.
    @inline(never)
    private func fused(_ sum: SIMD16<Float>, _ a: SIMD16<Float>, _ b: SIMD16<Float>) -> SIMD16<Float> {
        let low = wide(sum.lowHalf) + wide(a.lowHalf) * wide(b.lowHalf)
        let high = wide(sum.highHalf) + wide(a.highHalf) * wide(b.highHalf)
        let doubts = doubt(low) | doubt(high)
        let four = doubts.lowHalf | doubts.highHalf
        let two = four.lowHalf | four.highHalf
        if Int64(bitPattern: two.x | two.y) < 0 { return fusedToOdd(sum, a, b) }
        return SIMD16(lowHalf: narrow(low), highHalf: narrow(high))
    }

    /// The sign bit is set in lanes that lie halfway between two numbers of fp32, or under its normal range. Differences
    /// stand for comparisons, which the standard library makes loops over lanes for integers.
    @inline(__always)
    private func doubt(_ number: SIMD8<Double>) -> SIMD8<UInt64> {
        let bits = unsafeBitCast(number, to: SIMD8<UInt64>.self)
        let isHalfway = ((bits & 0x1FFF_FFFF) ^ 0x1000_0000) &- 1
        let isSmall = (bits & 0x7FFF_FFFF_FFFF_FFFF) &- (897 << 52)
        return isHalfway | isSmall
    }

    /// The same for any numbers: the sum is rounded to odd in fp64, which is to say that where it is inexact and even, it
    /// moves by one place towards the exact one. Then rounding to fp32 is the only rounding that counts (Boldo and
    /// Melquiond: Emulation of FMA and correctly rounded sums, 2008).
    @inline(never)
    private func fusedToOdd(_ sum: SIMD16<Float>, _ a: SIMD16<Float>, _ b: SIMD16<Float>) -> SIMD16<Float> {
        SIMD16(
            lowHalf: fusedToOdd(sum.lowHalf, a.lowHalf, b.lowHalf),
            highHalf: fusedToOdd(sum.highHalf, a.highHalf, b.highHalf))
    }

    @inline(__always)
    private func fusedToOdd(_ sum: SIMD8<Float>, _ a: SIMD8<Float>, _ b: SIMD8<Float>) -> SIMD8<Float> {
        let start = wide(sum)
        let product = wide(a) * wide(b)
        let nearest = start + product
        let back = nearest - start
        let error = (start - (nearest - back)) + (product - back)
        let bits = unsafeBitCast(nearest, to: SIMD8<UInt64>.self)
        let one = SIMD8<UInt64>(repeating: 1)
        // Away from zero where error and sum have one sign, else towards it; not at all where the last bit is set.
        let differs = (unsafeBitCast(error, to: SIMD8<UInt64>.self) ^ bits) &>> 63
        let step = (one &- (differs &+ differs)) & ((bits & one) &- one)
        let isInexact = (error .< 0) .| (error .> 0)
        let chosen = bits &+ SIMD8<UInt64>(repeating: 0).replacing(with: step, where: isInexact)
        return narrow(unsafeBitCast(chosen, to: SIMD8<Double>.self))
    }

    /// The same in fp64, by a call of the C library for each lane: slow, and the same bits.
    @inline(never)
    private func fused(_ sum: SIMD16<Double>, _ a: SIMD16<Double>, _ b: SIMD16<Double>) -> SIMD16<Double> {
        var result = sum
        for lane in 0..<grain { result[lane] = fused(sum[lane], a[lane], b[lane]) }
        return result
    }

    /// sum + a * b rounded once, in fp64. The C library's function works with pieces of the numbers, of which the least
    /// are lost while small numbers count as zero. So a result that is small is worked out again from larger numbers,
    /// and that counts unless it is below the normal range, too, where the mode decides.
    @inline(never)
    private func fused(_ sum: Double, _ a: Double, _ b: Double) -> Double {
        let direct = sum.addingProduct(a, b)
        guard direct.magnitude < 0x1p-800 && sum.magnitude < 0x1p-600 else { return direct }
        let (less, more) = a.magnitude < b.magnitude ? (a, b) : (b, a)
        let scaled = (sum * 0x1p400).addingProduct(less * 0x1p400, more) * 0x1p-400
        let leastNormal = Double.leastNormalMagnitude
        return direct.magnitude < leastNormal && scaled.magnitude < leastNormal ? direct : scaled
    }

    // Lane by lane, since the standard library's conversions may become functions of their own; these become vectors.

    @inline(__always)
    private func wide(_ x: SIMD8<Float>) -> SIMD8<Double> {
        SIMD8(
            Double(x[0]), Double(x[1]), Double(x[2]), Double(x[3]), Double(x[4]), Double(x[5]), Double(x[6]),
            Double(x[7]))
    }

    @inline(__always)
    private func narrow(_ x: SIMD8<Double>) -> SIMD8<Float> {
        SIMD8(Float(x[0]), Float(x[1]), Float(x[2]), Float(x[3]), Float(x[4]), Float(x[5]), Float(x[6]), Float(x[7]))
    }

#endif
