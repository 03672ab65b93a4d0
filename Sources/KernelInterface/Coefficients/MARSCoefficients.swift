/// Coefficients of one step of MARS; the equation stands in Rules/Passes/MARS.swift.
package struct MARSCoefficients: BitwiseCopyable {
    package var beta1 = 0.0
    package var beta2 = 0.0
    package var eps = 0.0
    package var stepSize = 0.0
    /// What the change of the gradient is times.
    package var correction = 0.0
    /// What the corrected gradient is times, known once its norm is.
    package var share = 1.0

    package init() {}
}
