// Adagrad (Duchi, Hazan and Singer, JMLR 12, 2011), as arithmetic on lanes:
//     s = s + g^2,  at the first step from start where s is 0
//     step = rate * g / (sqrt(s) + eps),  or rate * g / sqrt(s + eps)

import MartletKernelInterface

struct AdagradRule<Value: Lanes>: UpdateRule {
    private let rate, eps, start: Value
    private let isFirst, isEpsInside: Choice<Value>

    @inline(__always)
    init(_ coefficients: AdagradCoefficients) {
        rate = Value(coefficients.rate)
        eps = Value(coefficients.eps)
        start = Value(coefficients.start)
        isFirst = Choice(coefficients.isFirst != 0)
        isEpsInside = Choice(coefficients.isEpsInside != 0)
    }

    @inline(__always)
    static var slotCount: Int { 1 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        let g = place.gradient
        let zero = Value(0)
        let started = place.first + place.first.bySign(over: zero, under: zero, neither: start)
        let s = Value.choose(isFirst, started, place.first).addingProduct(g, g)
        place.first = s
        let root = Value.choose(isEpsInside, s + eps, s).squareRoot()
        return rate * (g / Value.choose(isEpsInside, root, root + eps))
    }
}

func adagrad(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    sweep(AdagradRule<FloatLanes>.self, AdagradRule<DoubleLanes>.self, run, coefficients)
}
