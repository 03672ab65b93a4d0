// Shampoo (Gupta, Koren and Singer, arXiv:1802.09568) with an average for the gradient, as Shi, Lee, Iwasaki and others have it
// (A distributed data-parallel PyTorch implementation of the distributed Shampoo optimizer, arXiv:2309.06497), as arithmetic
// on lanes:
//     m = m + (1 - beta1) (g - m),  u = correction m, multiplied by inverse roots (Compute/Preconditioning.swift)
//     p = decay p - stepSize u
// and grafted, with stepSize times |a| / |u|:
//     v = beta2 v + (1 - beta2) g^2,  a = correction m / (rootCorrection sqrt(v) + eps)
// The gradient is left by one pass, and |u| summed and p moved by others, of MatrixPasses.swift's.

import MartletKernelInterface

/// Leaves u of what the gradient has left.
struct ShampooAverageRule<Value: Lanes>: FactorPass {
    private let average: Average<Value>
    private let correction: Value

    @inline(__always)
    init(_ coefficients: ShampooCoefficients, _ terms: AnyTerms<Value>) {
        average = Average(coefficients.beta1)
        correction = Value(coefficients.correction)
    }

    @inline(__always)
    static var slotCount: Int { 1 }
    @inline(__always)
    static var leavesFactors: Bool { true }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        place.first = average.next(place.first, place.factor)
        place.factor = correction * place.first
    }
}

/// The same, and adds up the squares of a.
struct ShampooGraftRule<Value: Lanes>: FactorPass {
    private let average: ShampooAverageRule<Value>
    private let second: Average<Value>
    private let rootCorrection, eps: Value

    @inline(__always)
    init(_ coefficients: ShampooCoefficients, _ terms: AnyTerms<Value>) {
        average = ShampooAverageRule(coefficients, terms)
        second = Average(coefficients.beta2)
        rootCorrection = Value(coefficients.rootCorrection)
        eps = Value(coefficients.eps)
    }

    @inline(__always)
    static var slotCount: Int { 2 }
    @inline(__always)
    static var leavesFactors: Bool { true }
    @inline(__always)
    static var sumCount: Int { 1 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        place.second = second.next(place.second, square: place.factor)
        average.update(&place)
        place.sums.0 = (place.factor / (rootCorrection * place.second.squareRoot() + eps)).square
    }
}

func shampooAverage(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(ShampooAverageRule<FloatLanes>.self, ShampooAverageRule<DoubleLanes>.self, call, coefficients)
}

func shampooGraft(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(ShampooGraftRule<FloatLanes>.self, ShampooGraftRule<DoubleLanes>.self, call, coefficients)
}
