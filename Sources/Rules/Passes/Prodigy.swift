// Prodigy (Mishchenko and Defazio, arXiv:2306.06101, algorithm 4, as in konstmish/prodigy), as arithmetic on lanes, with d the
// distance from the start that was estimated before the step:
//     m = m + (1 - beta1) (d g - m),  v = beta2 v + (1 - beta2) (d g)^2,  s = beta3 s + sumWeight g
//     p = decay p - stepSize m / (sqrt(v) + scaledEps)
// The first pass moves m, v and s on and sums g (p0 - p) and |s|, of which the next d is made; eps is times that. p0, the
// fourth slot, is p at the first step. Where nothing is to move, nothing is written that was not there.

import MartletKernelInterface

struct ProdigyAveragesRule<Value: Lanes>: PassRule {
    private let terms: AnyTerms<Value>
    private let first, second: Average<Value>
    private let beta3, d, sumWeight: Value
    private let isFirst, stands: Choice<Value>
    let writtenSlots: Int

    @inline(__always)
    init(_ coefficients: ProdigyCoefficients, _ terms: AnyTerms<Value>) {
        self.terms = terms
        first = Average(coefficients.beta1)
        second = Average(coefficients.beta2)
        beta3 = Value(coefficients.beta3)
        d = Value(coefficients.d)
        sumWeight = Value(coefficients.sumWeight)
        isFirst = Choice(coefficients.isFirst != 0)
        stands = Choice(coefficients.stands != 0)
        writtenSlots = coefficients.isFirst != 0 ? 4 : 3
    }

    @inline(__always)
    static var readsValue: Bool { true }
    @inline(__always)
    static var slotCount: Int { 4 }
    @inline(__always)
    static var sumCount: Int { 2 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        let g = terms.decayed(place.gradient, of: place.value)
        let scaled = d * g
        place.fourth = Value.choose(isFirst, place.value, place.fourth)
        let s = beta3 * place.third + sumWeight * g
        place.sums.0 = g.wide * (place.fourth - place.value).wide
        place.sums.1 = s.magnitude.wide
        place.first = Value.choose(stands, place.first, first.next(place.first, scaled))
        place.second = Value.choose(stands, place.second, second.next(place.second, square: scaled))
        place.third = Value.choose(stands, place.third, s)
    }
}

struct ProdigyUpdateRule<Value: Lanes>: ValueUpdate {
    private let terms: AnyTerms<Value>
    private let stepSize, eps: Value
    private let stands: Choice<Value>

    @inline(__always)
    init(_ coefficients: ProdigyCoefficients, _ terms: AnyTerms<Value>) {
        self.terms = terms
        stepSize = Value(coefficients.stepSize)
        eps = Value(coefficients.scaledEps)
        stands = Choice(coefficients.stands != 0)
    }

    @inline(__always)
    static var slotCount: Int { 2 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        let step = stepSize * (place.first / (place.second.squareRoot() + eps))
        place.value = Value.choose(stands, place.value, terms.value(place.value, after: step))
    }
}

func prodigyAverages(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(ProdigyAveragesRule<FloatLanes>.self, ProdigyAveragesRule<DoubleLanes>.self, call, coefficients)
}

func prodigyUpdate(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(ProdigyUpdateRule<FloatLanes>.self, ProdigyUpdateRule<DoubleLanes>.self, call, coefficients)
}
