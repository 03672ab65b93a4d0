import MartletKernelInterface

enum ASGDReference: RuleReference {
    static let rule = Rule.asgd

    static let cases = [1, 0.043].map { weight in
        RuleCase(slots: [.signed], with(ASGDCoefficients()) { ($0.rate, $0.weight) = (0.0173, weight) })
    }

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: ASGDCoefficients, variant: Int
    ) -> Number {
        Number(c.rate) * element.gradient
    }

    static func finish<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: ASGDCoefficients, value: Number
    ) {
        let a = element.slots[0]
        element.slots[0] = c.weight == 1 ? value : a.addingProduct(Number(c.weight), value - a)
    }
}
