// Averaged gradient descent (Polyak and Juditsky, SIAM J. Control Optim. 30, 1992), as arithmetic on lanes; its decay is among
// the run's terms:
//     step = rate * g
//     a = a + weight * (p - a),  with the new p; or p where the weight is 1

import MartletKernelInterface

struct ASGDRule<Value: Lanes>: UpdateRule {
    private let rate, weight: Value
    private let restarts: Choice<Value>

    @inline(__always)
    init(_ coefficients: ASGDCoefficients) {
        rate = Value(coefficients.rate)
        weight = Value(coefficients.weight)
        restarts = Choice(coefficients.weight == 1)
    }

    @inline(__always)
    static var slotCount: Int { 1 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value {
        rate * place.gradient
    }

    @inline(__always)
    func finish(_ place: inout Place<Value>, _ value: Value) {
        place.first = Value.choose(restarts, value, place.first.addingProduct(weight, value - place.first))
    }
}

func asgd(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    sweep(ASGDRule<FloatLanes>.self, ASGDRule<DoubleLanes>.self, run, coefficients)
}
