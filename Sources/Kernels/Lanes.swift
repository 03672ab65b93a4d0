// Lanes: sixteen neighbouring elements, computed on together. This is the only file of the kernels that touches memory:
// every load and store of every loop is one of the functions below.
// No arithmetic beyond one operator and one rounding each, no storage types (Codecs.swift), no equations.

import MartletKernelInterface

/// Elements in one value of any lanes: one AVX-512 register of fp32.
let grain = 16

/// Sixteen neighbouring elements in the type a rule computes in. Operators round each lane once; none are fused.
protocol Lanes {
    /// The storage type that needs no conversion.
    static var native: ElementType { get }

    /// Every lane the same number, rounded once.
    init(_ number: Double)
    /// Reads the sixteen elements from `index` on of an array stored as `type`.
    init(_ type: ElementType, in array: UnsafeRawPointer, at index: Int)
    /// Writes them, rounded once.
    func store(_ type: ElementType, in array: UnsafeMutableRawPointer, at index: Int)

    static func + (a: Self, b: Self) -> Self
    static func - (a: Self, b: Self) -> Self
    static func * (a: Self, b: Self) -> Self
    static func / (a: Self, b: Self) -> Self
    func squareRoot() -> Self
    /// The larger of both in each lane; NaN where either is NaN.
    func largest(_ other: Self) -> Self
}

/// Sixteen elements in fp32.
struct FloatLanes: Lanes {
    var lanes: SIMD16<Float>

    @inline(__always)
    static var native: ElementType { .fp32 }

    @inline(__always)
    init(lanes: SIMD16<Float>) { self.lanes = lanes }

    @inline(__always)
    init(_ number: Double) { lanes = SIMD16(repeating: Float(number)) }

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
    func largest(_ other: Self) -> Self {
        Self(lanes: lanes.replacing(with: other.lanes, where: (other.lanes .> lanes) .| (other.lanes .!= other.lanes)))
    }
}

/// Sixteen elements in fp64.
struct DoubleLanes: Lanes {
    var lanes: SIMD16<Double>

    @inline(__always)
    static var native: ElementType { .fp64 }

    @inline(__always)
    init(lanes: SIMD16<Double>) { self.lanes = lanes }

    @inline(__always)
    init(_ number: Double) { lanes = SIMD16(repeating: number) }

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
    func largest(_ other: Self) -> Self {
        Self(lanes: lanes.replacing(with: other.lanes, where: (other.lanes .> lanes) .| (other.lanes .!= other.lanes)))
    }
}

// MARK: - Memory

/// Reads sixteen numbers from an address of any alignment.
@inline(__always)
func read<Scalar: SIMDScalar>(_ address: UnsafeRawPointer) -> SIMD16<Scalar> {
    address.loadUnaligned(as: SIMD16<Scalar>.self)
}

/// Writes sixteen numbers to an address of any alignment.
@inline(__always)
func write<Scalar: SIMDScalar>(_ numbers: SIMD16<Scalar>, to address: UnsafeMutableRawPointer) {
    address.storeBytes(of: numbers, as: SIMD16<Scalar>.self)
}

/// Copies bytes between places that do not overlap.
@inline(__always)
func copy(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, bytes: Int) {
    target.copyMemory(from: source, byteCount: bytes)
}

/// What a pointer that came through the table points at.
@inline(__always)
func value<Value>(at address: UnsafeRawPointer) -> Value {
    address.assumingMemoryBound(to: Value.self).pointee
}

/// Memory on the stack for sixteen elements of each of six arrays, as wide as they come.
struct GrainScratch {
    /// Bytes for one array.
    @inline(__always)
    static var stride: Int { 128 }

    private var memory = InlineArray<12, SIMD16<Float>>(repeating: .zero)

    @inline(__always)
    init() {}

    @inline(__always)
    mutating func withAddress(_ body: (UnsafeMutableRawPointer) -> Void) {
        withUnsafeMutablePointer(to: &memory) { body(UnsafeMutableRawPointer($0)) }
    }
}
