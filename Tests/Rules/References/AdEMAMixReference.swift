import MartletKernelInterface

enum AdEMAMixReference: RuleReference {
    static let rule = Rule.adEMAMix

    static let cases = [
        RuleCase(
            slots: [.signed, .signed, .positive],
            with(AdEMAMixCoefficients()) { c in
                (c.beta1, c.beta2, c.beta3) = (0.9, 0.97, 0.995)
                (c.rate, c.slowRate, c.eps) = (0.0173, 0.041, 1e-7)
            })
    ]

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: AdEMAMixCoefficients, variant: Int
    ) -> Number {
        let g = element.gradient
        let m = average(c.beta1, element.slots[0], g)
        let n = average(c.beta3, element.slots[1], g)
        let v = average(c.beta2, element.slots[2], square: g)
        (element.slots[0], element.slots[1], element.slots[2]) = (m, n, v)
        return (Number(c.rate) * m).addingProduct(Number(c.slowRate), n) / (v.squareRoot() + Number(c.eps))
    }
}
