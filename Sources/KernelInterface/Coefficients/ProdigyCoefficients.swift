/// Coefficients of one step of Prodigy; the equation stands in Rules/Passes/Prodigy.swift.
package struct ProdigyCoefficients: BitwiseCopyable {
    package var beta1 = 0.0
    package var beta2 = 0.0
    package var beta3 = 0.0
    package var eps = 0.0
    /// lr, with the bias corrections where they are asked for: what a step is times d.
    package var rate = 0.0
    /// What decoupled decay takes of p where lr counts without d and without bias corrections.
    package var decay = 0.0
    package var d0 = 0.0
    package var dCoefficient = 0.0
    /// At most the largest finite number.
    package var growthRate = 0.0
    /// 1: d alone stands in the weights of the sums of gradients, without lr.
    package var safeguardsWarmup = 0
    /// 1: p is where training starts.
    package var isFirst = 0

    /// The parameter's own count of steps, and its scalars.
    package var step = 0.0
    package var ownD = 0.0
    package var ownLargest = 0.0
    package var ownNumerator = 0.0

    /// d before the step.
    package var d = 0.0
    /// What g is times in s, and in the numerator.
    package var sumWeight = 0.0
    package var numeratorWeight = 0.0
    /// d times the rate, and the new d times eps.
    package var stepSize = 0.0
    package var scaledEps = 0.0
    /// 1: nothing moves.
    package var stands = 0

    package init() {}
}
