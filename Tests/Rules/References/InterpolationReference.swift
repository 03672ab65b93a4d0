import MartletKernelInterface

enum InterpolationReference: RuleReference {
    static let rule = Rule.interpolation

    static let cases = [
        RuleCase(slots: [], with(InterpolationCoefficients()) { $0.weight = 0.37 })
    ]

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: InterpolationCoefficients, variant: Int
    ) -> Number {
        Number(c.weight) * (element.value - element.gradient)
    }
}
