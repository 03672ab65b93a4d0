// Steps on the sphere of a parameter's first norm (Wen, Dang, Lyu, Ma and Liang: Fantastic pretraining optimizers and where to
// find them 2.1: Hyperball optimization, 2025), as arithmetic on lanes of updates u that other passes have left:
//     w = p + scale u,  scale = -lr R / |u|
//     p = scale w,  scale = R / |w|
// The first pass sums what the norms are of, the second leaves w.

import MartletKernelInterface

/// Adds up the squares of the value and of u.
struct HyperballNormsRule<Value: Lanes>: FactorPass {
    @inline(__always)
    init(_ coefficients: HyperballCoefficients, _ terms: AnyTerms<Value>) {}

    @inline(__always)
    static var readsValue: Bool { true }
    @inline(__always)
    static var sumCount: Int { 2 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) { place.sums = (place.value.square, place.factor.square) }
}

/// Leaves w, and adds up its squares.
struct HyperballMoveRule<Value: Lanes>: FactorPass {
    let rowScale: Double

    @inline(__always)
    init(_ coefficients: HyperballCoefficients, _ terms: AnyTerms<Value>) { rowScale = coefficients.scale }

    @inline(__always)
    static var readsValue: Bool { true }
    @inline(__always)
    static var leavesFactors: Bool { true }
    @inline(__always)
    static var sumCount: Int { 1 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        place.factor = place.value + place.factor
        place.sums.0 = place.factor.square
    }
}

/// Takes w, as long as it is to be.
struct HyperballUpdateRule<Value: Lanes>: ValueUpdate {
    let rowScale: Double
    private let stands: Choice<Value>

    @inline(__always)
    init(_ coefficients: HyperballCoefficients, _ terms: AnyTerms<Value>) {
        rowScale = coefficients.scale
        stands = Choice(coefficients.stands != 0)
    }

    @inline(__always)
    static var usesFactors: Bool { true }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        place.value = Value.choose(stands, place.value, place.factor)
    }
}

func hyperballNorms(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(HyperballNormsRule<FloatLanes>.self, HyperballNormsRule<DoubleLanes>.self, call, coefficients)
}

func hyperballMove(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(HyperballMoveRule<FloatLanes>.self, HyperballMoveRule<DoubleLanes>.self, call, coefficients)
}

func hyperballUpdate(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(HyperballUpdateRule<FloatLanes>.self, HyperballUpdateRule<DoubleLanes>.self, call, coefficients)
}
