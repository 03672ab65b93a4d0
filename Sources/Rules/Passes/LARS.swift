// LARS (You, Gitman and Ginsburg, arXiv:1708.03888, algorithm 1), with momentum and Nesterov's look ahead as gradient
// descent has them, as arithmetic on lanes:
//     u = inner (g + weight_decay p),  inner = ratio (1 - dampening), at the first step ratio
//     b = momentum b + u
//     p = p - outer b,  or with Nesterov: p - outer (u + momentum b)
//     ratio = trust_coefficient |p| / (|g| + weight_decay |p| + eps),  or 1 where one of the norms is 0
// optax takes the norm of g + weight_decay p for the sum of norms, and has the rate in u. The first pass sums the squares.

import MartletKernelInterface

struct LARSNormsRule<Value: Lanes>: PassRule {
    private let measuredDecay: Value
    private let decays: Choice<Value>

    @inline(__always)
    init(_ coefficients: LARSCoefficients, _ terms: AnyTerms<Value>) {
        measuredDecay = Value(coefficients.measuredDecay)
        decays = Choice(coefficients.measuredDecay != 0)
    }

    @inline(__always)
    static var readsValue: Bool { true }
    @inline(__always)
    static var sumCount: Int { 2 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        let g = place.gradient
        place.sums.0 = place.value.square
        place.sums.1 = Value.choose(decays, g + measuredDecay * place.value, g).square
    }
}

struct LARSUpdateRule<Value: Lanes, KeepsMomentum: Switch>: PassRule {
    private let inner, weightDecay, momentum, outer: Value
    private let decays, isNesterov: Choice<Value>

    @inline(__always)
    init(_ coefficients: LARSCoefficients, _ terms: AnyTerms<Value>) {
        inner = Value(coefficients.inner)
        weightDecay = Value(coefficients.weightDecay)
        momentum = Value(coefficients.momentum)
        outer = Value(coefficients.outer)
        decays = Choice(coefficients.weightDecay != 0)
        isNesterov = Choice(coefficients.isNesterov != 0)
    }

    @inline(__always)
    static var readsValue: Bool { true }
    @inline(__always)
    static var writesValue: Bool { true }
    @inline(__always)
    static var slotCount: Int { KeepsMomentum.isOn ? 1 : 0 }

    @inline(__always)
    func update(_ place: inout PassPlace<Value>) {
        let g = place.gradient
        let u = inner * Value.choose(decays, g + weightDecay * place.value, g)
        var step = u
        if KeepsMomentum.isOn {
            let b = u.addingProduct(momentum, place.first)
            place.first = b
            step = Value.choose(isNesterov, u.addingProduct(momentum, b), b)
        }
        place.value = place.value - outer * step
    }
}

func larsNorms(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    pass(LARSNormsRule<FloatLanes>.self, LARSNormsRule<DoubleLanes>.self, call, coefficients)
}

func larsUpdate(_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    if variant(coefficients) == 0 {
        pass(LARSUpdateRule<FloatLanes, Off>.self, LARSUpdateRule<DoubleLanes, Off>.self, call, coefficients)
    } else {
        pass(LARSUpdateRule<FloatLanes, On>.self, LARSUpdateRule<DoubleLanes, On>.self, call, coefficients)
    }
}
