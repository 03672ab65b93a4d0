// Memory on the stack, in which loops keep blocks of arrays. Its addresses are of Memory.swift's kind.

import MartletKernelInterface

/// Memory on the stack for sixteen elements of each of six arrays, as wide as they come.
struct GrainScratch {
    /// Bytes for one array.
    @inline(__always)
    static var stride: Int { 128 }

    // Written out: `repeating:` may become a function of its own.
    private var memory: InlineArray<12, SIMD16<Float>> = [
        .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero,
    ]

    @inline(__always)
    init() {}

    @inline(__always)
    mutating func withAddress(_ body: (UnsafeMutableRawPointer) -> Void) {
        withUnsafeMutablePointer(to: &memory) { body(UnsafeMutableRawPointer($0)) }
    }
}

/// Memory on the stack for a grain of one array, stored as two types.
struct GrainPair {
    /// Bytes for one of them.
    @inline(__always)
    static var stride: Int { 128 }

    private var memory: InlineArray<2, SIMD16<Double>> = [.zero, .zero]

    @inline(__always)
    init() {}

    @inline(__always)
    mutating func withAddress(_ body: (UnsafeMutableRawPointer) -> Void) {
        withUnsafeMutablePointer(to: &memory) { body(UnsafeMutableRawPointer($0)) }
    }
}

/// Memory on the stack for the draws of 64 elements, from a cache line's beginning on.
struct DrawScratch {
    private var memory: InlineArray<3, SIMD16<Float>> = [.zero, .zero, .zero]

    @inline(__always)
    init() {}

    @inline(__always)
    mutating func withAddress(_ body: (UnsafeMutableRawPointer) -> Void) {
        withUnsafeMutablePointer(to: &self) { body(lineStart($0)) }
    }
}

/// Memory on the stack for two blocks of codes of two arrays, as numbers, from a cache line's beginning on.
struct CodeScratch {
    private var memory: InlineArray<4, InlineArray<16, SIMD16<Float>>> = [block, block, block, block]
    private var more = SIMD16<Float>.zero

    private static var block: InlineArray<16, SIMD16<Float>> {
        @inline(__always) get {
            [
                .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero,
                .zero,
            ]
        }
    }

    @inline(__always)
    init() {}

    @inline(__always)
    mutating func withAddress(_ body: (UnsafeMutableRawPointer) -> Void) {
        withUnsafeMutablePointer(to: &self) { body(lineStart($0)) }
    }
}

/// Memory on the stack for as much of arrays that are converted as fits, from a cache line's beginning on.
struct ConversionScratch {
    // Written out: `repeating:` may become a function of its own.
    private var memory: InlineArray<10, SIMD16<Double>> = [
        .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero,
    ]

    @inline(__always)
    static var byteCount: Int { MemoryLayout<InlineArray<10, SIMD16<Double>>>.size }

    private var more = SIMD16<Float>.zero

    @inline(__always)
    init() {}

    @inline(__always)
    mutating func withAddress(_ body: (UnsafeMutableRawPointer) -> Void) {
        withUnsafeMutablePointer(to: &self) { body(lineStart($0)) }
    }
}

/// Memory on the stack for four arrays of numbers of a block of a pass, with room for sixteen more behind each, from a
/// cache line's beginning on.
struct PassScratch {
    /// Bytes for one array: 480 numbers of fp64.
    @inline(__always)
    static var stride: Int { 480 * 8 }

    private var memory: InlineArray<12, Third> = [
        zeros, zeros, zeros, zeros, zeros, zeros, zeros, zeros, zeros, zeros, zeros, zeros,
    ]
    private var more = SIMD16<Float>.zero

    @inline(__always)
    init() {}

    @inline(__always)
    mutating func withAddress(_ body: (UnsafeMutableRawPointer) -> Void) {
        withUnsafeMutablePointer(to: &self) { body(lineStart($0)) }
    }
}

/// The same for two arrays.
struct RowScratch {
    private var memory: InlineArray<6, Third> = [zeros, zeros, zeros, zeros, zeros, zeros]
    private var more = SIMD16<Float>.zero

    @inline(__always)
    init() {}

    @inline(__always)
    mutating func withAddress(_ body: (UnsafeMutableRawPointer) -> Void) {
        withUnsafeMutablePointer(to: &self) { body(lineStart($0)) }
    }
}

/// 160 numbers.
private typealias Third = InlineArray<10, SIMD16<Double>>
private var zeros: Third {
    @inline(__always) get { [.zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero, .zero] }
}

/// The first beginning of a cache line from an address on: a vector of that size that lies across two is two accesses,
/// and the stack is aligned to sixteen bytes.
@inline(__always)
private func lineStart(_ address: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
    address + (-Int(bitPattern: address) & 63)
}
