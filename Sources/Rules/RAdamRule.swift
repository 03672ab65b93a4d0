// RAdam (Liu, Jiang, He, Chen, Liu, Gao and Han, arXiv:1908.03265, algorithm 2), as arithmetic on lanes:
//     m = beta1 * m + (1 - beta1) * g
//     v = beta2 * v + (1 - beta2) * g^2
//     step = rate * m / (sqrt(v) + eps),  or rate * m before the variance is tractable

import MartletKernelInterface

struct RAdamRule<Value: Lanes>: UpdateRule {
    private let first, second: Average<Value>
    private let rate, eps: Value
    private let isAdaptive: Choice<Value>

    @inline(__always)
    init(_ coefficients: RAdamCoefficients) {
        first = Average(coefficients.beta1)
        second = Average(coefficients.beta2)
        rate = Value(coefficients.rate)
        eps = Value(coefficients.eps)
        isAdaptive = Choice(coefficients.isAdaptive != 0)
    }

    @inline(__always)
    static var slotCount: Int { 2 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        let g = place.gradient
        let m = first.next(place.first, g)
        let v = second.next(place.second, square: g)
        place.first = m
        place.second = v
        return rate * Value.choose(isAdaptive, m / (v.squareRoot() + eps), m)
    }
}

func radam(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    sweep(RAdamRule<FloatLanes>.self, RAdamRule<DoubleLanes>.self, run, coefficients)
}
