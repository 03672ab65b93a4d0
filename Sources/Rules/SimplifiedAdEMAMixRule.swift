// Simplified AdEMAMix (Morwani, Vyas, Zhang and Kakade, arXiv:2502.02431), as arithmetic on lanes:
//     m = beta1 * m + g
//     v = beta2 * v + (1 - beta2) * g^2
//     step = (rate * m + gradientRate * g) / (sqrt(v) + eps)

import MartletKernelInterface

struct SimplifiedAdEMAMixRule<Value: Lanes>: UpdateRule {
    private let second: Average<Value>
    private let beta1, beta1Rest, rate, gradientRate, eps: Value

    @inline(__always)
    init(_ coefficients: SimplifiedAdEMAMixCoefficients) {
        second = Average(coefficients.beta2)
        (beta1, beta1Rest) = Value.parts(coefficients.beta1)
        rate = Value(coefficients.rate)
        gradientRate = Value(coefficients.gradientRate)
        eps = Value(coefficients.eps)
    }

    @inline(__always)
    static var slotCount: Int { 2 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        let g = place.gradient
        let m = (beta1Rest * place.first + g).addingProduct(beta1, place.first)
        let v = second.next(place.second, square: g)
        place.first = m
        place.second = v
        return (rate * m).addingProduct(gradientRate, g) / (v.squareRoot() + eps)
    }
}

func simplifiedAdEMAMix(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    sweep(SimplifiedAdEMAMixRule<FloatLanes>.self, SimplifiedAdEMAMixRule<DoubleLanes>.self, run, coefficients)
}
