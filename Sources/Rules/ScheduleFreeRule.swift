// Schedule-Free gradient descent and Adam (Defazio, Yang, Mehta, Mishchenko, Khaled and Cutkosky, arXiv:2405.15682), as
// arithmetic on lanes. The value is y, where gradients are taken; z starts as it:
//     v = beta2 * v + (1 - beta2) * g^2,  with a second moment
//     u = g / (sqrt(v) * rootScale + eps),  or g;  then u = u + l2 * y
//     step = c * (y - z) + valueRate * u
//     z = z - rate * u

import MartletKernelInterface

struct ScheduleFreeRule<Value: Lanes, KeepsSquares: Switch>: UpdateRule {
    private let second: Average<Value>
    private let rootScale, eps, l2, c, valueRate, rate: Value
    private let isAdaptive, isFirst, addsDecay: Choice<Value>

    @inline(__always)
    init(_ coefficients: ScheduleFreeCoefficients) {
        second = Average(coefficients.beta2)
        rootScale = Value(coefficients.rootScale)
        eps = Value(coefficients.eps)
        l2 = Value(coefficients.l2)
        c = Value(coefficients.c)
        valueRate = Value(coefficients.valueRate)
        rate = Value(coefficients.rate)
        isAdaptive = Choice(coefficients.isAdaptive != 0)
        isFirst = Choice(coefficients.isFirst != 0)
        addsDecay = Choice(coefficients.l2 != 0)
    }

    @inline(__always)
    static var slotCount: Int { KeepsSquares.isOn ? 2 : 1 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        let y = place.value
        var u = place.gradient
        if KeepsSquares.isOn {
            let v = second.next(place.second, square: u)
            place.second = v
            u = Value.choose(isAdaptive, u / (v.squareRoot() * rootScale + eps), u)
        }
        u = Value.choose(addsDecay, u + l2 * y, u)
        let z = Value.choose(isFirst, y, place.first)
        place.first = z - rate * u
        return (c * (y - z)).addingProduct(valueRate, u)
    }
}

func scheduleFree(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    if variant(coefficients) == 0 {
        sweep(ScheduleFreeRule<FloatLanes, Off>.self, ScheduleFreeRule<DoubleLanes, Off>.self, run, coefficients)
    } else {
        sweep(ScheduleFreeRule<FloatLanes, On>.self, ScheduleFreeRule<DoubleLanes, On>.self, run, coefficients)
    }
}
