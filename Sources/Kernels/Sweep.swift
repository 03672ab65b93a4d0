// The walk of a rule over one run of elements. Arrays stored in the type computed in are used where they are; the
// others pass through blocks on the stack: decode, run the rule, encode. One pass through memory.
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

/// The place of the gradient, the one array that is only read, in `Operands`.
private let gradientPlace = 1

/// Addresses of the arrays of a run, in the order of `Operands`.
private typealias Addresses = InlineArray<6, UnsafeMutableRawPointer>

/// Runs a rule over every element.
@inline(__always)
func sweep<Rule: UpdateRule>(_ type: Rule.Type, _ coefficients: Rule.Coefficients, _ operands: Operands) {
    if isInPlace(type, operands) {
        var scratch = GrainScratch()
        walk(type, coefficients, operands, block: .max, &scratch)
    } else if operands.count <= grain {
        var scratch = GrainScratch()
        walk(type, coefficients, operands, block: grain, &scratch)
    } else {
        var scratch = BlockScratch()
        let size = Rule.Value.bytes / Rule.Value.width
        walk(type, coefficients, operands, block: BlockScratch.blockBytes / size, &scratch)
    }
}

/// Whether all arrays of a run are computed on where they are.
@inline(__always)
private func isInPlace<Rule: UpdateRule>(_ type: Rule.Type, _ operands: Operands) -> Bool {
    for array in 0..<arrayCount(type) where !Rule.Value.isInPlace(operands.arrays[array].type) {
        return false
    }
    return true
}

@inline(__always)
private func arrayCount<Rule: UpdateRule>(_ type: Rule.Type) -> Int { 2 + Rule.slotCount }

/// Walks a run, at most `block` elements at a time.
@inline(never)
private func walk<Rule: UpdateRule, let lines: Int>(
    _ type: Rule.Type, _ coefficients: Rule.Coefficients, _ operands: Operands, block: Int,
    _ scratch: inout Scratch<lines>
) {
    let rule = Rule(coefficients)
    scratch.withAddress { scratch in
        var start = 0
        while start < operands.count {
            let left = operands.count - start
            // Fewer than a grain: everything is staged, so that the same vector code runs on the last elements.
            let length = left < grain ? left : min(left & ~(grain - 1), block)
            var addresses = Addresses(repeating: scratch)
            for array in 0..<arrayCount(type) {
                addresses[array] = stage(
                    Rule.Value.self, operands.arrays[array], from: start, length: length,
                    in: scratch + (array + 1) * Scratch<lines>.blockBytes, padding: scratch)
            }
            loop(rule, addresses, count: length)
            for array in 0..<arrayCount(type) where array != gradientPlace {
                unstage(
                    Rule.Value.self, operands.arrays[array], from: start, length: length,
                    in: addresses[array], padding: scratch)
            }
            start += length
        }
    }
}

/// The rule on whole lanes, the last of which may be padding.
@inline(__always)
private func loop<Rule: UpdateRule>(_ rule: Rule, _ addresses: Addresses, count: Int) {
    typealias Value = Rule.Value
    let slots = Rule.slotCount
    let (value, gradient) = (addresses[0], addresses[1])
    let (first, second, third, fourth) = (addresses[2], addresses[3], addresses[4], addresses[5])
    let bytes = count * (Value.bytes / Value.width)
    var at = 0
    while at < bytes {
        let zero = Value(0)
        var place = Place(
            value: Value(from: value + at), gradient: Value(from: gradient + at),
            first: slots > 0 ? Value(from: first + at) : zero, second: slots > 1 ? Value(from: second + at) : zero,
            third: slots > 2 ? Value(from: third + at) : zero, fourth: slots > 3 ? Value(from: fourth + at) : zero)
        rule.update(&place)
        place.value.store(to: value + at)
        if slots > 0 { place.first.store(to: first + at) }
        if slots > 1 { place.second.store(to: second + at) }
        if slots > 2 { place.third.store(to: third + at) }
        if slots > 3 { place.fourth.store(to: fourth + at) }
        at += Value.bytes
    }
}

/// Where the rule finds elements `start ..< start + length` of an array: in place, or decoded to `block`.
@inline(__always)
private func stage<Value: Lanes>(
    _ value: Value.Type, _ array: Operand, from start: Int, length: Int, in block: UnsafeMutableRawPointer,
    padding: UnsafeMutableRawPointer
) -> UnsafeMutableRawPointer {
    let source = array.base + start * array.type.size
    if length < grain {
        copy(source, to: padding, bytes: length * array.type.size)
        Value.decode(array.type, from: padding, to: block, count: grain)
        return block
    }
    if Value.isInPlace(array.type) { return source }
    Value.decode(array.type, from: source, to: block, count: length)
    return block
}

/// Puts back what the rule left at `address`, unless that is the array itself.
@inline(__always)
private func unstage<Value: Lanes>(
    _ value: Value.Type, _ array: Operand, from start: Int, length: Int, in address: UnsafeMutableRawPointer,
    padding: UnsafeMutableRawPointer
) {
    let target = array.base + start * array.type.size
    if length < grain {
        Value.encode(array.type, from: address, to: padding, count: grain)
        copy(padding, to: target, bytes: length * array.type.size)
    } else if !Value.isInPlace(array.type) {
        Value.encode(array.type, from: address, to: target, count: length)
    }
}
