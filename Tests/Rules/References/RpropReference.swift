import MartletKernelInterface

enum RpropReference: RuleReference {
    static let rule = Rule.rprop

    static let cases = (0...1).map { isFirst in
        RuleCase(
            slots: [.signed, .positive],
            with(RpropCoefficients()) { c in
                (c.smaller, c.larger, c.minimum, c.maximum) = (0.51, 1.23, 1e-6, 0.2)
                (c.start, c.isFirst) = (0.0111, isFirst)
            })
    }

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: RpropCoefficients, variant: Int
    ) -> Number {
        let g = element.gradient
        let (last, size) = c.isFirst == 1 ? (0, Number(c.start)) : (element.slots[0], element.slots[1])
        let product = c.isFirst == 1 ? 0 : g * last
        let factor = product > 0 ? Number(c.larger) : product < 0 ? Number(c.smaller) : 1
        element.slots[1] = clamped(size * factor, Number(c.minimum), Number(c.maximum))
        element.slots[0] = product < 0 ? 0 : g
        return sign(element.slots[0]) * element.slots[1]
    }
}
