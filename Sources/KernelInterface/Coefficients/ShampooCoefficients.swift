/// Coefficients of one step of Shampoo; the equation stands in Rules/Passes/Shampoo.swift.
package struct ShampooCoefficients: BitwiseCopyable {
    /// The rate, and once norms are known, that times their ratio.
    package var update = MatrixUpdateCoefficients()
    package var beta1 = 0.0
    package var correction = 1.0
    /// 1: the step has the norm of Adam's.
    package var isGrafted = 0
    package var beta2 = 0.0
    package var rootCorrection = 1.0
    package var eps = 0.0
    /// The norm of Adam's, once it is known.
    package var graftNorm = 0.0

    // The factors.
    package var decay = 0.0
    package var weight = 0.0
    package var scale = 1.0
    package var epsOfFactors = 0.0
    /// 1: their roots are refreshed before the step.
    package var refreshes = 0
    /// The longest side of a block.
    package var block = 0

    package init() {}
}
