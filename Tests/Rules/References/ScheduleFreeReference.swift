import MartletKernelInterface

enum ScheduleFreeReference: RuleReference {
    static let rule = Rule.scheduleFree

    static let cases = (0..<5).map { way in
        RuleCase(
            variant: way < 2 ? 0 : 1, slots: way < 2 ? [.signed] : [.signed, .positive],
            with(ScheduleFreeCoefficients()) { c in
                (c.beta2, c.rootScale, c.eps) = (0.97, 1.31, 1e-7)
                (c.c, c.valueRate, c.rate, c.l2) = (0.21, 0.0043, 0.0173, way % 2 == 0 ? 0.03 : 0)
                (c.isAdaptive, c.isFirst) = (way == 3 ? 0 : 1, way == 1 || way == 4 ? 1 : 0)
            })
    }

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: ScheduleFreeCoefficients, variant: Int
    ) -> Number {
        let y = element.value
        var u = element.gradient
        if variant == 1 {
            let v = average(c.beta2, element.slots[1], square: u)
            element.slots[1] = v
            if c.isAdaptive == 1 { u = u / (v.squareRoot() * Number(c.rootScale) + Number(c.eps)) }
        }
        if c.l2 != 0 { u = u + Number(c.l2) * y }
        let z = c.isFirst == 1 ? y : element.slots[0]
        element.slots[0] = z - Number(c.rate) * u
        return (Number(c.c) * (y - z)).addingProduct(Number(c.valueRate), u)
    }
}
