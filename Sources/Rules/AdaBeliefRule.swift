// AdaBelief (Zhuang, Tang, Ding, Tatikonda, Dvornek, Papademetris and Duncan, NeurIPS 2020, algorithm 2), rectified as
// RAdam is, as arithmetic on lanes:
//     m = beta1 * m + (1 - beta1) * g
//     s = beta2 * s + (1 - beta2) * (g - m)^2 + inner
//     r = s,  or with a maximum: r = max = largest(max, s)
//     step = rate * m / (sqrt(r) + outer),  or rate * m before the variance is tractable

import MartletKernelInterface

struct AdaBeliefRule<Value: Lanes, KeepsMaximum: Switch>: UpdateRule {
    private let first, second: Average<Value>
    private let rate, inner, outer: Value
    private let isAdaptive: Choice<Value>

    @inline(__always)
    init(_ coefficients: AdaBeliefCoefficients) {
        first = Average(coefficients.beta1)
        second = Average(coefficients.beta2)
        rate = Value(coefficients.rate)
        inner = Value(coefficients.inner)
        outer = Value(coefficients.outer)
        isAdaptive = Choice(coefficients.isAdaptive != 0)
    }

    @inline(__always)
    static var slotCount: Int { KeepsMaximum.isOn ? 3 : 2 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        let g = place.gradient
        let m = first.next(place.first, g)
        let s = second.next(place.second, square: g - m) + inner
        place.first = m
        place.second = s
        var r = s
        if KeepsMaximum.isOn {
            r = place.third.largest(s)
            place.third = r
        }
        return rate * Value.choose(isAdaptive, m / (r.squareRoot() + outer), m)
    }
}

func adaBelief(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    if variant(coefficients) == 0 {
        sweep(AdaBeliefRule<FloatLanes, Off>.self, AdaBeliefRule<DoubleLanes, Off>.self, run, coefficients)
    } else {
        sweep(AdaBeliefRule<FloatLanes, On>.self, AdaBeliefRule<DoubleLanes, On>.self, run, coefficients)
    }
}
