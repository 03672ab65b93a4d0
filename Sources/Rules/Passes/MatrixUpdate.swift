// The last pass of algorithms that step matrices:
//     p = decay p - stepSize u
// where u is what has become of the numbers that earlier passes have left.

import MartletKernelInterface

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

func matrixUpdate(_ part: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(MatrixUpdateRule<FloatLanes>.self, MatrixUpdateRule<DoubleLanes>.self, part, coefficients)
}
