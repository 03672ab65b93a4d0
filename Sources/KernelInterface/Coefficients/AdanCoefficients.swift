/// Coefficients of one step of Adan; the equation stands in Rules/AdanRule.swift.
package struct AdanCoefficients: BitwiseCopyable {
    package var beta1 = 0.0
    package var beta2 = 0.0
    package var beta3 = 0.0
    package var look = 0.0
    package var rate = 0.0
    package var differenceRate = 0.0
    package var eps = 0.0
    /// 1: there is no last gradient.
    package var isFirst = 0

    package init() {}
}
