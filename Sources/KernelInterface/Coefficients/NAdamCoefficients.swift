/// Coefficients of one step of NAdam; the equation stands in Rules/NAdamRule.swift.
package struct NAdamCoefficients: BitwiseCopyable {
    package var beta1 = 0.0
    package var beta2 = 0.0
    package var gradientRate = 0.0
    package var momentRate = 0.0
    package var eps = 0.0

    package init() {}
}
