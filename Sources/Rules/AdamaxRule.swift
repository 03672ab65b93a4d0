// Adamax (Kingma and Ba, arXiv:1412.6980, algorithm 2), as arithmetic on lanes:
//     m = beta1 * m + (1 - beta1) * g
//     u = largest(beta2 * u, |g| + inner)
//     step = rate * m / (u + outer)

import MartletKernelInterface

struct AdamaxRule<Value: Lanes>: UpdateRule {
    private let average: Average<Value>
    private let beta2, rate, inner, outer: Value

    @inline(__always)
    init(_ coefficients: AdamaxCoefficients) {
        average = Average(coefficients.beta1)
        beta2 = Value(coefficients.beta2)
        rate = Value(coefficients.rate)
        inner = Value(coefficients.inner)
        outer = Value(coefficients.outer)
    }

    @inline(__always)
    static var slotCount: Int { 2 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        let g = place.gradient
        let m = average.next(place.first, g)
        let u = (beta2 * place.second).largest(g.magnitude + inner)
        place.first = m
        place.second = u
        return rate * (m / (u + outer))
    }
}

func adamax(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    sweep(AdamaxRule<FloatLanes>.self, AdamaxRule<DoubleLanes>.self, run, coefficients)
}
