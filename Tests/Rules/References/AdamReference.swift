import MartletKernelInterface

enum AdamReference: RuleReference {
    static let rule = Rule.adam

    static let cases: [RuleCase<AdamCoefficients>] = [0.9, 0.3].flatMap { beta1 in
        var c = AdamCoefficients()
        (c.beta1, c.oneMinusBeta1) = (beta1, 1 - beta1)
        (c.beta2, c.oneMinusBeta2) = (0.997, 1 - 0.997)
        (c.stepSize, c.eps) = (0.00713, beta1 == 0.3 ? 1e-3 : 1e-8)
        var scaled = c
        scaled.maxScale = beta1 == 0.3 ? 1 : 1.7320508
        return [
            RuleCase(variant: 0, slots: [.signed, .positive], c),
            RuleCase(variant: 1, slots: [.signed, .positive, .positive], scaled),
        ]
    }

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: AdamCoefficients, variant: Int
    ) -> Number {
        let g = element.gradient
        let m = average(c.beta1, element.slots[0], g)
        let v = average(c.beta2, element.slots[1], square: g)
        (element.slots[0], element.slots[1]) = (m, v)
        var r = v
        if variant == 1 {
            r = largest(element.slots[2], Number(c.maxScale) * v)
            element.slots[2] = r
        }
        let direction = m / (r.squareRoot() + Number(c.eps))
        let (stepSize, stepSizeRest) = parts(c.stepSize, as: Number.self)
        return (stepSizeRest * direction).addingProduct(stepSize, direction)
    }
}
