// The cautious mask (Liang, Chen, Liu and Liu: Cautious optimizers, arXiv:2411.16085, algorithm 1), as arithmetic on lanes:
//     u = mask u,  mask = 1 where u and g have one sign, else 0
// of the updates that stand in the first slot's place; g is the gradient with all that the run's terms add to it, and is
// left for each element, since a rule that is to make u has to be given it. The sum is that of the mask.

import MartletKernelInterface

struct CautionRule<Value: Lanes>: PassRule {
    private let terms: AnyTerms<Value>
    private let direction: Value

    @inline(__always)
    init(_ coefficients: CautionCoefficients, _ terms: AnyTerms<Value>) {
        self.terms = terms
        direction = Value(coefficients.direction)
    }

    @inline(__always)
    static var readsValue: Bool { true }
    @inline(__always)
    static var slotCount: Int { 1 }
    @inline(__always)
    static var leavesFactors: Bool { true }
    @inline(__always)
    static var sumCount: Int { 1 }

    /// Multiplied, so that a NaN stays one. Signs are compared, since the product of small numbers is 0.
    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        let g = terms.decayed(place.gradient, of: place.value)
        let mask = (direction * place.first).opposing(g, Value(1), otherwise: Value(0))
        place.factor = g
        place.first = mask * place.first
        place.sums.0 = mask.wide
    }
}

func caution(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(CautionRule<FloatLanes>.self, CautionRule<DoubleLanes>.self, call, coefficients)
}
