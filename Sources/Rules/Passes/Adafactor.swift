// Adafactor (Shazeer and Stern, arXiv:1804.04235, algorithms 4 and 5) as in torch.optim.Adafactor, as arithmetic on lanes.
// For matrices, of r rows and c columns, with w = t^beta2_decay:
//     row_var = row_var + w (mean of g^2 along the row - row_var)
//     col_var = col_var + w (mean of g^2 along the column - col_var)
//     v = row_var col_var / max(mean of row_var, eps)
// For vectors:
//     v = variance = variance + w (g^2 - variance)
// For both, with the root mean square of p over all elements, and that of u:
//     u = g / max(sqrt(v), eps)
//     p = decay * p - alpha u / max(1, RMS(u) / clipping_threshold),  alpha = max(eps2, RMS(p)) min(lr, 1 / sqrt(t))
// The paper adds eps to g^2 and bounds nothing with it, and so do Keras and optax; optax's alpha has lr for the minimum.
// 1 / sqrt(v) is the product of a factor for the row and one for the column, formed in fp64 once for each.

import MartletKernelInterface

/// The sums over the squares of gradients and parameters.
struct AdafactorSumsRule<Value: Lanes>: PassRule {
    @inline(__always)
    init(_ coefficients: AdafactorCoefficients, _ terms: AnyTerms<Value>) {}

    @inline(__always)
    static var readsValue: Bool { true }
    @inline(__always)
    static var sumsGrid: Bool { true }
    @inline(__always)
    static var sumCount: Int { 1 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        place.square = place.gradient.square
        place.sums.0 = place.value.square
    }
}

/// The same where the sums of rows and columns are formed afterwards: the squares of gradients are left.
struct AdafactorSquaresRule<Value: Lanes>: PassRule {
    @inline(__always)
    init(_ coefficients: AdafactorCoefficients, _ terms: AnyTerms<Value>) {}

    @inline(__always)
    static var readsValue: Bool { true }
    @inline(__always)
    static var leavesFactors: Bool { true }
    @inline(__always)
    static var sumCount: Int { 1 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        place.factor = place.gradient * place.gradient
        place.sums.0 = place.value.square
    }
}

/// The sum over the squares of u; it goes where the second sum is.
struct AdafactorNormRule<Value: Lanes>: PassRule {
    private let limit: Value

    @inline(__always)
    init(_ coefficients: AdafactorCoefficients, _ terms: AnyTerms<Value>) { limit = Value(coefficients.limit) }

    @inline(__always)
    static var readsValue: Bool { false }
    @inline(__always)
    static var sumCount: Int { 2 }
    @inline(__always)
    static var usesFactors: Bool { true }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        place.sums.1 = (place.gradient * place.factor.smallest(limit)).square
    }
}

/// The step. The scale is in the row's factor and in the limit.
struct AdafactorUpdateRule<Value: Lanes>: PassRule {
    private let decay, limit, sign: Value
    let rowScale: Double

    @inline(__always)
    init(_ coefficients: AdafactorCoefficients, _ terms: AnyTerms<Value>) {
        decay = terms.decay
        limit = Value(coefficients.limit)
        sign = Value(coefficients.alpha < 0 ? 1 : -1)
        rowScale = coefficients.scale
    }

    @inline(__always)
    static var readsValue: Bool { true }
    @inline(__always)
    static var writesValue: Bool { true }
    @inline(__always)
    static var usesFactors: Bool { true }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        let factor = place.factor.smallest(limit)
        place.value = (decay * place.value).addingProduct(sign * factor, place.gradient)
    }
}

/// A vector's variance, and the sums over the squares of p and of u.
struct AdafactorVarianceRule<Value: Lanes>: PassRule {
    private let average: Average<Value>
    private let limit, added: Value

    @inline(__always)
    init(_ coefficients: AdafactorCoefficients, _ terms: AnyTerms<Value>) {
        average = Average(1 - coefficients.weight)
        added = Value(coefficients.weight * coefficients.added)
        limit = Value(coefficients.limit)
    }

    @inline(__always)
    static var readsValue: Bool { true }
    @inline(__always)
    static var slotCount: Int { 1 }
    @inline(__always)
    static var sumCount: Int { 2 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        let g = place.gradient
        let v = average.next(place.first, square: g) + added
        place.first = v
        place.sums.0 = place.value.square
        place.sums.1 = (g * (Value(1) / v.squareRoot()).smallest(limit)).square
    }
}

/// A vector's step.
struct AdafactorVectorUpdateRule<Value: Lanes>: PassRule {
    private let decay, limit, scale, sign: Value

    @inline(__always)
    init(_ coefficients: AdafactorCoefficients, _ terms: AnyTerms<Value>) {
        decay = terms.decay
        limit = Value(coefficients.limit)
        scale = Value(coefficients.scale)
        sign = Value(coefficients.alpha < 0 ? 1 : -1)
    }

    @inline(__always)
    static var readsValue: Bool { true }
    @inline(__always)
    static var writesValue: Bool { true }
    @inline(__always)
    static var slotCount: Int { 1 }
    @inline(__always)
    var writtenSlots: Int { 0 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        let factor = (scale / place.first.squareRoot()).smallest(limit)
        place.value = (decay * place.value).addingProduct(sign * factor, place.gradient)
    }
}

func adafactorSums(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(AdafactorSumsRule<FloatLanes>.self, AdafactorSumsRule<DoubleLanes>.self, call, coefficients)
}

func adafactorSquares(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(AdafactorSquaresRule<FloatLanes>.self, AdafactorSquaresRule<DoubleLanes>.self, call, coefficients)
}

func adafactorNorm(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(AdafactorNormRule<FloatLanes>.self, AdafactorNormRule<DoubleLanes>.self, call, coefficients)
}

func adafactorUpdate(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(AdafactorUpdateRule<FloatLanes>.self, AdafactorUpdateRule<DoubleLanes>.self, call, coefficients)
}

func adafactorVariance(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(AdafactorVarianceRule<FloatLanes>.self, AdafactorVarianceRule<DoubleLanes>.self, call, coefficients)
}

func adafactorVectorUpdate(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(AdafactorVectorUpdateRule<FloatLanes>.self, AdafactorVectorUpdateRule<DoubleLanes>.self, call, coefficients)
}
