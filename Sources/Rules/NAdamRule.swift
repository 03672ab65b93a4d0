// NAdam (Dozat, ICLR workshop 2016), as arithmetic on lanes:
//     m = beta1 * m + (1 - beta1) * g
//     v = beta2 * v + (1 - beta2) * g^2
//     step = (gradientRate * g + momentRate * m) / (sqrt(v) + eps)

import MartletKernelInterface

struct NAdamRule<Value: Lanes>: UpdateRule {
    private let first, second: Average<Value>
    private let gradientRate, momentRate, eps: Value

    @inline(__always)
    init(_ coefficients: NAdamCoefficients) {
        first = Average(coefficients.beta1)
        second = Average(coefficients.beta2)
        gradientRate = Value(coefficients.gradientRate)
        momentRate = Value(coefficients.momentRate)
        eps = Value(coefficients.eps)
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
        return (gradientRate * g).addingProduct(momentRate, m) / (v.squareRoot() + eps)
    }
}

func nadam(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    sweep(NAdamRule<FloatLanes>.self, NAdamRule<DoubleLanes>.self, run, coefficients)
}
