import MartletKernelInterface

enum AdaBeliefReference: RuleReference {
    static let rule = Rule.adaBelief

    static let cases = (0..<3).map { way in
        RuleCase(
            variant: way % 2, slots: [.signed, .positive] + (way == 1 ? [.positive] : []),
            with(AdaBeliefCoefficients()) { c in
                (c.beta1, c.beta2, c.rate, c.inner, c.outer) = (0.9, 0.97, 0.0173, 1e-6, 1e-7)
                c.isAdaptive = way == 2 ? 0 : 1
            })
    }

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: AdaBeliefCoefficients, variant: Int
    ) -> Number {
        let g = element.gradient
        let m = average(c.beta1, element.slots[0], g)
        let s = average(c.beta2, element.slots[1], square: g - m) + Number(c.inner)
        (element.slots[0], element.slots[1]) = (m, s)
        var r = s
        if variant == 1 {
            r = largest(element.slots[2], s)
            element.slots[2] = r
        }
        return Number(c.rate) * (c.isAdaptive == 1 ? m / (r.squareRoot() + Number(c.outer)) : m)
    }
}
