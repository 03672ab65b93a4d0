import MartletKernelInterface

enum NAdamReference: RuleReference {
    static let rule = Rule.nadam

    static let cases = [
        RuleCase(
            slots: [.signed, .positive],
            with(NAdamCoefficients()) { c in
                (c.beta1, c.beta2, c.gradientRate, c.momentRate, c.eps) = (0.9, 0.97, 0.0041, 0.0173, 1e-7)
            })
    ]

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: NAdamCoefficients, variant: Int
    ) -> Number {
        let g = element.gradient
        let m = average(c.beta1, element.slots[0], g)
        let v = average(c.beta2, element.slots[1], square: g)
        (element.slots[0], element.slots[1]) = (m, v)
        return (Number(c.gradientRate) * g).addingProduct(Number(c.momentRate), m) / (v.squareRoot() + Number(c.eps))
    }
}
