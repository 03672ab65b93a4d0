/// The one coefficient of a move towards another array; the equation stands in Rules/InterpolationRule.swift.
package struct InterpolationCoefficients: BitwiseCopyable {
    package var weight = 0.0

    package init() {}
}
