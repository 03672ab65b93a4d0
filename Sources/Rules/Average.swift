// The exponential average that nearly every rule keeps: old * beta + new * (1 - beta), to a rounding or two.

import MartletKernelInterface

/// An average with a decay rate.
struct Average<Value: Lanes> {
    private let isShort: Choice<Value>
    private let weight, minusBeta: Value
    /// beta in two parts, of which the second holds what rounding the first loses: it would be lost at every step.
    private let beta, betaRest: Value

    @inline(__always)
    init(_ beta: Double) {
        isShort = Choice(1 - beta < 0.5)
        weight = Value(1 - beta)
        minusBeta = Value(-beta)
        (self.beta, betaRest) = Value.parts(beta)
    }

    /// With one more number, by the shorter way from one of the two: equal numbers stay as they are.
    @inline(__always)
    func next(_ old: Value, _ new: Value) -> Value {
        Value.choose(isShort, old, new).addingProduct(Value.choose(isShort, weight, minusBeta), new - old)
    }

    /// With one more square.
    @inline(__always)
    func next(_ old: Value, square root: Value) -> Value {
        (betaRest * old).addingProduct(weight * root, root).addingProduct(beta, old)
    }
}
