// Adadelta (Zeiler, arXiv:1212.5701, algorithm 1), as arithmetic on lanes:
//     v = rho * v + (1 - rho) * g^2
//     u = sqrt(d + eps) / sqrt(v + eps) * g
//     d = rho * d + (1 - rho) * u^2
//     step = rate * u

import MartletKernelInterface

struct AdadeltaRule<Value: Lanes>: UpdateRule {
    private let average: Average<Value>
    private let rate, eps: Value

    @inline(__always)
    init(_ coefficients: AdadeltaCoefficients) {
        average = Average(coefficients.rho)
        rate = Value(coefficients.rate)
        eps = Value(coefficients.eps)
    }

    @inline(__always)
    static var slotCount: Int { 2 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        let g = place.gradient
        let v = average.next(place.first, square: g)
        let u = (place.second + eps).squareRoot() / (v + eps).squareRoot() * g
        place.first = v
        place.second = average.next(place.second, square: u)
        return rate * u
    }
}

func adadelta(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    sweep(AdadeltaRule<FloatLanes>.self, AdadeltaRule<DoubleLanes>.self, run, coefficients)
}
