// The walk of a rule over one run of elements: load sixteen of each array, decoded, run the rule, store, encoded. One
// pass through memory. Runs whose arrays are all in the type computed in have a loop of their own, without decisions.
// No equation (one file for each rule), no storage types (Codecs.swift), no threads, no floating-point mode.

import MartletKernelInterface

/// The elements that a rule sees at one place of a run. Slots it does not use are not loaded or stored.
struct Place<Value: Lanes> {
    var value: Value
    var gradient: Value
    var first: Value
    var second: Value
    var third: Value
    var fourth: Value
}

/// An element-wise update; a value of a conforming type holds one step's coefficients as lanes.
protocol UpdateRule {
    associatedtype Value: Lanes
    associatedtype Coefficients

    /// Rounds each coefficient once to the type computed in.
    init(_ coefficients: Coefficients)
    /// State slots that are read and written.
    static var slotCount: Int { get }
    /// One step: replaces the value and the slots in use.
    func update(_ place: inout Place<Value>)
}

/// A choice made outside the loop, as a type.
protocol Switch {
    static var isOn: Bool { get }
}

enum On: Switch {
    @inline(__always)
    static var isOn: Bool { true }
}

enum Off: Switch {
    @inline(__always)
    static var isOn: Bool { false }
}

/// Arrays of a run, as in `Operands`: value, gradient (the one that is only read), state slots.
private typealias Arrays = InlineArray<6, Operand>
private let gradientPlace = 1

@inline(__always)
private func arrayCount<Rule: UpdateRule>(_ rule: Rule.Type) -> Int { 2 + Rule.slotCount }

/// Runs a rule over every element.
@inline(__always)
func sweep<Rule: UpdateRule>(_ rule: Rule.Type, _ coefficients: Rule.Coefficients, _ operands: Operands) {
    var isNative = true
    for place in 0..<arrayCount(rule) where !isSame(operands.arrays[place].type, Rule.Value.native) { isNative = false }
    if isNative {
        walk(rule, On.self, coefficients, operands)
    } else {
        walk(rule, Off.self, coefficients, operands)
    }
}

@inline(__always)
private func walk<Rule: UpdateRule, IsNative: Switch>(
    _ rule: Rule.Type, _ isNative: IsNative.Type, _ coefficients: Rule.Coefficients, _ operands: Operands
) {
    let rest = operands.count & (grain - 1)
    let whole = operands.count - rest
    if whole > 0 { loop(rule, isNative, coefficients, operands.arrays, count: whole) }
    if rest > 0 {
        // The last few elements stand among padding, so that the same vector code gives the same bits.
        var scratch = GrainScratch()
        scratch.withAddress { scratch in
            var padded = operands.arrays
            for place in 0..<arrayCount(rule) {
                let size = padded[place].type.size
                padded[place].base = scratch + place * GrainScratch.stride
                copy(operands.arrays[place].base + whole * size, to: padded[place].base, bytes: rest * size)
            }
            loop(rule, isNative, coefficients, padded, count: grain)
            for place in 0..<arrayCount(rule) where place != gradientPlace {
                let size = padded[place].type.size
                copy(padded[place].base, to: operands.arrays[place].base + whole * size, bytes: rest * size)
            }
        }
    }
}

/// The rule on a whole number of grains.
@inline(never)
private func loop<Rule: UpdateRule, IsNative: Switch>(
    _ type: Rule.Type, _ isNative: IsNative.Type, _ coefficients: Rule.Coefficients, _ arrays: Arrays, count: Int
) {
    typealias Value = Rule.Value

    @inline(__always)
    func type(_ place: Int) -> ElementType { IsNative.isOn ? Value.native : arrays[place].type }
    @inline(__always)
    func load(_ place: Int, _ index: Int) -> Value {
        place < arrayCount(Rule.self) ? Value(type(place), in: arrays[place].base, at: index) : Value(0)
    }
    @inline(__always)
    func store(_ value: Value, _ place: Int, _ index: Int) {
        if place < arrayCount(Rule.self) { value.store(type(place), in: arrays[place].base, at: index) }
    }

    let rule = Rule(coefficients)
    var index = 0
    while index < count {
        for place in 0..<arrayCount(Rule.self) { prefetch(type(place), in: arrays[place].base, at: index) }
        var place = Place(
            value: load(0, index), gradient: load(1, index),
            first: load(2, index), second: load(3, index), third: load(4, index), fourth: load(5, index))
        rule.update(&place)
        store(place.value, 0, index)
        store(place.first, 2, index)
        store(place.second, 3, index)
        store(place.third, 4, index)
        store(place.fourth, 5, index)
        index += grain
    }
}

/// Whether two types are the same: `==` would be a generic function of the standard library.
@inline(__always)
private func isSame(_ a: ElementType, _ b: ElementType) -> Bool {
    switch (a, b) {
    case (.fp64, .fp64), (.fp32, .fp32), (.bf16, .bf16), (.fp16, .fp16): true
    default: false
    }
}
