// MARS with AdamW's step (Yuan, Liu, Wu, Zhou and Gu, arXiv:2411.10438, algorithm 2, in its approximate form), as arithmetic
// on lanes:
//     c = share (g + correction (g - q)),  share = 1 / max(1, |g + correction (g - q)|),  q = g
//     m = m + (1 - beta1) (c - m),  v = beta2 v + (1 - beta2) c^2
//     p = decay p - stepSize m / (sqrt(v) + eps)
// The first pass sums what the norm is of, of the gradient and of the one before, q; the second does the rest.

import MartletKernelInterface

struct MARSNormRule<Value: Lanes>: PassRule {
    private let correction: Value

    @inline(__always)
    init(_ coefficients: MARSCoefficients, _ terms: AnyTerms<Value>) {
        correction = Value(coefficients.correction)
    }

    @inline(__always)
    static var readsValue: Bool { false }
    @inline(__always)
    static var slotCount: Int { 1 }
    @inline(__always)
    var writtenSlots: Int { 0 }
    @inline(__always)
    static var sumCount: Int { 1 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        let g = place.gradient
        place.sums.0 = (g + correction * (g - place.first)).square
    }
}

struct MARSUpdateRule<Value: Lanes>: PassRule {
    private let terms: AnyTerms<Value>
    private let first, second: Average<Value>
    private let correction, share, stepSize, eps: Value

    @inline(__always)
    init(_ coefficients: MARSCoefficients, _ terms: AnyTerms<Value>) {
        self.terms = terms
        first = Average(coefficients.beta1)
        second = Average(coefficients.beta2)
        correction = Value(coefficients.correction)
        share = Value(coefficients.share)
        stepSize = Value(coefficients.stepSize)
        eps = Value(coefficients.eps)
    }

    @inline(__always)
    static var readsValue: Bool { true }
    @inline(__always)
    static var writesValue: Bool { true }
    @inline(__always)
    static var slotCount: Int { 3 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        let g = place.gradient
        let c = share * (g + correction * (g - place.first))
        place.first = g
        place.second = first.next(place.second, c)
        place.third = second.next(place.third, square: c)
        let step = stepSize * (place.second / (place.third.squareRoot() + eps))
        place.value = terms.value(place.value, after: step)
    }
}

func marsNorm(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(MARSNormRule<FloatLanes>.self, MARSNormRule<DoubleLanes>.self, call, coefficients)
}

func marsUpdate(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(MARSUpdateRule<FloatLanes>.self, MARSUpdateRule<DoubleLanes>.self, call, coefficients)
}
