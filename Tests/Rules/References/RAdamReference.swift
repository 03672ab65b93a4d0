import MartletKernelInterface

enum RAdamReference: RuleReference {
    static let rule = Rule.radam

    static let cases = (0...1).map { isAdaptive in
        RuleCase(
            slots: [.signed, .positive],
            with(RAdamCoefficients()) { c in
                (c.beta1, c.beta2, c.rate, c.eps, c.isAdaptive) = (0.9, 0.97, 0.0173, 1e-7, isAdaptive)
            })
    }

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: RAdamCoefficients, variant: Int
    ) -> Number {
        let g = element.gradient
        let m = average(c.beta1, element.slots[0], g)
        let v = average(c.beta2, element.slots[1], square: g)
        (element.slots[0], element.slots[1]) = (m, v)
        return Number(c.rate) * (c.isAdaptive == 1 ? m / (v.squareRoot() + Number(c.eps)) : m)
    }
}
