/// Coefficients of one step of AdaBound; the equation stands in Rules/AdaBoundRule.swift.
package struct AdaBoundCoefficients: BitwiseCopyable {
    package var beta1 = 0.0
    package var beta2 = 0.0
    package var rate = 0.0
    package var eps = 0.0
    package var lower = 0.0
    package var upper = 0.0

    package init() {}
}
