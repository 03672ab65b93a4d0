// A block of a pass: load sixteen of each array, run the rule, store, and add up what it sums, in fp64. There is one loop
// for each type computed in; arrays stored as another come to it by way of scratch, as in Blocks.swift.

import MartletKernelInterface

/// Sums of sixteen neighbours each, as they grow: by row, and two over all elements.
struct RunningSums {
    var row = SIMD16<Double>.zero
    var first = SIMD16<Double>.zero
    var second = SIMD16<Double>.zero
}

@inline(__always)
func made<Rule: PassRule>(_ rule: Rule.Type, _ coefficients: UnsafeRawPointer) -> Rule {
    Rule(value(at: coefficients + StepCoefficients.ruleOffset), AnyTerms(value(at: coefficients)))
}

@inline(__always)
func addTo(_ total: UnsafeMutablePointer<Double>, _ more: Double) {
    put(value(at: total) + more, at: total)
}

/// One block of a row, in arrays of any types.
@inline(__always)
func block<Rule: PassRule>(
    _ rule: Rule.Type, _ coefficients: UnsafeRawPointer, _ arrays: Arrays, _ count: Int, row: Double,
    columnFactors: UnsafeRawPointer, columnSums: UnsafeMutableRawPointer, _ running: UnsafeMutablePointer<RunningSums>
) {
    var isNative = true
    for place in 0..<2 + Rule.slotCount where isRead(rule, place) && !isSame(arrays[place].type, Rule.Value.native) {
        isNative = false
    }
    if isNative {
        nativeBlock(rule, coefficients, arrays, count, row, columnFactors, columnSums, running)
    } else {
        convertedBlock(rule, coefficients, arrays, count, row, columnFactors, columnSums, running)
    }
}

/// Fetched into scratch as the type computed in, piece by piece, and put back where the pass writes.
@inline(never)
private func convertedBlock<Rule: PassRule>(
    _ rule: Rule.Type, _ coefficients: UnsafeRawPointer, _ arrays: Arrays, _ count: Int, _ row: Double,
    _ columnFactors: UnsafeRawPointer, _ columnSums: UnsafeMutableRawPointer,
    _ running: UnsafeMutablePointer<RunningSums>
) {
    let native = Rule.Value.native
    let made = made(rule, coefficients)
    var scratch = ConversionScratch()
    scratch.withAddress { scratch in
        var piece = arrays
        let most = scratchCount(rule)
        var place = scratch
        for array in 0..<2 + Rule.slotCount where isRead(rule, array) {
            piece[array] = Operand(base: place, type: native)
            place += most * native.size
        }
        var first = 0
        while first < count {
            let length = min(most, count - first)
            for array in 0..<2 + Rule.slotCount where isRead(rule, array) {
                convert(Rule.Value.self, arrays[array].advanced(by: first), to: piece[array], count: length)
            }
            let sumSize = Rule.leavesFactors ? native.size : 8
            nativeBlock(
                rule, coefficients, piece, length, row, columnFactors + first * native.size,
                columnSums + first * sumSize, running)
            for array in 0..<2 + Rule.slotCount where isWritten(made, array) {
                convert(Rule.Value.self, piece[array], to: arrays[array].advanced(by: first), count: length)
            }
            first += length
        }
    }
}

/// How many elements of each array that a pass reads fit into `ConversionScratch`, in whole grains.
@inline(__always)
private func scratchCount<Rule: PassRule>(_ rule: Rule.Type) -> Int {
    var arrays = 0
    for array in 0..<2 + Rule.slotCount where isRead(rule, array) { arrays += 1 }
    return ConversionScratch.byteCount / (arrays * Rule.Value.native.size) & ~(grain - 1)
}

/// What is written is read, too.
@inline(__always)
private func isRead<Rule: PassRule>(_ rule: Rule.Type, _ place: Int) -> Bool {
    place == 0 ? Rule.readsValue : place != gradientPlace || Rule.readsGradient
}

@inline(__always)
private func isWritten<Rule: PassRule>(_ rule: Rule, _ place: Int) -> Bool {
    place == 0 ? Rule.writesValue : place != gradientPlace && place < 2 + rule.writtenSlots
}

/// Whole grains, then the last few elements among padding.
@inline(never)
private func nativeBlock<Rule: PassRule>(
    _ rule: Rule.Type, _ coefficients: UnsafeRawPointer, _ arrays: Arrays, _ count: Int, _ row: Double,
    _ columnFactors: UnsafeRawPointer, _ columnSums: UnsafeMutableRawPointer,
    _ running: UnsafeMutablePointer<RunningSums>
) {
    let rest = count & (grain - 1)
    let whole = count - rest
    if whole > 0 { loop(rule, coefficients, arrays, whole, grain, row, columnFactors, columnSums, running) }
    if rest == 0 { return }
    let size = Rule.Value.native.size
    var scratch = GrainScratch()
    scratch.withAddress { scratch in
        var padded = arrays
        for place in 0..<2 + Rule.slotCount where isRead(rule, place) {
            padded[place].base = scratch + place * GrainScratch.stride
            copy(arrays[place].base + whole * size, to: padded[place].base, bytes: rest * size)
        }
        let factors = scratch + (2 + Rule.slotCount) * GrainScratch.stride
        let sums = factors + GrainScratch.stride
        if Rule.usesFactors { copy(columnFactors + whole * size, to: factors, bytes: rest * size) }
        if Rule.sumsGrid { copy(columnSums + whole * 8, to: sums, bytes: rest * 8) }
        loop(rule, coefficients, padded, grain, rest, row, factors, sums, running)
        if Rule.sumsGrid { copy(sums, to: columnSums + whole * 8, bytes: rest * 8) }
        if Rule.leavesFactors { copy(sums, to: columnSums + whole * size, bytes: rest * size) }
        let made = made(rule, coefficients)
        for place in 0..<2 + Rule.slotCount where isWritten(made, place) {
            copy(padded[place].base, to: arrays[place].base + whole * size, bytes: rest * size)
        }
    }
}

/// The pass on a whole number of grains, of each of which `valid` elements count.
@inline(never)
private func loop<Rule: PassRule>(
    _ type: Rule.Type, _ coefficients: UnsafeRawPointer, _ arrays: Arrays, _ count: Int,
    _ valid: Int, _ row: Double, _ columnFactors: UnsafeRawPointer, _ columnSums: UnsafeMutableRawPointer,
    _ running: UnsafeMutablePointer<RunningSums>
) {
    typealias Value = Rule.Value

    @inline(__always)
    func load(_ place: Int, _ index: Int) -> Value { Value(Value.native, in: arrays[place].base, at: index) }
    @inline(__always)
    func slot(_ place: Int, _ index: Int) -> Value { place < Rule.slotCount ? load(2 + place, index) : Value(0) }
    @inline(__always)
    func store(_ value: Value, _ place: Int, _ index: Int) {
        if place < 2 + Rule.slotCount { value.store(Value.native, in: arrays[place].base, at: index) }
    }
    @inline(__always)
    func fetchAhead(_ place: Int, _ index: Int) { prefetch(Value.native, in: arrays[place].base, at: index) }

    let scale = AnyTerms<Value>(value(at: coefficients)).gradientScale
    let rule = made(Rule.self, coefficients)
    let rowFactor = Value(row)
    var sums = value(at: running) as RunningSums
    var index = 0
    while index < count {
        if Rule.readsGradient { fetchAhead(1, index) }
        if Rule.readsValue { fetchAhead(0, index) }
        for slot in 0..<Rule.slotCount { fetchAhead(2 + slot, index) }
        var place = PassPlace(
            value: Rule.readsValue ? load(0, index) : Value(0),
            gradient: Rule.readsGradient ? load(1, index) * scale : Value(0),
            first: slot(0, index), second: slot(1, index), third: slot(2, index), fourth: slot(3, index),
            factor: Rule.usesFactors ? rowFactor * Value(Value.native, in: columnFactors, at: index) : Value(0))
        rule.update(&place)
        if Rule.writesValue { store(place.value, 0, index) }
        let written = rule.writtenSlots
        if written > 0 { store(place.first, 2, index) }
        if written > 1 { store(place.second, 3, index) }
        if written > 2 { store(place.third, 4, index) }
        if written > 3 { store(place.fourth, 5, index) }
        if Rule.leavesFactors { place.factor.store(Value.native, in: columnSums, at: index) }
        if valid < grain {
            place.square = keep(valid, place.square)
            place.sums = (keep(valid, place.sums.0), keep(valid, place.sums.1))
        }
        if Rule.sumsGrid {
            sums.row += place.square
            write(read(columnSums + index * 8) + place.square, to: columnSums + index * 8)
        }
        if Rule.sumCount > 0 { sums.first += place.sums.0 }
        if Rule.sumCount > 1 { sums.second += place.sums.1 }
        index += grain
    }
    put(sums, at: running)
}

/// The lanes, with 0 from `count` on.
@inline(__always)
private func keep(_ count: Int, _ lanes: SIMD16<Double>) -> SIMD16<Double> {
    let numbers = doubles(laneNumbers)
    return lanes.replacing(with: 0, where: numbers .>= SIMD16(repeating: Double(count)))
}
