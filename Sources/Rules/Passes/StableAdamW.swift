// StableAdamW (Wortsman, Dettmers, Zettlemoyer, Morcos, Farhadi and Schmidt, arXiv:2304.13013, algorithm 2), as arithmetic
// on lanes, with averages whose rates hold the bias correction:
//     m = m + (1 - beta1') (g - m),  v = beta2' v + (1 - beta2') g^2,  beta' = (beta^t - beta) / (beta^t - 1)
//     p = decay p - stepSize m / (sqrt(v) + eps),  stepSize = lr / max(1, rms(g / max(sqrt(v), eps)))
// The first pass moves the averages on and sums what the mean is of; decay has the smaller rate too.

import MartletKernelInterface

struct StableAdamWAveragesRule<Value: Lanes>: PassRule {
    private let first, second: Average<Value>
    private let eps: Value

    @inline(__always)
    init(_ coefficients: StableAdamWCoefficients, _ terms: AnyTerms<Value>) {
        first = Average(coefficients.beta1)
        second = Average(coefficients.beta2)
        eps = Value(coefficients.eps)
    }

    @inline(__always)
    static var readsValue: Bool { false }
    @inline(__always)
    static var slotCount: Int { 2 }
    @inline(__always)
    static var sumCount: Int { 1 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        let g = place.gradient
        place.first = first.next(place.first, g)
        place.second = second.next(place.second, square: g)
        place.sums.0 = (g / place.second.squareRoot().largest(eps)).square
    }
}

struct StableAdamWUpdateRule<Value: Lanes>: ValueUpdate {
    private let terms: AnyTerms<Value>
    private let eps, stepSize: Value

    @inline(__always)
    init(_ coefficients: StableAdamWCoefficients, _ terms: AnyTerms<Value>) {
        self.terms = terms
        eps = Value(coefficients.eps)
        stepSize = Value(coefficients.stepSize)
    }

    @inline(__always)
    static var slotCount: Int { 2 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        let step = stepSize * (place.first / (place.second.squareRoot() + eps))
        place.value = terms.value(place.value, after: step)
    }
}

func stableAdamWAverages(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(StableAdamWAveragesRule<FloatLanes>.self, StableAdamWAveragesRule<DoubleLanes>.self, call, coefficients)
}

func stableAdamWUpdate(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(StableAdamWUpdateRule<FloatLanes>.self, StableAdamWUpdateRule<DoubleLanes>.self, call, coefficients)
}
