// The passes that algorithms which step matrices have in common: the first, which leaves the gradient to be worked on, the
// sum of the squares of what has become of it, and the last:
//     p = decay p - stepSize u

import MartletKernelInterface

/// Leaves the gradient.
struct MatrixGradientRule<Value: Lanes>: PassRule {
    @inline(__always)
    init(_ coefficients: MatrixUpdateCoefficients, _ terms: AnyTerms<Value>) {}

    @inline(__always)
    static var readsValue: Bool { false }
    @inline(__always)
    static var leavesFactors: Bool { true }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) { place.factor = place.gradient }
}

/// Adds up the squares of what has been left.
struct MatrixNormRule<Value: Lanes>: FactorPass {
    @inline(__always)
    init(_ coefficients: MatrixUpdateCoefficients, _ terms: AnyTerms<Value>) {}

    @inline(__always)
    static var sumCount: Int { 1 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) { place.sums.0 = place.factor.square }
}

/// Moves the value by what has been left.
struct MatrixUpdateRule<Value: Lanes>: ValueUpdate {
    private let terms: AnyTerms<Value>
    let rowScale: Double

    @inline(__always)
    init(_ coefficients: MatrixUpdateCoefficients, _ terms: AnyTerms<Value>) {
        self.terms = terms
        rowScale = coefficients.stepSize
    }

    @inline(__always)
    static var usesFactors: Bool { true }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        place.value = terms.value(place.value, after: place.factor)
    }
}

func matrixGradient(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(MatrixGradientRule<FloatLanes>.self, MatrixGradientRule<DoubleLanes>.self, call, coefficients)
}

func matrixNorm(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(MatrixNormRule<FloatLanes>.self, MatrixNormRule<DoubleLanes>.self, call, coefficients)
}

func matrixUpdate(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(MatrixUpdateRule<FloatLanes>.self, MatrixUpdateRule<DoubleLanes>.self, call, coefficients)
}
