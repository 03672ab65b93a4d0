/// Coefficients of one step of Lion; the equation stands in Rules/LionRule.swift.
package struct LionCoefficients: BitwiseCopyable {
    package var beta1 = 0.0
    package var beta2 = 0.0
    package var rate = 0.0

    package init() {}
}
