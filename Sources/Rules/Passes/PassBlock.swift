// A block of a pass: load sixteen of each array, run the rule, store, and add up what it sums, in fp64. As with
// rules, fp32 has a loop without conversions and one with them, and fp64 one, to which other types come by way of scratch.

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

/// One block of a row, in arrays of any types: whole grains, then the last few elements among padding.
@inline(never)
func block<Rule: PassRule>(
    _ rule: Rule.Type, _ coefficients: UnsafeRawPointer, _ arrays: Arrays, _ count: Int, row: Double,
    columnFactors: UnsafeRawPointer, columnSums: UnsafeMutableRawPointer, _ running: UnsafeMutablePointer<RunningSums>
) {
    let rest = count & (grain - 1)
    let whole = count - rest
    if whole > 0 { grains(rule, coefficients, arrays, whole, grain, row, columnFactors, columnSums, running) }
    if rest == 0 { return }
    let numberSize = Rule.Value.native.size
    var scratch = GrainScratch()
    scratch.withAddress { scratch in
        var padded = arrays
        for place in 0..<2 + Rule.slotCount where isRead(rule, place) {
            let size = arrays[place].type.size
            padded[place].base = scratch + place * GrainScratch.stride
            copy(arrays[place].base + whole * size, to: padded[place].base, bytes: rest * size)
        }
        let factors = scratch + (2 + Rule.slotCount) * GrainScratch.stride
        let sums = factors + GrainScratch.stride
        if Rule.usesFactors { copy(columnFactors + whole * numberSize, to: factors, bytes: rest * numberSize) }
        if Rule.sumsGrid { copy(columnSums + whole * 8, to: sums, bytes: rest * 8) }
        grains(rule, coefficients, padded, grain, rest, row, factors, sums, running)
        if Rule.sumsGrid { copy(sums, to: columnSums + whole * 8, bytes: rest * 8) }
        if Rule.leavesFactors { copy(sums, to: columnSums + whole * numberSize, bytes: rest * numberSize) }
        let made = made(rule, coefficients)
        for place in 0..<2 + Rule.slotCount where isWritten(made, place) {
            let size = arrays[place].type.size
            copy(padded[place].base, to: arrays[place].base + whole * size, bytes: rest * size)
        }
    }
}

/// Whole grains, of each of which `valid` elements count, by the loop that their types ask for.
@inline(__always)
private func grains<Rule: PassRule>(
    _ rule: Rule.Type, _ coefficients: UnsafeRawPointer, _ arrays: Arrays, _ count: Int, _ valid: Int, _ row: Double,
    _ columnFactors: UnsafeRawPointer, _ columnSums: UnsafeMutableRawPointer,
    _ running: UnsafeMutablePointer<RunningSums>
) {
    var converted = 0
    for place in 0..<2 + Rule.slotCount where isConverted(rule, arrays, place) { converted += 1 }
    if converted == 0 {
        loop(rule, On.self, coefficients, arrays, count, valid, row, columnFactors, columnSums, running)
    } else if isSame(Rule.Value.native, .fp32) {
        loop(rule, Off.self, coefficients, arrays, count, valid, row, columnFactors, columnSums, running)
    } else {
        blocks(rule, coefficients, arrays, converted, count, valid, row, columnFactors, columnSums, running)
    }
}

@inline(__always)
private func isConverted<Rule: PassRule>(_ rule: Rule.Type, _ arrays: Arrays, _ place: Int) -> Bool {
    isRead(rule, place) && !isSame(arrays[place].type, Rule.Value.native)
}

/// Arrays of other types than fp64 are fetched into scratch, as much as fits at a time, and put back where the pass
/// writes.
@inline(never)
private func blocks<Rule: PassRule>(
    _ rule: Rule.Type, _ coefficients: UnsafeRawPointer, _ arrays: Arrays, _ converted: Int, _ count: Int,
    _ valid: Int, _ row: Double, _ columnFactors: UnsafeRawPointer, _ columnSums: UnsafeMutableRawPointer,
    _ running: UnsafeMutablePointer<RunningSums>
) {
    let made = made(rule, coefficients)
    let most = ConversionScratch.byteCount / (converted * 8) & ~(grain - 1)
    var scratch = ConversionScratch()
    scratch.withAddress { scratch in
        var first = 0
        while first < count {
            let length = min(most, count - first)
            var piece = arrays
            var room = scratch
            for place in 0..<2 + Rule.slotCount where isRead(rule, place) {
                let array = arrays[place].advanced(by: first)
                piece[place] = array
                if !isConverted(rule, arrays, place) { continue }
                piece[place] = Operand(base: room, type: .fp64)
                convert(array, to: piece[place], count: length)
                room += most * 8
            }
            loop(
                rule, On.self, coefficients, piece, length, valid, row, columnFactors + first * 8,
                columnSums + first * 8, running)
            for place in 0..<2 + Rule.slotCount where isWritten(made, place) && isConverted(rule, arrays, place) {
                convert(piece[place], to: arrays[place].advanced(by: first), count: length)
            }
            first += length
        }
    }
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

/// The pass on a whole number of grains, of each of which `valid` elements count.
@inline(never)
private func loop<Rule: PassRule, IsNative: Switch>(
    _ type: Rule.Type, _ isNative: IsNative.Type, _ coefficients: UnsafeRawPointer, _ arrays: Arrays, _ count: Int,
    _ valid: Int, _ row: Double, _ columnFactors: UnsafeRawPointer, _ columnSums: UnsafeMutableRawPointer,
    _ running: UnsafeMutablePointer<RunningSums>
) {
    typealias Value = Rule.Value

    @inline(__always)
    func type(_ place: Int) -> ElementType { IsNative.isOn ? Value.native : arrays[place].type }
    @inline(__always)
    func load(_ place: Int, _ index: Int) -> Value { Value(type(place), in: arrays[place].base, at: index) }
    @inline(__always)
    func slot(_ place: Int, _ index: Int) -> Value { place < Rule.slotCount ? load(2 + place, index) : Value(0) }
    @inline(__always)
    func store(_ value: Value, _ place: Int, _ index: Int) {
        if place < 2 + Rule.slotCount { value.store(type(place), in: arrays[place].base, at: index) }
    }
    @inline(__always)
    func fetchAhead(_ place: Int, _ index: Int) { prefetch(type(place), in: arrays[place].base, at: index) }

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
