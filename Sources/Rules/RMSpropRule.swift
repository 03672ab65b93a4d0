// RMSprop (Tieleman and Hinton, 2012), centered (Graves, arXiv:1308.0850) and with momentum, as arithmetic on lanes:
//     v = alpha * v + (1 - alpha) * g^2
//     a = alpha * a + (1 - alpha) * g,  where centered; then r = v - a^2, else r = v
//     u = g / (sqrt(r) + eps),  or g / sqrt(r + eps)
//     b = momentum * b + inner * u,  with momentum
//     step = outer * b, or outer * u

import MartletKernelInterface

struct RMSpropRule<Value: Lanes, KeepsMomentum: Switch, IsCentered: Switch>: UpdateRule {
    private let average: Average<Value>
    private let momentum, inner, outer, eps: Value
    private let isEpsInside: Choice<Value>

    @inline(__always)
    init(_ coefficients: RMSpropCoefficients) {
        average = Average(coefficients.alpha)
        momentum = Value(coefficients.momentum)
        inner = Value(coefficients.inner)
        outer = Value(coefficients.outer)
        eps = Value(coefficients.eps)
        isEpsInside = Choice(coefficients.isEpsInside != 0)
    }

    @inline(__always)
    static var slotCount: Int { 1 + (KeepsMomentum.isOn ? 1 : 0) + (IsCentered.isOn ? 1 : 0) }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        let g = place.gradient
        let v = average.next(place.first, square: g)
        place.first = v
        var r = v
        if IsCentered.isOn {
            let a = average.next(KeepsMomentum.isOn ? place.third : place.second, g)
            if KeepsMomentum.isOn { place.third = a } else { place.second = a }
            r = v - a * a
        }
        let root = Value.choose(isEpsInside, r + eps, r).squareRoot()
        let u = g / Value.choose(isEpsInside, root, root + eps)
        if !KeepsMomentum.isOn { return outer * u }
        let b = (inner * u).addingProduct(momentum, place.second)
        place.second = b
        return outer * b
    }
}

func rmsprop(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    switch variant(coefficients) {
    case 0: sweep(RMSpropRule<FloatLanes, Off, Off>.self, RMSpropRule<DoubleLanes, Off, Off>.self, run, coefficients)
    case 1: sweep(RMSpropRule<FloatLanes, On, Off>.self, RMSpropRule<DoubleLanes, On, Off>.self, run, coefficients)
    case 2: sweep(RMSpropRule<FloatLanes, Off, On>.self, RMSpropRule<DoubleLanes, Off, On>.self, run, coefficients)
    default: sweep(RMSpropRule<FloatLanes, On, On>.self, RMSpropRule<DoubleLanes, On, On>.self, run, coefficients)
    }
}
