/// Coefficients of one step of Adamax; the equation stands in Rules/AdamaxRule.swift.
package struct AdamaxCoefficients: BitwiseCopyable {
    package var beta1 = 0.0
    package var beta2 = 0.0
    package var rate = 0.0
    /// eps inside the maximum.
    package var inner = 0.0
    /// eps outside it.
    package var outer = 0.0

    package init() {}
}
