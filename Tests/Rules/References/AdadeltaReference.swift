import MartletKernelInterface

enum AdadeltaReference: RuleReference {
    static let rule = Rule.adadelta

    static let cases = [
        RuleCase(
            slots: [.positive, .positive],
            with(AdadeltaCoefficients()) { c in
                (c.rho, c.rate, c.eps) = (0.93, 0.71, 1e-5)
            })
    ]

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: AdadeltaCoefficients, variant: Int
    ) -> Number {
        let (g, eps) = (element.gradient, Number(c.eps))
        let v = average(c.rho, element.slots[0], square: g)
        let u = (element.slots[1] + eps).squareRoot() / (v + eps).squareRoot() * g
        element.slots[0] = v
        element.slots[1] = average(c.rho, element.slots[1], square: u)
        return Number(c.rate) * u
    }
}
