// The numbers that Adam's rule needs at one step; Optimizers/Algorithms/Adam.swift forms them in Double. A kernel rounds
// each of them once to the type it computes in, and keeps beta2 and stepSize to twice its precision.

/// Coefficients of one Adam step; the equation stands in Rules/AdamRule.swift.
package struct AdamCoefficients: BitwiseCopyable {
    package var beta1 = 0.0
    package var oneMinusBeta1 = 1.0
    package var beta2 = 0.0
    package var oneMinusBeta2 = 1.0
    /// Factor of v inside AMSGrad's maximum: 1, or 1 / (1 - beta2^t).
    package var maxScale = 1.0
    package var stepSize = 0.0
    package var eps = 0.0

    package init() {}
}
