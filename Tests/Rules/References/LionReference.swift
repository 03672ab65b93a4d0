import MartletKernelInterface

enum LionReference: RuleReference {
    static let rule = Rule.lion

    static let cases = [
        RuleCase(slots: [.signed], with(LionCoefficients()) { ($0.beta1, $0.beta2, $0.rate) = (0.9, 0.97, 0.0013) })
    ]

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: LionCoefficients, variant: Int
    ) -> Number {
        let (g, m) = (element.gradient, element.slots[0])
        element.slots[0] = average(c.beta2, m, g)
        return Number(c.rate) * sign(average(c.beta1, m, g))
    }
}
