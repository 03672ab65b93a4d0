// Adan (Xie, Zhou, Li, Lin and Yan, arXiv:2208.06677, algorithm 1), as arithmetic on lanes; last is the gradient before this
// one, negated:
//     d = g + last,  0 at the first step
//     m = beta1 * m + (1 - beta1) * g
//     w = beta2 * w + (1 - beta2) * d
//     n = beta3 * n + (1 - beta3) * (g + look * d)^2
//     step = (rate * m + differenceRate * w) / (sqrt(n) + eps)

import MartletKernelInterface

struct AdanRule<Value: Lanes>: UpdateRule {
    private let first, second, third: Average<Value>
    private let look, rate, differenceRate, eps: Value
    private let isFirst: Choice<Value>

    @inline(__always)
    init(_ coefficients: AdanCoefficients) {
        first = Average(coefficients.beta1)
        second = Average(coefficients.beta2)
        third = Average(coefficients.beta3)
        look = Value(coefficients.look)
        rate = Value(coefficients.rate)
        differenceRate = Value(coefficients.differenceRate)
        eps = Value(coefficients.eps)
        isFirst = Choice(coefficients.isFirst != 0)
    }

    @inline(__always)
    static var slotCount: Int { 4 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        let g = place.gradient
        let d = Value.choose(isFirst, Value(0), g + place.fourth)
        let m = first.next(place.first, g)
        let n = third.next(place.second, square: g.addingProduct(look, d))
        let w = second.next(place.third, d)
        place.first = m
        place.second = n
        place.third = w
        place.fourth = Value(-1) * g
        return (rate * m).addingProduct(differenceRate, w) / (n.squareRoot() + eps)
    }
}

func adan(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    sweep(AdanRule<FloatLanes>.self, AdanRule<DoubleLanes>.self, run, coefficients)
}
