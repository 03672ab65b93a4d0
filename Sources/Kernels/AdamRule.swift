// Adam's update (Kingma and Ba, arXiv:1412.6980), with the decoupled decay of AdamW (Loshchilov and Hutter,
// arXiv:1711.05101) and the maximum of AMSGrad (Reddi, Kale and Kumar, arXiv:1904.09237), as arithmetic on lanes:
//     g = gradientScale * gradient  [+ l2 * p]
//     m = m + (1 - beta1) * (g - m),  or g - beta1 * (g - m) where 1 - beta1 is a half or more
//     v = beta2 * v + ((1 - beta2) * g) * g
//     r = v,  or with AMSGrad: r = max = largest(max, maxScale * v)
//     p = decay * p - stepSize * (m / (sqrt(r) + eps))
// Not here: how the coefficients follow from the hyperparameters and the step (Optimizers), memory (Sweep.swift).

import MartletKernelInterface

/// One variant of the rule: each switch is a type, so that every variant is a loop of its own, without the terms that
/// are off.
struct AdamRule<Value: Lanes, KeepsMaximum: Switch, AddsDecay: Switch, IsShort: Switch>: UpdateRule {
    private let gradientScale, l2, decay, minusBeta1, oneMinusBeta1, oneMinusBeta2, maxScale, eps: Value
    /// Each in two parts, of which the second holds what rounding the first loses: what is off in them is off in every
    /// element and, for beta2, at every step.
    private let beta2, beta2Rest, stepSize, stepSizeRest: Value

    @inline(__always)
    init(_ coefficients: AdamCoefficients) {
        gradientScale = Value(coefficients.gradientScale)
        l2 = Value(coefficients.l2)
        decay = Value(coefficients.decay)
        minusBeta1 = Value(-coefficients.beta1)
        oneMinusBeta1 = Value(coefficients.oneMinusBeta1)
        (beta2, beta2Rest) = Value.parts(coefficients.beta2)
        oneMinusBeta2 = Value(coefficients.oneMinusBeta2)
        maxScale = Value(coefficients.maxScale)
        (stepSize, stepSizeRest) = Value.parts(coefficients.stepSize)
        eps = Value(coefficients.eps)
    }

    @inline(__always)
    static var slotCount: Int { KeepsMaximum.isOn ? 3 : 2 }

    @inline(__always)
    func update(_ place: inout Place<Value>) {
        let p = place.value
        var g = place.gradient * gradientScale
        if AddsDecay.isOn { g = g + l2 * p }
        var m = place.first
        // Fused: apart, the product's rounding adds a sixth to the error of m.
        m = IsShort.isOn ? m.addingProduct(oneMinusBeta1, g - m) : g.addingProduct(minusBeta1, g - m)
        var v = place.second
        v = (beta2Rest * v).addingProduct(oneMinusBeta2 * g, g).addingProduct(beta2, v)
        var r = v
        if KeepsMaximum.isOn {
            r = place.third.largest(maxScale * v)
            place.third = r
        }
        let direction = m / (r.squareRoot() + eps)
        place.value = decay * p - (stepSizeRest * direction).addingProduct(stepSize, direction)
        place.first = m
        place.second = v
    }
}

/// The table's entry: chooses the type computed in and the variant.
@inline(__always)
func adam(_ operands: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    let operands: Operands = value(at: operands)
    let coefficients: AdamCoefficients = value(at: coefficients)
    if operands.isDouble {
        adam(DoubleLanes.self, operands, coefficients)
    } else {
        adam(FloatLanes.self, operands, coefficients)
    }
}

@inline(__always)
private func adam<Value: Lanes>(_ value: Value.Type, _ operands: Operands, _ c: AdamCoefficients) {
    switch (c.amsgrad, c.l2 != 0, c.oneMinusBeta1 < 0.5) {
    case (false, false, false): sweep(AdamRule<Value, Off, Off, Off>.self, c, operands)
    case (false, false, true): sweep(AdamRule<Value, Off, Off, On>.self, c, operands)
    case (false, true, false): sweep(AdamRule<Value, Off, On, Off>.self, c, operands)
    case (false, true, true): sweep(AdamRule<Value, Off, On, On>.self, c, operands)
    case (true, false, false): sweep(AdamRule<Value, On, Off, Off>.self, c, operands)
    case (true, false, true): sweep(AdamRule<Value, On, Off, On>.self, c, operands)
    case (true, true, false): sweep(AdamRule<Value, On, On, Off>.self, c, operands)
    case (true, true, true): sweep(AdamRule<Value, On, On, On>.self, c, operands)
    }
}
