// A move towards another array, which stands in the gradient's place:
//     step = weight * (p - target)

import MartletKernelInterface

struct InterpolationRule<Value: Lanes>: UpdateRule {
    private let weight: Value

    @inline(__always)
    init(_ coefficients: InterpolationCoefficients) { weight = Value(coefficients.weight) }

    @inline(__always)
    static var slotCount: Int { 0 }

    @inline(__always)
    func update(_ place: inout Place<Value>) -> Value { weight * (place.value - place.gradient) }
}

func interpolation(_ run: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    sweep(InterpolationRule<FloatLanes>.self, InterpolationRule<DoubleLanes>.self, run, coefficients)
}
