/// Coefficients of the cautious mask; the equation stands in Rules/Passes/Caution.swift.
package struct CautionCoefficients: BitwiseCopyable {
    /// Of what is masked: 1 where it is added to the value, and -1 where it is taken off.
    package var direction = 1.0

    package init() {}
}
