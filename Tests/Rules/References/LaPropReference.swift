import MartletKernelInterface

enum LaPropReference: RuleReference {
    static let rule = Rule.laProp

    static let cases = [
        RuleCase(
            slots: [.signed, .positive],
            with(LaPropCoefficients()) { c in
                (c.beta1, c.beta2, c.inner, c.outer, c.eps) = (0.91, 0.97, 0.0173, 0.93, 1e-7)
            })
    ]

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: LaPropCoefficients, variant: Int
    ) -> Number {
        let (g, old) = (element.gradient, element.slots[0])
        let v = average(c.beta2, element.slots[1], square: g)
        let (beta1, beta1Rest) = parts(c.beta1, as: Number.self)
        let m = (Number(c.inner) * (g / (v.squareRoot() + Number(c.eps)))).addingProduct(beta1Rest, old)
            .addingProduct(beta1, old)
        (element.slots[0], element.slots[1]) = (m, v)
        return Number(c.outer) * m
    }
}
