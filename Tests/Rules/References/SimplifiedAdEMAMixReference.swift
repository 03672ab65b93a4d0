import MartletKernelInterface

enum SimplifiedAdEMAMixReference: RuleReference {
    static let rule = Rule.simplifiedAdEMAMix

    static let cases = [
        RuleCase(
            slots: [.signed, .positive],
            with(SimplifiedAdEMAMixCoefficients()) { c in
                (c.beta1, c.beta2, c.rate, c.gradientRate, c.eps) = (0.97, 0.95, 0.0173, 0.0041, 1e-7)
            })
    ]

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: SimplifiedAdEMAMixCoefficients, variant: Int
    ) -> Number {
        let (g, old) = (element.gradient, element.slots[0])
        let (beta1, beta1Rest) = parts(c.beta1, as: Number.self)
        let m = (beta1Rest * old + g).addingProduct(beta1, old)
        let v = average(c.beta2, element.slots[1], square: g)
        (element.slots[0], element.slots[1]) = (m, v)
        return (Number(c.rate) * m).addingProduct(Number(c.gradientRate), g) / (v.squareRoot() + Number(c.eps))
    }
}
