// SOAP (Vyas, Morwani, Zhao, Kwun, Shapira, Brandfonbrener, Janson and Kakade, arXiv:2409.11321), as arithmetic on lanes of
// what stands in the eigenbases of Compute/Preconditioning.swift:
//     g, turned forth,  m = m + (1 - beta1) (g - m),  v = beta2 v + (1 - beta2) g^2
//     u = m / (sqrt(v) + eps), turned back,  p = decay p - stepSize u
// The gradient is left by one pass and p moved by another of MatrixPasses.swift's. Each pass leaves a number for each element,
// in whose place the next finds what has become of it. Where bases are refreshed, the pass that moves p leaves m, and one
// more takes what it is in the new bases.

import MartletKernelInterface

struct SOAPAveragesRule<Value: Lanes>: FactorPass {
    private let first, second: Average<Value>
    private let eps: Value

    @inline(__always)
    init(_ coefficients: SOAPCoefficients, _ terms: AnyTerms<Value>) {
        first = Average(coefficients.beta1)
        second = Average(coefficients.beta2)
        eps = Value(coefficients.eps)
    }

    @inline(__always)
    static var slotCount: Int { 2 }
    @inline(__always)
    static var leavesFactors: Bool { true }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        place.first = first.next(place.first, place.factor)
        place.second = second.next(place.second, square: place.factor)
        place.factor = place.first / (place.second.squareRoot() + eps)
    }
}

/// Moves the value, and leaves m.
struct SOAPUpdateRule<Value: Lanes>: ValueUpdate {
    private let update: MatrixUpdateRule<Value>
    let rowScale: Double

    @inline(__always)
    init(_ coefficients: SOAPCoefficients, _ terms: AnyTerms<Value>) {
        update = MatrixUpdateRule(coefficients.update, terms)
        rowScale = update.rowScale
    }

    @inline(__always)
    static var slotCount: Int { 1 }
    @inline(__always)
    static var usesFactors: Bool { true }
    @inline(__always)
    static var leavesFactors: Bool { true }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        update.update(&place)
        place.factor = place.first
    }
}

/// Takes m from where it has been left.
struct SOAPMomentRule<Value: Lanes>: FactorPass {
    @inline(__always)
    init(_ coefficients: SOAPCoefficients, _ terms: AnyTerms<Value>) {}

    @inline(__always)
    static var slotCount: Int { 1 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) { place.first = place.factor }
}

func soapAverages(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(SOAPAveragesRule<FloatLanes>.self, SOAPAveragesRule<DoubleLanes>.self, call, coefficients)
}

func soapUpdate(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(SOAPUpdateRule<FloatLanes>.self, SOAPUpdateRule<DoubleLanes>.self, call, coefficients)
}

func soapMoment(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(SOAPMomentRule<FloatLanes>.self, SOAPMomentRule<DoubleLanes>.self, call, coefficients)
}
