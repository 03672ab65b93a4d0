import MartletKernelInterface

enum AdaBoundReference: RuleReference {
    static let rule = Rule.adaBound

    static let cases = (0...1).map { variant in
        RuleCase(
            variant: variant, slots: [.signed, .positive] + (variant == 1 ? [.positive] : []),
            with(AdaBoundCoefficients()) { c in
                (c.beta1, c.beta2, c.rate, c.eps) = (0.9, 0.97, 0.0173, 1e-7)
                (c.lower, c.upper) = (0.05, 0.3)
            })
    }

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: AdaBoundCoefficients, variant: Int
    ) -> Number {
        let g = element.gradient
        let m = average(c.beta1, element.slots[0], g)
        let v = average(c.beta2, element.slots[1], square: g)
        (element.slots[0], element.slots[1]) = (m, v)
        var r = v
        if variant == 1 {
            r = largest(element.slots[2], v)
            element.slots[2] = r
        }
        return clamped(Number(c.rate) / (r.squareRoot() + Number(c.eps)), Number(c.lower), Number(c.upper)) * m
    }
}
