// Gradient descent with momentum (Polyak, 1964) and Nesterov's look ahead (Sutskever, Martens, Dahl and Hinton, ICML 2013),
// as arithmetic on lanes:
//     b = momentum * b + inner * g,  or g at the first step
//     step = outer * b,  or with Nesterov: outer * (momentum * b + look * g)

import MartletKernelInterface

struct SGDRule<Value: Lanes, KeepsMomentum: Switch>: UpdateRule {
    private let momentum, inner, look, outer: Value
    private let isFirst, isNesterov: Choice<Value>

    @inline(__always)
    init(_ coefficients: SGDCoefficients) {
        momentum = Value(coefficients.momentum)
        inner = Value(coefficients.inner)
        look = Value(coefficients.look)
        outer = Value(coefficients.outer)
        isFirst = Choice(coefficients.isFirst != 0)
        isNesterov = Choice(coefficients.isNesterov != 0)
    }

    @inline(__always)
    static var slotCount: Int { KeepsMomentum.isOn ? 1 : 0 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        let g = place.gradient
        if !KeepsMomentum.isOn { return outer * g }
        let b = Value.choose(isFirst, g, (inner * g).addingProduct(momentum, place.first))
        place.first = b
        return outer * Value.choose(isNesterov, (look * g).addingProduct(momentum, b), b)
    }
}

func sgd(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    if variant(coefficients) == 0 {
        sweep(SGDRule<FloatLanes, Off>.self, SGDRule<DoubleLanes, Off>.self, run, coefficients)
    } else {
        sweep(SGDRule<FloatLanes, On>.self, SGDRule<DoubleLanes, On>.self, run, coefficients)
    }
}
