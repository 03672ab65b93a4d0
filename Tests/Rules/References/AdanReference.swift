import MartletKernelInterface

enum AdanReference: RuleReference {
    static let rule = Rule.adan

    static let cases = (0...1).map { isFirst in
        RuleCase(
            slots: [.signed, .positive, .signed, .signed],
            with(AdanCoefficients()) { c in
                (c.beta1, c.beta2, c.beta3, c.look) = (0.97, 0.91, 0.98, 0.91)
                (c.rate, c.differenceRate, c.eps, c.isFirst) = (0.0173, 0.0059, 1e-7, isFirst)
            })
    }

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: AdanCoefficients, variant: Int
    ) -> Number {
        let g = element.gradient
        let d = c.isFirst == 1 ? 0 : g + element.slots[3]
        let m = average(c.beta1, element.slots[0], g)
        let n = average(c.beta3, element.slots[1], square: g.addingProduct(Number(c.look), d))
        let w = average(c.beta2, element.slots[2], d)
        element.slots = [m, n, w, -g]
        return (Number(c.rate) * m).addingProduct(Number(c.differenceRate), w) / (n.squareRoot() + Number(c.eps))
    }
}
