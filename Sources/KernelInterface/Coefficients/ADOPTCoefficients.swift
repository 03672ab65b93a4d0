/// Coefficients of one step of ADOPT; the equation stands in Rules/ADOPTRule.swift.
package struct ADOPTCoefficients: BitwiseCopyable {
    package var beta1 = 0.0
    package var beta2 = 0.0
    package var rate = 0.0
    package var eps = 0.0
    package var clip = 0.0
    package var isFirst = 0

    package init() {}
}
