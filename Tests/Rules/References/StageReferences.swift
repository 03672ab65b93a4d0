import MartletKernelInterface

enum LookaheadReference: RuleReference {
    static let rule = Rule.lookahead

    static let cases = [
        RuleCase(slots: [.signed], with(InterpolationCoefficients()) { $0.weight = 0.61 })
    ]

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: InterpolationCoefficients, variant: Int
    ) -> Number {
        Number(c.weight) * (element.value - element.gradient)
    }

    static func finish<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: InterpolationCoefficients, value: Number
    ) {
        element.slots[0] = value
    }
}

enum CopyReference: RuleReference {
    static let rule = Rule.copy

    static let cases = [RuleCase(slots: [.signed], InterpolationCoefficients())]

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: InterpolationCoefficients, variant: Int
    ) -> Number {
        element.slots[0] = element.value
        return 0
    }
}
