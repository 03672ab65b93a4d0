/// Coefficients of one step of LaProp; the equation stands in Rules/LaPropRule.swift.
package struct LaPropCoefficients: BitwiseCopyable {
    package var beta1 = 0.0
    package var beta2 = 0.0
    package var inner = 0.0
    package var outer = 0.0
    package var eps = 0.0

    package init() {}
}
