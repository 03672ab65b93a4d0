// A block of a pass: load sixteen of each array, run the rule, store, and add up what it sums, in fp64. As with
// rules, fp32 has a loop without conversions and one with them, and fp64 one, to which other types come by way of scratch.
// Only the loops are compiled for each pass.

import MartletKernelInterface

@inline(__always)
func isConverted(_ array: Operand, _ isDouble: Bool) -> Bool {
    !isSame(array.type, isDouble ? .fp64 : .fp32)
}

@inline(__always)
func made<Rule: PassRule>(_ rule: Rule.Type, _ coefficients: UnsafeRawPointer) -> Rule {
    Rule(value(at: coefficients + StepCoefficients.ruleOffset), AnyTerms(value(at: coefficients)))
}

@inline(__always)
func addTo(_ total: UnsafeMutablePointer<Double>, _ more: Double) {
    put(value(at: total) + more, at: total)
}

/// A pass on what a `PassCall` says, in the type that it asks for.
@inline(__always)
func pass<InFloat: PassRule, InDouble: PassRule>(
    _ inFloat: InFloat.Type, _ inDouble: InDouble.Type, _ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer
) where InFloat.Value == FloatLanes, InDouble.Value == DoubleLanes {
    let call = UnsafeMutableRawPointer(mutating: call).assumingMemoryBound(to: PassCall.self)
    switch suitableLoop(call) {
    case .none: call.pointee.shape = PassShape(made(inFloat, coefficients))
    case .inDouble: loop(inDouble, On.self, call, coefficients)
    case .converting: loop(inFloat, Off.self, call, coefficients)
    #if MARTLET_FMA
        case .plain: loop(inFloat, On.self, call, coefficients)
    #else
        case .plain: loop(inFloat, Off.self, call, coefficients)
    #endif
    }
}

private enum SuitableLoop {
    case none, inDouble, converting, plain
}

@inline(never)
private func suitableLoop(_ call: UnsafeMutablePointer<PassCall>) -> SuitableLoop {
    if call.pointee.count == 0 { return .none }
    if call.pointee.isDouble { return .inDouble }
    return call.pointee.convertedCount() > 0 ? .converting : .plain
}

/// One block of a row, in arrays of any types: whole grains, then the last few elements among padding.
@inline(never)
func block(
    _ loop: PassLoop, _ call: UnsafeMutablePointer<PassCall>, _ coefficients: UnsafeRawPointer, _ count: Int
) {
    let rest = count & (grain - 1)
    call.pointee.count = count - rest
    call.pointee.valid = grain
    if call.pointee.count > 0 { grains(loop, call, coefficients) }
    if rest > 0 { blockRest(loop, call, coefficients, rest) }
}

@inline(never)
private func blockRest(
    _ loop: PassLoop, _ call: UnsafeMutablePointer<PassCall>, _ coefficients: UnsafeRawPointer, _ rest: Int
) {
    let whole = call.pointee.count
    let numberSize = call.pointee.isDouble ? 8 : 4
    let shape = call.pointee.shape
    var padded = call.pointee
    (padded.count, padded.valid) = (grain, rest)
    var scratch = GrainScratch()
    scratch.withAddress { scratch in
        var room = scratch
        call.pointee.withOperands { arrays in
            padded.withOperands { parts in
                for place in 0..<6 where shape.reads(place) {
                    let array = (arrays + place).pointee.advanced(by: whole)
                    copy(array.base, to: room, bytes: rest * array.type.size)
                    put(Operand(base: room, type: array.type), at: parts + place)
                    room += GrainScratch.stride
                }
            }
        }
        if shape.usesFactors {
            copy(call.pointee.columnFactors + whole * numberSize, to: room, bytes: rest * numberSize)
            padded.columnFactors = UnsafeRawPointer(room)
            room += GrainScratch.stride
        }
        let sums = call.pointee.columnSums + whole * (shape.leavesFactors ? numberSize : 8)
        padded.columnSums = room
        if shape.sumsGrid { copy(sums, to: room, bytes: rest * 8) }
        withUnsafeMutablePointer(to: &padded) { grains(loop, $0, coefficients) }
        if shape.sumsGrid { copy(room, to: sums, bytes: rest * 8) }
        if shape.leavesFactors { copy(room, to: sums, bytes: rest * numberSize) }
        call.pointee.withOperands { arrays in
            padded.withOperands { parts in
                for place in 0..<6 where shape.writes(place) {
                    let array = (arrays + place).pointee.advanced(by: whole)
                    copy((parts + place).pointee.base, to: array.base, bytes: rest * array.type.size)
                }
            }
        }
    }
}

@inline(__always)
private func grains(_ loop: PassLoop, _ call: UnsafeMutablePointer<PassCall>, _ coefficients: UnsafeRawPointer) {
    if call.pointee.shape.reads(gradientPlace) && isBounded(coefficients) {
        boundedGrains(loop, call, coefficients)
    } else {
        unboundedGrains(loop, call, coefficients)
    }
}

@inline(never)
private func boundedGrains(
    _ loop: PassLoop, _ call: UnsafeMutablePointer<PassCall>, _ coefficients: UnsafeRawPointer
) {
    let (shape, isDouble) = (call.pointee.shape, call.pointee.isDouble)
    let numberSize = isDouble ? 8 : 4
    var piece = call.pointee
    var whole = call.pointee.arrays
    withUnsafeMutablePointer(to: &whole) { whole in
        let arrays = operands(of: whole)
        let gradient = (arrays + gradientPlace).pointee
        eachBounded(gradient, isDouble: isDouble, count: call.pointee.count, coefficients) {
            first, length, gradient, plain in
            piece.withOperands { parts in
                for place in 0..<6 where shape.reads(place) {
                    let array = (arrays + place).pointee.advanced(by: first)
                    put(place == gradientPlace ? gradient : array, at: parts + place)
                }
            }
            piece.count = length
            piece.columnFactors = call.pointee.columnFactors + first * numberSize
            piece.columnSums = call.pointee.columnSums + first * (shape.leavesFactors ? numberSize : 8)
            withUnsafeMutablePointer(to: &piece) { unboundedGrains(loop, $0, plain) }
        }
    }
}

@inline(__always)
private func unboundedGrains(
    _ loop: PassLoop, _ call: UnsafeMutablePointer<PassCall>, _ coefficients: UnsafeRawPointer
) {
    let converted = call.pointee.isDouble ? call.pointee.convertedCount() : 0
    if converted == 0 {
        loop(call, coefficients)
    } else {
        blocks(loop, call, coefficients, converted)
    }
}

/// Arrays of other types than fp64 are fetched into scratch, as much as fits at a time, and put back where the pass
/// writes.
@inline(never)
private func blocks(
    _ loop: PassLoop, _ call: UnsafeMutablePointer<PassCall>, _ coefficients: UnsafeRawPointer, _ converted: Int
) {
    let (count, shape) = (call.pointee.count, call.pointee.shape)
    let most = ConversionScratch.byteCount / (converted * 8) & ~(grain - 1)
    var piece = call.pointee
    var scratch = ConversionScratch()
    scratch.withAddress { scratch in
        var first = 0
        while first < count {
            let length = min(most, count - first)
            call.pointee.withOperands { arrays in
                piece.withOperands { parts in
                    var room = scratch
                    for place in 0..<6 where shape.reads(place) {
                        var part = (arrays + place).pointee.advanced(by: first)
                        if isConverted(part, true) {
                            let fetched = Operand(base: room, type: .fp64)
                            convert(part, to: fetched, count: length)
                            room += most * 8
                            part = fetched
                        }
                        put(part, at: parts + place)
                    }
                }
            }
            piece.count = length
            piece.columnFactors = call.pointee.columnFactors + first * 8
            piece.columnSums = call.pointee.columnSums + first * 8
            withUnsafeMutablePointer(to: &piece) { loop($0, coefficients) }
            call.pointee.withOperands { arrays in
                piece.withOperands { parts in
                    for place in 0..<6 where shape.writes(place) {
                        let array = (arrays + place).pointee.advanced(by: first)
                        if isConverted(array, true) { convert((parts + place).pointee, to: array, count: length) }
                    }
                }
            }
            first += length
        }
    }
}

@inline(never)
private func loop<Rule: PassRule, IsNative: Switch>(
    _ type: Rule.Type, _ isNative: IsNative.Type, _ call: UnsafePointer<PassCall>, _ coefficients: UnsafeRawPointer
) {
    typealias Value = Rule.Value

    let (arrays, count, valid) = (call.pointee.arrays, call.pointee.count, call.pointee.valid)
    let (columnFactors, columnSums) = (call.pointee.columnFactors, call.pointee.columnSums)
    let running = call.pointee.running
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
    // Twice as far as a loop that does not end with a block: what comes between two of them is time, too.
    @inline(__always)
    func fetchAhead(_ place: Int, _ index: Int) {
        prefetch(type(place), in: arrays[place].base, at: index, bytesAhead: 2048)
    }

    let terms = AnyTerms<Value>(value(at: coefficients))
    let rule = made(Rule.self, coefficients)
    let rowFactor = Value(call.pointee.row)
    // Short rows lie in a block together, so that what is of a row alone is there for each element.
    let takesFactors = Rule.usesFactors || Rule.usesRows && call.pointee.shape.usesFactors
    let leavesSquares = Rule.sumsGrid || Rule.sumsRows && call.pointee.shape.sumsGrid
    @inline(__always)
    func factor(_ index: Int) -> Value {
        takesFactors ? rowFactor * Value(Value.native, in: columnFactors, at: index) : rowFactor
    }
    var sums = value(at: running) as RunningSums
    var index = 0
    while index < count {
        if Rule.readsGradient { fetchAhead(1, index) }
        if Rule.readsValue { fetchAhead(0, index) }
        for slot in 0..<Rule.slotCount { fetchAhead(2 + slot, index) }
        var place = PassPlace(
            value: Rule.readsValue ? load(0, index) : Value(0),
            gradient: Rule.readsGradient ? terms.scaled(load(1, index)) : Value(0),
            first: slot(0, index), second: slot(1, index), third: slot(2, index), fourth: slot(3, index),
            factor: Rule.usesFactors || Rule.usesRows ? factor(index) : Value(0))
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
        if Rule.sumsRows { sums.row += place.square }
        if leavesSquares { write(read(columnSums + index * 8) + place.square, to: columnSums + index * 8) }
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
