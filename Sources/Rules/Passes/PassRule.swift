// What a pass over the elements says of itself: what it reads, writes and sums, and what it makes of sixteen elements.
// No memory (PassWalk.swift, PassBlock.swift), no equation (Adafactor.swift, LAMB.swift and their like).

import MartletKernelInterface

/// The elements that a pass sees at one place, and what it makes of them.
struct PassPlace<Value: Lanes> {
    /// The value, to be replaced by passes that write it.
    var value: Value
    let gradient: Value
    /// The slots of elements that the pass has, in their order; the others hold 0.
    var first: Value
    var second: Value
    var third: Value
    var fourth: Value
    /// What earlier passes make it be multiplied by, or what this one leaves for it.
    var factor: Value
    /// What is added up by row and by column.
    var square = SIMD16<Double>.zero
    /// What is added up over all elements.
    var sums = (SIMD16<Double>.zero, SIMD16<Double>.zero)
}

/// A pass over the elements; a value of a conforming type holds one step's coefficients as lanes.
protocol PassRule {
    associatedtype Value: Lanes
    associatedtype Coefficients: BitwiseCopyable

    init(_ coefficients: Coefficients, _ terms: AnyTerms<Value>)
    static var readsGradient: Bool { get }
    static var readsValue: Bool { get }
    static var writesValue: Bool { get }
    /// State slots that are read, the first ones, and how many of those are written, again the first. With factors or sums
    /// by row they are two at most.
    static var slotCount: Int { get }
    var writtenSlots: Int { get }
    /// Whether it adds up by row and by column, or by row alone.
    static var sumsGrid: Bool { get }
    static var sumsRows: Bool { get }
    /// How many sums over all elements it has.
    static var sumCount: Int { get }
    /// Whether it takes what earlier passes left for rows and columns, or what became of the rows' sums alone.
    static var usesFactors: Bool { get }
    static var usesRows: Bool { get }
    /// Whether it leaves a number for each element, in the type computed in, where others have the sums of columns.
    static var leavesFactors: Bool { get }
    /// What the rows' numbers are multiplied by.
    var rowScale: Double { get }
    func update(_ place: inout PassPlace<Value>)
}

extension PassRule {
    @inline(__always)
    static var readsGradient: Bool { true }
    @inline(__always)
    static var writesValue: Bool { false }
    @inline(__always)
    static var slotCount: Int { 0 }
    @inline(__always)
    var writtenSlots: Int { Self.slotCount }
    @inline(__always)
    static var sumsGrid: Bool { false }
    @inline(__always)
    static var sumsRows: Bool { sumsGrid }
    @inline(__always)
    static var sumCount: Int { 0 }
    @inline(__always)
    static var usesFactors: Bool { false }
    @inline(__always)
    static var usesRows: Bool { false }
    @inline(__always)
    static var leavesFactors: Bool { false }
    @inline(__always)
    var rowScale: Double { 1 }
}

/// A pass that moves the value by what earlier passes left in the slots, or as factors, and writes nothing else.
protocol ValueUpdate: PassRule {}

extension ValueUpdate {
    @inline(__always)
    static var readsGradient: Bool { false }
    @inline(__always)
    static var readsValue: Bool { true }
    @inline(__always)
    static var writesValue: Bool { true }
    @inline(__always)
    var writtenSlots: Int { 0 }
}

/// A pass over what an earlier one, or work on matrices, has left for each element, and the slots: it sees no gradient, and
/// no value unless it says so.
protocol FactorPass: PassRule {}

extension FactorPass {
    @inline(__always)
    static var readsGradient: Bool { false }
    @inline(__always)
    static var readsValue: Bool { false }
    @inline(__always)
    static var usesFactors: Bool { true }
}
