// ADOPT (Taniguchi et al., arXiv:2411.02853, algorithm 2), as arithmetic on lanes:
//     n = clamped(g / largest(sqrt(v), eps), between -clip and clip)
//     m = beta1 * m + (1 - beta1) * n
//     v = beta2 * v + (1 - beta2) * g^2
//     step = rate * m
// At the first step v = g^2, and that is all.

import MartletKernelInterface

struct ADOPTRule<Value: Lanes>: UpdateRule {
    private let first, second: Average<Value>
    private let rate, eps, clip, minusClip: Value
    private let isFirst: Choice<Value>

    @inline(__always)
    init(_ coefficients: ADOPTCoefficients) {
        first = Average(coefficients.beta1)
        second = Average(coefficients.beta2)
        rate = Value(coefficients.rate)
        eps = Value(coefficients.eps)
        clip = Value(coefficients.clip)
        minusClip = Value(-coefficients.clip)
        isFirst = Choice(coefficients.isFirst != 0)
    }

    @inline(__always)
    static var slotCount: Int { 2 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        let g = place.gradient
        let n = (g / place.second.squareRoot().largest(eps)).largest(minusClip).smallest(clip)
        let m = Value.choose(isFirst, place.first, first.next(place.first, n))
        place.first = m
        place.second = Value.choose(isFirst, g * g, second.next(place.second, square: g))
        return Value.choose(isFirst, Value(0), rate * m)
    }
}

func adopt(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    sweep(ADOPTRule<FloatLanes>.self, ADOPTRule<DoubleLanes>.self, run, coefficients)
}
