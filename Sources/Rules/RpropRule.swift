// Rprop (Riedmiller and Braun, ICNN 1993; the variant without weight backtracking), as arithmetic on lanes:
//     s = g * last,  0 at the first step
//     size = clamped(size * (larger where s > 0, smaller where s < 0, 1 where s = 0)),  from start at the first step
//     last = g, or 0 where s < 0
//     step = sign(last) * size

import MartletKernelInterface

struct RpropRule<Value: Lanes>: UpdateRule {
    private let smaller, larger, minimum, maximum, start: Value
    private let isFirst: Choice<Value>

    @inline(__always)
    init(_ coefficients: RpropCoefficients) {
        smaller = Value(coefficients.smaller)
        larger = Value(coefficients.larger)
        minimum = Value(coefficients.minimum)
        maximum = Value(coefficients.maximum)
        start = Value(coefficients.start)
        isFirst = Choice(coefficients.isFirst != 0)
    }

    @inline(__always)
    static var slotCount: Int { 2 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        let g = place.gradient
        let zero = Value(0)
        let s = Value.choose(isFirst, zero, g * place.first)
        let factor = s.bySign(over: larger, under: smaller, neither: Value(1))
        let size = (Value.choose(isFirst, start, place.second) * factor).largest(minimum).smallest(maximum)
        let last = s.bySign(over: g, under: zero, neither: g)
        place.first = last
        place.second = size
        return last.bySign(over: Value(1), under: Value(-1), neither: zero) * size
    }
}

func rprop(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    sweep(RpropRule<FloatLanes>.self, RpropRule<DoubleLanes>.self, run, coefficients)
}
