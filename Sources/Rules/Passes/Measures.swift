// The passes that measure a step: the sums of the gradient's squares before it, and behind it those of what the value has changed
// by, with the value as it was in the gradient's place. Each square is in fp64.

import MartletKernelInterface

struct GradientSquaresRule<Value: Lanes>: PassRule {
    @inline(__always)
    init(_ coefficients: MatrixUpdateCoefficients, _ terms: AnyTerms<Value>) {}

    @inline(__always)
    static var readsValue: Bool { false }
    @inline(__always)
    static var sumCount: Int { 1 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) { place.sums.0 = place.gradient.square }
}

struct ChangeSquaresRule<Value: Lanes>: PassRule {
    @inline(__always)
    init(_ coefficients: MatrixUpdateCoefficients, _ terms: AnyTerms<Value>) {}

    @inline(__always)
    static var readsValue: Bool { true }
    @inline(__always)
    static var sumCount: Int { 1 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) { place.sums.0 = (place.value - place.gradient).square }
}

func gradientSquares(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(GradientSquaresRule<FloatLanes>.self, GradientSquaresRule<DoubleLanes>.self, call, coefficients)
}

func changeSquares(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(ChangeSquaresRule<FloatLanes>.self, ChangeSquaresRule<DoubleLanes>.self, call, coefficients)
}
