// The walk of a pass over some rows of a matrix: load sixteen of each array, decoded, run the rule, store, encoded, and add
// up what it sums, in fp64 and in an order that the place of each element alone decides. No equation (Adafactor.swift).

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
    /// State slots that are read, the first ones, and whether they are written.
    static var slotCount: Int { get }
    static var writesSlots: Bool { get }
    /// Whether it adds up by row and by column.
    static var sumsGrid: Bool { get }
    /// How many sums over all elements it has.
    static var sumCount: Int { get }
    /// Whether it takes what earlier passes left for rows and columns.
    static var usesFactors: Bool { get }
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
    static var writesSlots: Bool { slotCount > 0 }
    @inline(__always)
    static var sumsGrid: Bool { false }
    @inline(__always)
    static var sumCount: Int { 0 }
    @inline(__always)
    static var usesFactors: Bool { false }
    @inline(__always)
    static var leavesFactors: Bool { false }
    @inline(__always)
    var rowScale: Double { 1 }
}

/// Runs a pass over a part, in the type that its arrays ask for.
@inline(__always)
func pass<InFloat: PassRule, InDouble: PassRule>(
    _ inFloat: InFloat.Type, _ inDouble: InDouble.Type, _ part: UnsafeRawPointer, _ coefficients: UnsafeRawPointer
) where InFloat.Value == FloatLanes, InDouble.Value == DoubleLanes {
    let part: GridPart = value(at: part)
    if part.run.isDouble {
        walk(inDouble, part, coefficients)
    } else {
        walk(inFloat, part, coefficients)
    }
}

/// Sums of sixteen neighbours each, as they grow: by row, and two over all elements.
struct RunningSums {
    var row = SIMD16<Double>.zero
    var first = SIMD16<Double>.zero
    var second = SIMD16<Double>.zero
}

@inline(__always)
private func walk<Rule: PassRule>(
    _ rule: Rule.Type, _ part: GridPart, _ coefficients: UnsafeRawPointer
) {
    let columns = part.run.count
    if (Rule.sumsGrid || Rule.usesFactors) && columns <= Grid.mostOfShortRow && columns == part.rowStride {
        walkShortRows(rule, part, coefficients)
        return
    }
    let rowScale = made(rule, coefficients).rowScale
    let numberSize = part.run.isDouble ? 8 : 4
    for row in 0..<part.rows {
        var column = 0
        while column < columns {
            let count = min(Grid.blockCount, columns - column)
            var arrays = part.run.arrays
            for place in 0..<part.run.arrayCount {
                arrays[place] = arrays[place].advanced(by: row * part.rowStride + column)
            }
            var running = RunningSums()
            withUnsafeMutablePointer(to: &running) { running in
                block(
                    rule, coefficients, arrays, count,
                    row: Rule.usesFactors ? value(at: part.rowFactors + row) * rowScale : 1,
                    columnFactors: part.columnFactors + column * numberSize, columnSums: part.columnSums + column,
                    running)
            }
            if Rule.sumsGrid { addTo(part.rowSums + row, sum(running.row)) }
            if Rule.sumCount > 0 { addTo(part.sums, sum(running.first)) }
            if Rule.sumCount > 1 { addTo(part.sums + 1, sum(running.second)) }
            column += count
        }
    }
}

/// The same for short rows, which lie one behind the other: squares go into scratch, from which they are added up by row
/// and by column, and factors come from there, multiplied out.
@inline(never)
private func walkShortRows<Rule: PassRule>(
    _ rule: Rule.Type, _ part: GridPart, _ coefficients: UnsafeRawPointer
) {
    let columns = part.run.count
    let together = Grid.smallCount / columns
    let rowScale = made(rule, coefficients).rowScale
    var scratch = PassScratch()
    scratch.withAddress { elements in
        var row = 0
        while row < part.rows {
            let rows = min(together, part.rows - row)
            var arrays = part.run.arrays
            for place in 0..<part.run.arrayCount {
                arrays[place] = arrays[place].advanced(by: row * columns)
            }
            if Rule.sumsGrid { clearDoubles(elements, count: rows * columns) }
            if Rule.usesFactors {
                multiply(
                    Rule.Value.self, part.rowFactors + row, rows, rowScale, part.columnFactors, columns, elements,
                    elements + PassScratch.stride)
            }
            var running = RunningSums()
            withUnsafeMutablePointer(to: &running) { running in
                block(
                    rule, coefficients, arrays, rows * columns, row: 1, columnFactors: elements,
                    columnSums: elements, running)
            }
            if Rule.sumsGrid { addUp(elements, rows, columns, part.rowSums + row, part.columnSums) }
            if Rule.sumCount > 0 { addTo(part.sums, sum(running.first)) }
            if Rule.sumCount > 1 { addTo(part.sums + 1, sum(running.second)) }
            row += rows
        }
    }
}

/// Adds numbers to the sums of their rows and columns.
@inline(__always)
private func addUp(
    _ numbers: UnsafeRawPointer, _ rows: Int, _ columns: Int, _ rowSums: UnsafeMutablePointer<Double>,
    _ columnSums: UnsafeMutablePointer<Double>
) {
    var place = numbers
    for row in 0..<rows {
        var total = 0.0
        for column in 0..<columns {
            let number: Double = value(at: place)
            total += number
            addTo(columnSums + column, number)
            place += 8
        }
        addTo(rowSums + row, total)
    }
}

/// The products of the rows' factors, times a scale, and the columns'.
@inline(__always)
private func multiply<Value: Lanes>(
    _ type: Value.Type, _ rowFactors: UnsafePointer<Double>, _ rows: Int, _ scale: Double,
    _ columnFactors: UnsafeRawPointer, _ columns: Int, _ elements: UnsafeMutableRawPointer,
    _ scratch: UnsafeMutableRawPointer
) {
    typealias Number = Value.Number
    let size = MemoryLayout<Number>.stride
    var index = 0
    while index < rows {
        (DoubleLanes(lanes: read(rowFactors + index)) * DoubleLanes(scale)).store(Value.native, in: scratch, at: index)
        index += grain
    }
    var element = elements
    for row in 0..<rows {
        let ofRow: Number = value(at: scratch + row * size)
        for column in 0..<columns {
            put(ofRow * value(at: columnFactors + column * size), at: element)
            element += size
        }
    }
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
    for place in 0..<2 + Rule.slotCount where !isSame(arrays[place].type, Rule.Value.native) { isNative = false }
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
    var scratch = DoubleScratch()
    scratch.withAddress { scratch in
        var piece = arrays
        for place in 0..<2 + Rule.slotCount {
            piece[place] = Operand(base: scratch + place * DoubleScratch.stride, type: native)
        }
        var first = 0
        while first < count {
            let length = min(DoubleScratch.count, count - first)
            for place in 0..<2 + Rule.slotCount {
                convert(arrays[place].advanced(by: first), to: piece[place], count: length)
            }
            let sumSize = Rule.leavesFactors ? native.size : 8
            nativeBlock(
                rule, coefficients, piece, length, row, columnFactors + first * native.size,
                columnSums + first * sumSize, running)
            for place in 0..<2 + Rule.slotCount where isWritten(rule, place) {
                convert(piece[place], to: arrays[place].advanced(by: first), count: length)
            }
            first += length
        }
    }
}

@inline(__always)
private func isWritten<Rule: PassRule>(_ rule: Rule.Type, _ place: Int) -> Bool {
    place == 0 ? Rule.writesValue : place != gradientPlace && Rule.writesSlots
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
        for place in 0..<2 + Rule.slotCount {
            padded[place].base = scratch + place * GrainScratch.stride
            copy(arrays[place].base + whole * size, to: padded[place].base, bytes: rest * size)
        }
        let factors = scratch + 4 * GrainScratch.stride
        let sums = scratch + 5 * GrainScratch.stride
        if Rule.usesFactors { copy(columnFactors + whole * size, to: factors, bytes: rest * size) }
        if Rule.sumsGrid { copy(columnSums + whole * 8, to: sums, bytes: rest * 8) }
        loop(rule, coefficients, padded, grain, rest, row, factors, sums, running)
        if Rule.sumsGrid { copy(sums, to: columnSums + whole * 8, bytes: rest * 8) }
        if Rule.leavesFactors { copy(sums, to: columnSums + whole * size, bytes: rest * size) }
        for place in 0..<2 + Rule.slotCount where isWritten(rule, place) {
            copy(padded[place].base, to: arrays[place].base + whole * size, bytes: rest * size)
        }
    }
}

@inline(__always)
private func made<Rule: PassRule>(_ rule: Rule.Type, _ coefficients: UnsafeRawPointer) -> Rule {
    Rule(value(at: coefficients + StepCoefficients.ruleOffset), AnyTerms(value(at: coefficients)))
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
        if Rule.writesSlots {
            store(place.first, 2, index)
            store(place.second, 3, index)
            store(place.third, 4, index)
            store(place.fourth, 5, index)
        }
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
