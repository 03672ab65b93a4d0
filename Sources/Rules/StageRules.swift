// What is done with a parameter's arrays around its update:
//     lookahead:  s <- s - weight (s - p);  p <- s      s, the slow weights, stand in the value's place, p in the gradient's
//                                                       and in the first slot's
//     copy:       q <- p                                p stands in the value's and in the gradient's place, q in the slot's
// Zhang, Lucas, Hinton, Ba: Lookahead optimizer: k steps forward, 1 step back. NeurIPS 2019, algorithm 1.

import MartletKernelInterface

struct LookaheadRule<Value: Lanes>: UpdateRule {
    private let weight: Value

    @inline(__always)
    init(_ coefficients: InterpolationCoefficients) { weight = Value(coefficients.weight) }

    @inline(__always)
    static var slotCount: Int { 1 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value { weight * (place.value - place.gradient) }

    @inline(__always)
    func finish(_ place: inout Place<Value>, _ value: Value) { place.first = value }
}

struct CopyRule<Value: Lanes>: UpdateRule {
    @inline(__always)
    init(_ coefficients: InterpolationCoefficients) {}

    @inline(__always)
    static var slotCount: Int { 1 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        place.first = place.value
        return Value(0)
    }
}

func lookahead(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    sweep(LookaheadRule<FloatLanes>.self, LookaheadRule<DoubleLanes>.self, run, coefficients)
}

func copyRun(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    sweep(CopyRule<FloatLanes>.self, CopyRule<DoubleLanes>.self, run, coefficients)
}
