// The numbers that Adam's rule needs at one step, formed in Double by Optimizers/Adam.swift, where the equation and
// its sources stand. A kernel rounds each of them once to the type it computes in, and keeps
// beta2 and stepSize to twice its precision.

/// Coefficients of one Adam step:
/// ```
/// g <- gradientScale * grad  [+ l2 * p]
/// m <- m + oneMinusBeta1 * (g - m)               (or g - beta1 * (g - m) where that is the shorter way)
/// v <- beta2 * v + (oneMinusBeta2 * g) * g
/// r <- v, or with amsgrad: r <- max <- max(max, maxScale * v)
/// p <- decay * p - stepSize * (m / (sqrt(r) + eps))
/// ```
/// A product that is added to m or v is not rounded before the sum (AdamRule.swift says where, and why).
package struct AdamCoefficients: BitwiseCopyable {
    /// -1 to maximize, else 1; later also loss scale and clipping.
    package var gradientScale = 1.0
    /// Weight decay that is added to the gradient; 0 computes no such term.
    package var l2 = 0.0
    /// Factor of the parameter: 1 without decoupled weight decay.
    package var decay = 1.0
    package var beta1 = 0.0
    package var oneMinusBeta1 = 1.0
    package var beta2 = 0.0
    package var oneMinusBeta2 = 1.0
    /// Whether a third state slot keeps the largest second moment.
    package var amsgrad = false
    /// Factor of v inside that maximum: 1, or 1 / (1 - beta2^t).
    package var maxScale = 1.0
    package var stepSize = 0.0
    package var eps = 0.0

    package init() {}

    /// Whether finite hyperparameters have given finite coefficients.
    package var areFinite: Bool {
        decay.isFinite && oneMinusBeta1.isFinite && oneMinusBeta2.isFinite && maxScale.isFinite && stepSize.isFinite
            && eps.isFinite
    }
}
