// Muon (Jordan, Jin, Boza, You, Cesista, Newhouse and Bernstein, 2024: Muon: an optimizer for hidden layers in neural
// networks) as torch.optim.Muon has it, as arithmetic on lanes:
//     m = m + (1 - momentum) (g - m),  u = m, or with Nesterov: g + momentum (m - g)
//     O = u made orthogonal (Compute/Orthogonalization.swift)
//     p = decay p - stepSize O
// The first pass leaves u for each element, in whose place the second (MatrixPasses.swift) finds O.

import MartletKernelInterface

struct MuonMomentumRule<Value: Lanes>: PassRule {
    private let average: Average<Value>
    private let momentum: Value
    private let isNesterov: Choice<Value>

    @inline(__always)
    init(_ coefficients: MuonCoefficients, _ terms: AnyTerms<Value>) {
        average = Average(coefficients.momentum)
        momentum = Value(coefficients.momentum)
        isNesterov = Choice(coefficients.isNesterov != 0)
    }

    @inline(__always)
    static var readsValue: Bool { false }
    @inline(__always)
    static var slotCount: Int { 1 }
    @inline(__always)
    static var leavesFactors: Bool { true }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        let g = place.gradient
        let m = average.next(place.first, g)
        place.first = m
        place.factor = Value.choose(isNesterov, g.addingProduct(momentum, m - g), m)
    }
}

func muonMomentum(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(MuonMomentumRule<FloatLanes>.self, MuonMomentumRule<DoubleLanes>.self, call, coefficients)
}
