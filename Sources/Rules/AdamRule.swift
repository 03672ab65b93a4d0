// Adam's update (Kingma and Ba, arXiv:1412.6980), with the maximum of AMSGrad (Reddi, Kale and Kumar, arXiv:1904.09237),
// as arithmetic on lanes:
//     m = m + (1 - beta1) * (g - m),  or g - beta1 * (g - m) where 1 - beta1 is a half or more
//     v = beta2 * v + ((1 - beta2) * g) * g
//     r = v,  or with AMSGrad: r = max = largest(max, maxScale * v)
//     step = stepSize * (m / (sqrt(r) + eps))

import MartletKernelInterface

struct AdamRule<Value: Lanes, KeepsMaximum: Switch, IsShort: Switch>: UpdateRule {
    private let minusBeta1, oneMinusBeta1, oneMinusBeta2, maxScale, eps: Value
    /// Each in two parts, of which the second holds what rounding the first loses: what is off in them is off in every
    /// element and, for beta2, at every step.
    private let beta2, beta2Rest, stepSize, stepSizeRest: Value

    @inline(__always)
    init(_ coefficients: AdamCoefficients) {
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
    func update(_ place: inout Place<Value>) -> Value {
        let g = place.gradient
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
        place.first = m
        place.second = v
        return (stepSizeRest * direction).addingProduct(stepSize, direction)
    }
}

func adam(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    let own: AdamCoefficients = value(at: coefficients + StepCoefficients.ruleOffset)
    switch (variant(coefficients) != 0, own.oneMinusBeta1 < 0.5) {
    case (false, false): adam(Off.self, Off.self, run, coefficients)
    case (false, true): adam(Off.self, On.self, run, coefficients)
    case (true, false): adam(On.self, Off.self, run, coefficients)
    case (true, true): adam(On.self, On.self, run, coefficients)
    }
}

@inline(__always)
private func adam<KeepsMaximum: Switch, IsShort: Switch>(
    _ keepsMaximum: KeepsMaximum.Type, _ isShort: IsShort.Type, _ run: UnsafeRawPointer,
    _ coefficients: UnsafeRawPointer
) {
    sweep(
        AdamRule<FloatLanes, KeepsMaximum, IsShort>.self, AdamRule<DoubleLanes, KeepsMaximum, IsShort>.self, run,
        coefficients)
}
