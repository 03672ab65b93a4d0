// Lanes: a fixed number of neighbouring elements, computed on together. This is the only file of the kernels that
// touches memory: every load and store of every loop is one of the functions below.
// No arithmetic beyond one operator or rounding each, no storage types (Codecs.swift), no equations.

import MartletKernelInterface

/// Elements by which runs are cut: the widest lanes, so that no lanes ever stand across a cut.
let grain = 16

/// Neighbouring elements in the type a rule computes in. Operators round each lane once; none are fused.
protocol Lanes {
    /// Lanes in one value; divides `grain`.
    static var width: Int { get }

    /// Every lane the same number, rounded once.
    init(_ number: Double)
    /// Reads `width` elements; the address need only be one that an element may have.
    init(from address: UnsafeRawPointer)
    func store(to address: UnsafeMutableRawPointer)

    static func + (a: Self, b: Self) -> Self
    static func - (a: Self, b: Self) -> Self
    static func * (a: Self, b: Self) -> Self
    static func / (a: Self, b: Self) -> Self
    func squareRoot() -> Self
    /// The larger of both in each lane; NaN where either is NaN.
    func largest(_ other: Self) -> Self

    /// Whether elements stored as `type` are computed on where they are.
    static func isInPlace(_ type: ElementType) -> Bool
    /// Turns `count` stored elements, a multiple of `grain`, into elements of the type computed in.
    static func decode(_ type: ElementType, from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int)
    /// The way back: rounds each element once to the storage type.
    static func encode(_ type: ElementType, from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int)
}

extension Lanes {
    /// Bytes in one value.
    @inline(__always)
    static var bytes: Int { MemoryLayout<Self>.size }
}

/// Sixteen elements in fp32.
struct FloatLanes: Lanes {
    var lanes: SIMD16<Float>

    @inline(__always)
    static var width: Int { 16 }

    @inline(__always)
    init(lanes: SIMD16<Float>) { self.lanes = lanes }

    @inline(__always)
    init(_ number: Double) { lanes = SIMD16(repeating: Float(number)) }

    @inline(__always)
    init(from address: UnsafeRawPointer) { lanes = read(address) }

    @inline(__always)
    func store(to address: UnsafeMutableRawPointer) { write(lanes, to: address) }

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

/// Eight elements in fp64.
struct DoubleLanes: Lanes {
    var lanes: SIMD8<Double>

    @inline(__always)
    static var width: Int { 8 }

    @inline(__always)
    init(lanes: SIMD8<Double>) { self.lanes = lanes }

    @inline(__always)
    init(_ number: Double) { lanes = SIMD8(repeating: number) }

    @inline(__always)
    init(from address: UnsafeRawPointer) { lanes = read(address) }

    @inline(__always)
    func store(to address: UnsafeMutableRawPointer) { write(lanes, to: address) }

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

/// Reads a value from an address of any alignment.
@inline(__always)
func read<Value: BitwiseCopyable>(_ address: UnsafeRawPointer) -> Value {
    address.loadUnaligned(as: Value.self)
}

/// Writes a value to an address of any alignment.
@inline(__always)
func write<Value: BitwiseCopyable>(_ value: Value, to address: UnsafeMutableRawPointer) {
    address.storeBytes(of: value, as: Value.self)
}

/// Copies bytes between places that do not overlap.
@inline(__always)
func copy(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, bytes: Int) {
    target.copyMemory(from: source, byteCount: bytes)
}

/// Memory on the stack, aligned to 64 bytes: a block of padding, then one for each of six arrays. It is `lines` times
/// 64 bytes, a multiple of seven. Swift clears it first, so short runs take a small one.
struct Scratch<let lines: Int> {
    /// Bytes in each block.
    @inline(__always)
    static var blockBytes: Int { lines / 7 * 64 }

    private var memory = InlineArray<lines, SIMD16<Float>>(repeating: .zero)

    @inline(__always)
    init() {}

    @inline(__always)
    mutating func withAddress(_ body: (UnsafeMutableRawPointer) -> Void) {
        withUnsafeMutablePointer(to: &memory) { body(UnsafeMutableRawPointer($0)) }
    }
}

/// Room for a grain of each array in the widest type.
typealias GrainScratch = Scratch<14>

/// Room for 512 elements of each array in fp32, 256 in fp64: long enough to hide the cost of changing from one loop to
/// the next, and together well inside the first-level cache.
typealias BlockScratch = Scratch<224>
