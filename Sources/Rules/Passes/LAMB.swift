// LAMB (You, Li, Reddi, Hseu, Kumar, Bhojanapalli, Song, Demmel, Keutzer and Hsieh, arXiv:1904.00962, algorithm 2), as
// arithmetic on lanes:
//     m = m + (1 - beta1) (g - m),  v = beta2 v + (1 - beta2) g^2
//     u = correction (m / (sqrt(v) + eps)) [+ weight_decay p]
//     p = decay p - stepSize u,  stepSize = lr |decay p| / |u|,  or lr where one of the norms is 0
// The first pass moves the averages on and sums the squares of p and u; the second makes u again of what is stored, which
// m and v in 16 bits have been rounded to.

import MartletKernelInterface

/// u, of the averages.
private struct LAMBDirection<Value: Lanes> {
    private let correction, eps, weightDecay: Value
    private let decays: Choice<Value>

    @inline(__always)
    init(_ coefficients: LAMBCoefficients) {
        correction = Value(coefficients.correction)
        eps = Value(coefficients.eps)
        weightDecay = Value(coefficients.weightDecay)
        decays = Choice(coefficients.weightDecay != 0)
    }

    @inline(__always)
    func callAsFunction(_ m: Value, _ v: Value, _ value: Value) -> Value {
        let u = correction * (m / (v.squareRoot() + eps))
        return Value.choose(decays, u + weightDecay * value, u)
    }
}

struct LAMBDirectionRule<Value: Lanes>: PassRule {
    private let first, second: Average<Value>
    private let direction: LAMBDirection<Value>

    @inline(__always)
    init(_ coefficients: LAMBCoefficients, _ terms: AnyTerms<Value>) {
        first = Average(coefficients.beta1)
        second = Average(coefficients.beta2)
        direction = LAMBDirection(coefficients)
    }

    @inline(__always)
    static var readsValue: Bool { true }
    @inline(__always)
    static var slotCount: Int { 2 }
    @inline(__always)
    static var sumCount: Int { 2 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        place.first = first.next(place.first, place.gradient)
        place.second = second.next(place.second, square: place.gradient)
        place.sums.0 = place.value.square
        place.sums.1 = direction(place.first, place.second, place.value).square
    }
}

struct LAMBUpdateRule<Value: Lanes>: ValueUpdate {
    private let direction: LAMBDirection<Value>
    private let decay, stepSize: Value

    @inline(__always)
    init(_ coefficients: LAMBCoefficients, _ terms: AnyTerms<Value>) {
        direction = LAMBDirection(coefficients)
        decay = terms.decay
        stepSize = Value(coefficients.stepSize)
    }

    @inline(__always)
    static var slotCount: Int { 2 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        place.value = decay * place.value - stepSize * direction(place.first, place.second, place.value)
    }
}

func lambDirection(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(LAMBDirectionRule<FloatLanes>.self, LAMBDirectionRule<DoubleLanes>.self, call, coefficients)
}

func lambUpdate(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(LAMBUpdateRule<FloatLanes>.self, LAMBUpdateRule<DoubleLanes>.self, call, coefficients)
}
