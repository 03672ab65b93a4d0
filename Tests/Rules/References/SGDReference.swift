import MartletKernelInterface

enum SGDReference: RuleReference {
    static let rule = Rule.sgd

    static let cases =
        [
            RuleCase(slots: [], with(SGDCoefficients()) { $0.outer = 0.0371 })
        ]
        + (0..<3).map { way in
            RuleCase(
                variant: 1, slots: [.signed],
                with(SGDCoefficients()) { c in
                    (c.momentum, c.inner, c.look, c.outer) = (0.87, 0.7, 0.4, 0.0371)
                    (c.isFirst, c.isNesterov) = (way == 1 ? 1 : 0, way == 2 ? 1 : 0)
                })
        }

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: SGDCoefficients, variant: Int
    ) -> Number {
        let g = element.gradient
        if variant == 0 { return Number(c.outer) * g }
        let b = c.isFirst == 1 ? g : (Number(c.inner) * g).addingProduct(Number(c.momentum), element.slots[0])
        element.slots[0] = b
        let ahead = (Number(c.look) * g).addingProduct(Number(c.momentum), b)
        return Number(c.outer) * (c.isNesterov == 1 ? ahead : b)
    }
}
