import MartletKernelInterface

enum AdamaxReference: RuleReference {
    static let rule = Rule.adamax

    static let cases = [
        RuleCase(
            slots: [.signed, .positive],
            with(AdamaxCoefficients()) { c in
                (c.beta1, c.beta2, c.rate, c.inner, c.outer) = (0.9, 0.99, 0.0173, 1e-7, 1e-6)
            })
    ]

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: AdamaxCoefficients, variant: Int
    ) -> Number {
        let g = element.gradient
        let m = average(c.beta1, element.slots[0], g)
        let u = largest(Number(c.beta2) * element.slots[1], g.magnitude + Number(c.inner))
        (element.slots[0], element.slots[1]) = (m, u)
        return Number(c.rate) * (m / (u + Number(c.outer)))
    }
}
