import MartletKernelInterface

enum RMSpropReference: RuleReference {
    static let rule = Rule.rmsprop

    static let cases = (0..<8).map { way in
        let slots: [[SlotNumbers]] = [
            [.positive], [.positive, .signed], [.positive, .signed], [.positive, .signed, .signed],
        ]
        return RuleCase(
            variant: way % 4, slots: slots[way % 4],
            with(RMSpropCoefficients()) { c in
                (c.alpha, c.momentum, c.inner, c.outer) = (0.97, 0.83, 0.6, 0.0171)
                (c.eps, c.isEpsInside) = (1e-4, way / 4)
            })
    }

    static func update<Number: BinaryFloatingPoint>(
        _ element: inout Element<Number>, _ c: RMSpropCoefficients, variant: Int
    ) -> Number {
        let g = element.gradient
        let v = average(c.alpha, element.slots[0], square: g)
        element.slots[0] = v
        var r = v
        if variant >= 2 {
            let place = variant - 1
            let a = average(c.alpha, element.slots[place], g)
            element.slots[place] = a
            r = v - a * a
        }
        let eps = Number(c.eps)
        let u = g / (c.isEpsInside == 1 ? (r + eps).squareRoot() : r.squareRoot() + eps)
        if variant % 2 == 0 { return Number(c.outer) * u }
        let b = (Number(c.inner) * u).addingProduct(Number(c.momentum), element.slots[1])
        element.slots[1] = b
        return Number(c.outer) * b
    }
}
