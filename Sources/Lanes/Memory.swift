// How kernels touch arrays, and the only file of theirs that does: every load and store of a number is one of the functions
// below. Addresses may have any alignment.

import CMachine
import MartletKernelInterface

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

/// The same of eight bytes.
@inline(__always)
func readEight(_ address: UnsafeRawPointer) -> SIMD8<UInt8> { address.loadUnaligned(as: SIMD8<UInt8>.self) }

@inline(__always)
func writeEight(_ bytes: SIMD8<UInt8>, to address: UnsafeMutableRawPointer) {
    address.storeBytes(of: bytes, as: SIMD8<UInt8>.self)
}

/// Asks for the memory that a loop over an array will come to soon, so many bytes on: the processor's own prefetcher starts
/// anew at every page of every array. Address and memory may be anything.
@inline(__always)
func prefetch(
    _ type: ElementType, in array: UnsafeRawPointer, at index: Int, count: Int = grain, bytesAhead: Int = 1024
) {
    let ahead = array + index * type.size + bytesAhead
    var line = 0
    while line < count * type.size {
        machine_prefetch(ahead + line)
        line += 64
    }
}

/// Copies bytes between places that do not overlap.
@inline(__always)
func copy(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, bytes: Int) {
    target.copyMemory(from: source, byteCount: bytes)
}

/// What an untyped pointer, as kernels are handed them, points at.
@inline(__always)
func value<Value>(at address: UnsafeRawPointer) -> Value {
    address.assumingMemoryBound(to: Value.self).pointee
}

/// Asks for one cache line.
@inline(__always)
func fetch(_ address: UnsafeRawPointer) { machine_prefetch(address) }

/// The address itself, which the compiler cannot know to be another one's neighbour.
@inline(__always)
func opaque(_ address: UnsafeRawPointer) -> UnsafeRawPointer {
    UnsafeRawPointer(bitPattern: machine_opaque(UInt(bitPattern: address))).unsafelyUnwrapped
}

/// One number, at an address of any alignment.
@inline(__always)
func number(_ address: UnsafeRawPointer) -> Float { address.loadUnaligned(as: Float.self) }

/// Copies numbers between places that do not overlap.
@inline(never)
func copyNumbers(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int) {
    var place = 0
    while place + grain <= count {
        write(read(source + place * 4) as SIMD16<Float>, to: target + place * 4)
        place += grain
    }
    copyFew(count - place, source + place * 4, to: target + place * 4)
}

/// Makes numbers zeros.
@inline(never)
func clearNumbers(_ target: UnsafeMutableRawPointer, count: Int) {
    var place = 0
    while place + grain <= count {
        write(SIMD16<Float>(), to: target + place * 4)
        place += grain
    }
    while place < count {
        (target + place * 4).storeBytes(of: 0, as: Float.self)
        place += 1
    }
}

/// Makes bytes zeros.
@inline(__always)
func clear(_ target: UnsafeMutableRawPointer, bytes: Int) {
    target.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
}

/// Makes numbers of fp64 zeros, up to the next multiple of sixteen.
@inline(__always)
func clearDoubles(_ target: UnsafeMutableRawPointer, count: Int) {
    var place = 0
    while place < count {
        write(SIMD16<Double>(), to: target + place * 8)
        place += grain
    }
}

/// A run's operands, one behind the other: an element of an InlineArray by an unknown number is a copy of the whole.
@inline(__always)
func operands(of run: UnsafePointer<Run>) -> UnsafePointer<Operand> {
    UnsafeRawPointer(run).assumingMemoryBound(to: Operand.self)
}

@inline(__always)
func operands(of run: UnsafeMutablePointer<Run>) -> UnsafeMutablePointer<Operand> {
    UnsafeMutableRawPointer(run).assumingMemoryBound(to: Operand.self)
}

@inline(__always)
func operands(of arrays: UnsafeMutablePointer<InlineArray<6, Operand>>) -> UnsafeMutablePointer<Operand> {
    UnsafeMutableRawPointer(arrays).assumingMemoryBound(to: Operand.self)
}

/// Calls `body` with the address of a value on the stack.
@inline(__always)
func withAddress<Value: BitwiseCopyable>(of value: Value, _ body: (UnsafePointer<Value>) -> Void) {
    withUnsafePointer(to: value) { body($0) }
}

// MARK: - Fewer than sixteen

/// Copies fewer than sixteen words, in up to four moves. A function of its own, which is handed no lanes: those would
/// come in registers of four.
@inline(never)
private func copyFew(_ count: Int, _ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer) {
    var place = 0
    if count & 8 != 0 {
        target.storeBytes(of: source.loadUnaligned(as: SIMD8<UInt32>.self), as: SIMD8<UInt32>.self)
        place = 32
    }
    if count & 4 != 0 {
        let four = (source + place).loadUnaligned(as: SIMD4<UInt32>.self)
        (target + place).storeBytes(of: four, as: SIMD4<UInt32>.self)
        place += 16
    }
    if count & 2 != 0 {
        let two = (source + place).loadUnaligned(as: UInt64.self)
        (target + place).storeBytes(of: two, as: UInt64.self)
        place += 8
    }
    if count & 1 != 0 {
        let one = (source + place).loadUnaligned(as: UInt32.self)
        (target + place).storeBytes(of: one, as: UInt32.self)
    }
}

/// Fewer than sixteen elements; the other lanes are 0.
@_transparent
private func loadFew(_ count: Int, _ address: UnsafePointer<Float>) -> Floats {
    var lanes = Floats.zero
    withUnsafeMutablePointer(to: &lanes) { copyFew(count, address, to: $0) }
    return lanes
}

/// The first `count` of sixteen elements; the other lanes are 0.
@_transparent
func load(_ count: Int, _ address: UnsafePointer<Float>) -> Floats {
    count >= grain ? read(address) : loadFew(count, address)
}

/// The same where `left` elements of the array follow: short rows are read together with what comes behind them, which
/// is faster than piece by piece.
@_transparent
func load(_ count: Int, _ address: UnsafePointer<Float>, left: Int) -> Floats {
    left >= grain ? keep(count, read(address), otherwise: 0) : loadFew(count, address)
}

/// Writes the first `count` lanes and touches nothing else.
@_transparent
func store(_ count: Int, _ lanes: Floats, to address: UnsafeMutablePointer<Float>) {
    if count >= grain {
        write(lanes, to: address)
    } else {
        withUnsafePointer(to: lanes) { copyFew(count, $0, to: address) }
    }
}

/// The same for integers.
@_transparent
func load(_ count: Int, _ address: UnsafePointer<Int32>) -> SIMD16<Int32> {
    let numbers = UnsafeRawPointer(address).assumingMemoryBound(to: Float.self)
    return unsafeBitCast(load(count, numbers), to: SIMD16<Int32>.self)
}

@_transparent
func store(_ count: Int, _ lanes: SIMD16<Int32>, to address: UnsafeMutablePointer<Int32>) {
    let numbers = UnsafeMutableRawPointer(address).assumingMemoryBound(to: Float.self)
    store(count, unsafeBitCast(lanes, to: Floats.self), to: numbers)
}

/// Writes one number of any kind.
@_transparent
func put<Value: BitwiseCopyable>(_ value: Value, at address: UnsafeMutableRawPointer) {
    address.storeBytes(of: value, as: Value.self)
}
