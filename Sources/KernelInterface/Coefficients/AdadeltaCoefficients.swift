/// Coefficients of one step of Adadelta; the equation stands in Rules/AdadeltaRule.swift.
package struct AdadeltaCoefficients: BitwiseCopyable {
    package var rho = 0.0
    package var rate = 0.0
    package var eps = 0.0

    package init() {}
}
