// What update rules are held against: each rule on one element, as its equation stands (Rules/), and here, once for all
// of them, what surrounds every rule. Slow and plain on purpose; shares nothing with the kernels.

import MartletKernelInterface

/// One element's numbers as a rule sees them: the gradient with all that the run's terms add to it.
struct Element<Number: BinaryFloatingPoint> {
    let value: Number
    let gradient: Number
    /// The state, in the order of the run's arrays.
    var slots: InlineArray<4, Number>
}

/// A rule on one element, in the arithmetic and the order of operations that its kernels promise.
protocol RuleReference: SendableMetatype {
    associatedtype Coefficients: BitwiseCopyable, Sendable

    static var rule: Rule { get }
    /// Every variant, with coefficients that lead through each branch of the equation.
    static var cases: [RuleCase<Coefficients>] { get }
    /// One step: replaces the slots, and returns what the value goes down by. Where the rule fuses a product with a sum,
    /// so does this.
    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: Coefficients, variant: Int
    ) -> Number
    /// What is left to do once the new value is known.
    static func finish<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: Coefficients, value: Number)
}

extension RuleReference {
    static func finish<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: Coefficients, value: Number
    ) {}
}

/// A variant of a rule with coefficients for it.
struct RuleCase<Coefficients: Sendable>: Sendable {
    let variant: Int
    let slots: [SlotNumbers]
    let coefficients: Coefficients

    init(variant: Int = 0, slots: [SlotNumbers], _ coefficients: Coefficients) {
        (self.variant, self.slots, self.coefficients) = (variant, slots, coefficients)
    }
}

/// Coefficients with some of them set.
func with<Coefficients>(_ coefficients: Coefficients, _ change: (inout Coefficients) -> Void) -> Coefficients {
    var coefficients = coefficients
    change(&coefficients)
    return coefficients
}

/// What numbers a slot holds between steps.
enum SlotNumbers {
    case signed, positive
}

// MARK: - Arithmetic that rules share

/// A coefficient as two numbers: the largest one below it, and what is missing.
func parts<Number: BinaryFloatingPoint>(_ number: Double, as type: Number.Type) -> (Number, Number) {
    var below = Number(number)
    if below > 0, Double(below) >= number { below = below.nextDown }
    return (below, Number(number - Double(below)))
}

/// An exponential average with one more number, by the shorter way from one of the two.
func average<Number: BinaryFloatingPoint>(_ beta: Double, _ old: Number, _ new: Number) -> Number {
    1 - beta < 0.5
        ? old.addingProduct(Number(1 - beta), new - old) : new.addingProduct(Number(-beta), new - old)
}

/// One with one more square.
func average<Number: BinaryFloatingPoint>(_ beta: Double, _ old: Number, square root: Number) -> Number {
    let (high, rest) = parts(beta, as: Number.self)
    return (rest * old).addingProduct(Number(1 - beta) * root, root).addingProduct(high, old)
}

/// The larger number; NaN where either is.
func largest<Number: BinaryFloatingPoint>(_ a: Number, _ b: Number) -> Number { b.isNaN || b > a ? b : a }

/// A number moved into a range; NaN stays.
func clamped<Number: BinaryFloatingPoint>(_ number: Number, _ low: Number, _ high: Number) -> Number {
    number < low ? low : number > high ? high : number
}

/// -1, 0 or 1; NaN stays.
func sign<Number: BinaryFloatingPoint>(_ number: Number) -> Number {
    number > 0 ? 1 : number < 0 ? -1 : 0
}

// MARK: - What surrounds a rule

extension RuleReference {
    /// One element's bits before a step to those after it: decoded, stepped, encoded. The gradient is not written.
    static func step(_ types: [ElementType], _ bits: [UInt64], _ terms: RunTerms, _ c: Coefficients) -> [UInt64] {
        types.contains(.fp64)
            ? step(types, bits, terms, c, as: Double.self) : step(types, bits, terms, c, as: Float.self)
    }

    private static func step<Number: BinaryFloatingPoint>(
        _ types: [ElementType], _ bits: [UInt64], _ terms: RunTerms, _ c: Coefficients, as number: Number.Type
    ) -> [UInt64] {
        func input(_ place: Int) -> Number { place < types.count ? Number(types[place].decode(bits[place])) : 0 }
        let value = input(0)
        var gradient = Number(terms.gradientScale) * input(1)
        if terms.l2 != 0 { gradient = gradient + Number(terms.l2) * value }
        var element = Element(
            value: value, gradient: gradient, slots: [input(2), input(3), input(4), input(5)])
        let step = update(&element, c, variant: terms.variant)
        let isDecayed = terms.isCautious == 0 || !(step > 0 && value < 0 || step < 0 && value > 0)
        let after = (isDecayed ? Number(terms.decay) * value : value) - step
        finish(&element, c, value: after)
        return types.indices.map { place in
            switch place {
            case 0: types[0].encode(Double(after))
            case 1: bits[1]
            default: types[place].encode(Double(element.slots[place - 2]))
            }
        }
    }
}
