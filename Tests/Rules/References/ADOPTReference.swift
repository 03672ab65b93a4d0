import MartletKernelInterface

enum ADOPTReference: RuleReference {
    static let rule = Rule.adopt

    static let cases = (0...1).map { isFirst in
        RuleCase(
            slots: [.signed, .positive],
            with(ADOPTCoefficients()) { c in
                (c.beta1, c.beta2, c.rate, c.eps, c.clip, c.isFirst) = (0.9, 0.97, 0.0173, 1e-6, 1.7, isFirst)
            })
    }

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: ADOPTCoefficients, variant: Int
    ) -> Number {
        let (g, v) = (element.gradient, element.slots[1])
        if c.isFirst == 1 {
            element.slots[1] = g * g
            return 0
        }
        let n = clamped(g / largest(v.squareRoot(), Number(c.eps)), -Number(c.clip), Number(c.clip))
        element.slots[0] = average(c.beta1, element.slots[0], n)
        element.slots[1] = average(c.beta2, v, square: g)
        return Number(c.rate) * element.slots[0]
    }
}
