// AdEMAMix (Pagliardini, Ablin and Grangier, arXiv:2409.03137), as arithmetic on lanes:
//     m = beta1 * m + (1 - beta1) * g
//     n = beta3 * n + (1 - beta3) * g
//     v = beta2 * v + (1 - beta2) * g^2
//     step = (rate * m + slowRate * n) / (sqrt(v) + eps)

import MartletKernelInterface

struct AdEMAMixRule<Value: Lanes>: UpdateRule {
    private let first, second, third: Average<Value>
    private let rate, slowRate, eps: Value

    @inline(__always)
    init(_ coefficients: AdEMAMixCoefficients) {
        first = Average(coefficients.beta1)
        second = Average(coefficients.beta2)
        third = Average(coefficients.beta3)
        rate = Value(coefficients.rate)
        slowRate = Value(coefficients.slowRate)
        eps = Value(coefficients.eps)
    }

    @inline(__always)
    static var slotCount: Int { 3 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        let g = place.gradient
        let m = first.next(place.first, g)
        let n = third.next(place.second, g)
        let v = second.next(place.third, square: g)
        place.first = m
        place.second = n
        place.third = v
        return (rate * m).addingProduct(slowRate, n) / (v.squareRoot() + eps)
    }
}

func adEMAMix(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    sweep(AdEMAMixRule<FloatLanes>.self, AdEMAMixRule<DoubleLanes>.self, run, coefficients)
}
