// A rule's loops over one run of elements: load sixteen of each array, decoded, run the rule, store, encoded. One pass
// through memory. Runs whose arrays are all in the type computed in have loops of their own, without decisions; in fp64
// that is the only one, and what is stored otherwise comes to it by way of Walk.swift, as the last few elements do.
// No equation (each rule's file), no storage types (Codecs.swift), no threads, no floating-point mode.

import MartletKernelInterface

/// The elements that a rule sees at one place of a run: the gradient with all that the run's terms add to it, the value
/// before any decay. Slots it does not use are not loaded or stored.
struct Place<Value: Lanes> {
    let value: Value
    let gradient: Value
    var first: Value
    var second: Value
    var third: Value
    var fourth: Value
}

/// An element-wise update; a value of a conforming type holds one step's coefficients as lanes.
protocol UpdateRule {
    associatedtype Value: Lanes
    associatedtype Coefficients: BitwiseCopyable

    /// Rounds each coefficient once to the type computed in.
    init(_ coefficients: Coefficients)
    /// State slots that are read and written.
    static var slotCount: Int { get }
    /// One step: replaces the slots in use, and returns what the value goes down by.
    func update(_ place: inout Place<Value>) -> Value
    /// What is left to do once the new value is known.
    func finish(_ place: inout Place<Value>, _ value: Value)
}

extension UpdateRule {
    @inline(__always)
    func finish(_ place: inout Place<Value>, _ value: Value) {}
}

/// A choice made outside the loop, as a type: for an array that is there or not. What is only arithmetic is a choice
/// between lanes.
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

/// What a loop is compiled for.
protocol LoopKind {
    /// All arrays are stored in the type computed in.
    static var isNative: Bool { get }
    /// Whether the run's terms are looked at as the loop runs: then it takes any, and else no decay, or decay in the
    /// gradient, and none with caution.
    static var takesAnyTerms: Bool { get }
    static var addsDecay: Bool { get }
}

/// The loops that most runs take: no decision in them, since each would cost a few parts in a hundred.
enum Plain<AddsDecay: Switch>: LoopKind {
    @inline(__always)
    static var isNative: Bool { true }
    @inline(__always)
    static var takesAnyTerms: Bool { false }
    @inline(__always)
    static var addsDecay: Bool { AddsDecay.isOn }
}

/// The loop that takes all others.
enum General<IsNative: Switch>: LoopKind {
    @inline(__always)
    static var isNative: Bool { IsNative.isOn }
    @inline(__always)
    static var takesAnyTerms: Bool { true }
    @inline(__always)
    static var addsDecay: Bool { true }
}

/// `RunTerms` as lanes, where they may be any.
typealias AnyTerms<Value: Lanes> = Terms<Value, General<On>>

/// `RunTerms` as lanes.
struct Terms<Value: Lanes, Kind: LoopKind> {
    let decay: Value
    private let gradientScale, l2: Value
    private let addsDecay: Choice<Value>
    private let isCautious: Bool

    @inline(__always)
    init(_ terms: RunTerms) {
        gradientScale = Value(terms.gradientScale)
        l2 = Value(terms.l2)
        decay = Value(terms.decay)
        addsDecay = Choice(terms.l2 != 0)
        isCautious = terms.isCautious != 0
    }

    /// What a rule takes for the gradient. A term that is off is not there, since 0 * inf would be NaN.
    @inline(__always)
    func gradient(_ gradient: Value, of value: Value) -> Value {
        decayed(scaled(gradient), of: value)
    }

    /// A gradient without decay. What is bounded comes here bounded, and with a scale of 1 (Bounded.swift).
    @inline(__always)
    func scaled(_ gradient: Value) -> Value { gradient * gradientScale }

    /// The same of a gradient that has been scaled.
    @inline(__always)
    func decayed(_ scaled: Value, of value: Value) -> Value {
        if !Kind.addsDecay { return scaled }
        let sum = scaled + l2 * value
        return Kind.takesAnyTerms ? Value.choose(addsDecay, sum, scaled) : sum
    }

    @inline(__always)
    func value(_ value: Value, after step: Value) -> Value {
        if Kind.takesAnyTerms && isCautious {
            return step.opposing(value, Value(1), otherwise: decay) * value - step
        }
        return decay * value - step
    }
}

/// Arrays of a run, as in `Run`: value, gradient (the one that is only read), state slots.
typealias Arrays = InlineArray<6, Operand>
let gradientPlace = 1

/// Which of its variants a rule is asked for.
@inline(__always)
func variant(_ coefficients: UnsafeRawPointer) -> Int {
    let terms: RunTerms = value(at: coefficients)
    return terms.variant
}

/// Runs a rule over whole grains, in the type that the run asks for. In the baseline, whose loops are long and which few
/// processors need, one loop takes all that is in fp32.
@inline(__always)
func sweep<InFloat: UpdateRule, InDouble: UpdateRule>(
    _ inFloat: InFloat.Type, _ inDouble: InDouble.Type, _ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer
) where InFloat.Value == FloatLanes, InDouble.Value == DoubleLanes {
    let run: UnsafePointer<Run> = run.assumingMemoryBound(to: Run.self)
    switch suitableLoop(run, coefficients) {
    case .inDouble: loop(inDouble, General<On>.self, run, coefficients)
    case .general: loop(inFloat, General<Off>.self, run, coefficients)
    #if MARTLET_FMA
        case .addingDecay: loop(inFloat, Plain<On>.self, run, coefficients)
        case .plain: loop(inFloat, Plain<Off>.self, run, coefficients)
    #else
        case .addingDecay, .plain: loop(inFloat, General<Off>.self, run, coefficients)
    #endif
    }
}

private enum SuitableLoop {
    case inDouble, general, addingDecay, plain
}

@inline(never)
private func suitableLoop(_ run: UnsafePointer<Run>, _ coefficients: UnsafeRawPointer) -> SuitableLoop {
    let terms: RunTerms = value(at: coefficients)
    if run.pointee.isDouble { return .inDouble }
    if terms.isCautious != 0 || convertedCount(run) > 0 { return .general }
    return terms.l2 != 0 ? .addingDecay : .plain
}

@inline(never)
private func loop<Rule: UpdateRule, Kind: LoopKind>(
    _ type: Rule.Type, _ kind: Kind.Type, _ run: UnsafePointer<Run>, _ coefficients: UnsafeRawPointer
) {
    typealias Value = Rule.Value

    let (arrays, count) = (run.pointee.arrays, run.pointee.count)
    @inline(__always)
    func has(_ place: Int) -> Bool { place < 2 + Rule.slotCount }
    @inline(__always)
    func type(_ place: Int) -> ElementType { Kind.isNative ? Value.native : arrays[place].type }
    @inline(__always)
    func load(_ place: Int, _ index: Int) -> Value {
        has(place) ? Value(type(place), in: arrays[place].base, at: index) : Value(0)
    }
    @inline(__always)
    func store(_ value: Value, _ place: Int, _ index: Int) {
        if has(place) { value.store(type(place), in: arrays[place].base, at: index) }
    }
    @inline(__always)
    func fetchAhead(_ place: Int, _ index: Int) {
        if has(place) { prefetch(type(place), in: arrays[place].base, at: index) }
    }

    let terms = Terms<Value, Kind>(value(at: coefficients))
    let rule = Rule(value(at: coefficients + StepCoefficients.ruleOffset))
    var index = 0
    while index < count {
        for place in 0..<6 { fetchAhead(place, index) }
        let old = load(0, index)
        var place = Place(
            value: old, gradient: terms.gradient(load(1, index), of: old),
            first: load(2, index), second: load(3, index), third: load(4, index), fourth: load(5, index))
        let new = terms.value(old, after: rule.update(&place))
        rule.finish(&place, new)
        store(new, 0, index)
        store(place.first, 2, index)
        store(place.second, 3, index)
        store(place.third, 4, index)
        store(place.fourth, 5, index)
        index += grain
    }
}
