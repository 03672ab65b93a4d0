// LaProp (Ziyin, Wang and Ueda, arXiv:2002.04839), as arithmetic on lanes:
//     v = beta2 * v + (1 - beta2) * g^2
//     m = beta1 * m + inner * g / (sqrt(v) + eps)
//     step = outer * m

import MartletKernelInterface

struct LaPropRule<Value: Lanes>: UpdateRule {
    private let second: Average<Value>
    private let beta1, beta1Rest, inner, outer, eps: Value

    @inline(__always)
    init(_ coefficients: LaPropCoefficients) {
        second = Average(coefficients.beta2)
        (beta1, beta1Rest) = Value.parts(coefficients.beta1)
        inner = Value(coefficients.inner)
        outer = Value(coefficients.outer)
        eps = Value(coefficients.eps)
    }

    @inline(__always)
    static var slotCount: Int { 2 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        let g = place.gradient
        let v = second.next(place.second, square: g)
        let m = (inner * (g / (v.squareRoot() + eps))).addingProduct(beta1Rest, place.first)
            .addingProduct(beta1, place.first)
        place.first = m
        place.second = v
        return outer * m
    }
}

func laProp(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    sweep(LaPropRule<FloatLanes>.self, LaPropRule<DoubleLanes>.self, run, coefficients)
}
