// Lion (Chen et al., arXiv:2302.06675, algorithm 2), as arithmetic on lanes:
//     step = rate * sign(beta1 * m + (1 - beta1) * g)
//     m = beta2 * m + (1 - beta2) * g

import MartletKernelInterface

struct LionRule<Value: Lanes>: UpdateRule {
    private let first, second: Average<Value>
    private let rate: Value

    @inline(__always)
    init(_ coefficients: LionCoefficients) {
        first = Average(coefficients.beta1)
        second = Average(coefficients.beta2)
        rate = Value(coefficients.rate)
    }

    @inline(__always)
    static var slotCount: Int { 1 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        let g = place.gradient
        let c = first.next(place.first, g)
        place.first = second.next(place.first, g)
        return rate * c.bySign(over: Value(1), under: Value(-1), neither: Value(0))
    }
}

func lion(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    sweep(LionRule<FloatLanes>.self, LionRule<DoubleLanes>.self, run, coefficients)
}
