import MartletKernelInterface

enum AdagradReference: RuleReference {
    static let rule = Rule.adagrad

    static let cases = (0..<3).map { way in
        RuleCase(
            slots: [.positive],
            with(AdagradCoefficients()) { c in
                (c.rate, c.eps, c.start) = (0.0173, 1e-5, 0.1)
                (c.isFirst, c.isEpsInside) = (way == 1 ? 1 : 0, way == 2 ? 1 : 0)
            })
    }

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: AdagradCoefficients, variant: Int
    ) -> Number {
        let (g, eps) = (element.gradient, Number(c.eps))
        let start = c.isFirst == 1 && element.slots[0] == 0 ? Number(c.start) : 0
        let s = (element.slots[0] + start).addingProduct(g, g)
        element.slots[0] = s
        return Number(c.rate) * (g / (c.isEpsInside == 1 ? (s + eps).squareRoot() : s.squareRoot() + eps))
    }
}
