// AdaBound and AMSBound (Luo, Xiong, Liu and Sun, ICLR 2019, algorithms 2 and 3), as arithmetic on lanes:
//     m = beta1 * m + (1 - beta1) * g
//     v = beta2 * v + (1 - beta2) * g^2
//     r = v,  or with AMSBound: r = max = largest(max, v)
//     step = clamped(rate / (sqrt(r) + eps), between lower and upper) * m

import MartletKernelInterface

struct AdaBoundRule<Value: Lanes, KeepsMaximum: Switch>: UpdateRule {
    private let first, second: Average<Value>
    private let rate, eps, lower, upper: Value

    @inline(__always)
    init(_ coefficients: AdaBoundCoefficients) {
        first = Average(coefficients.beta1)
        second = Average(coefficients.beta2)
        rate = Value(coefficients.rate)
        eps = Value(coefficients.eps)
        lower = Value(coefficients.lower)
        upper = Value(coefficients.upper)
    }

    @inline(__always)
    static var slotCount: Int { KeepsMaximum.isOn ? 3 : 2 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        let g = place.gradient
        let m = first.next(place.first, g)
        let v = second.next(place.second, square: g)
        place.first = m
        place.second = v
        var r = v
        if KeepsMaximum.isOn {
            r = place.third.largest(v)
            place.third = r
        }
        return (rate / (r.squareRoot() + eps)).largest(lower).smallest(upper) * m
    }
}

func adaBound(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    if variant(coefficients) == 0 {
        sweep(AdaBoundRule<FloatLanes, Off>.self, AdaBoundRule<DoubleLanes, Off>.self, run, coefficients)
    } else {
        sweep(AdaBoundRule<FloatLanes, On>.self, AdaBoundRule<DoubleLanes, On>.self, run, coefficients)
    }
}
