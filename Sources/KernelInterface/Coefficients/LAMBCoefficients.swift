/// Coefficients of one step of LAMB; the equation stands in Rules/Passes/LAMB.swift.
package struct LAMBCoefficients: BitwiseCopyable {
    package var beta1 = 0.0
    package var beta2 = 0.0
    package var eps = 0.0
    /// What m / (sqrt(v) + eps) is multiplied by.
    package var correction = 0.0
    /// Of p in the direction; 0 computes no such term.
    package var weightDecay = 0.0
    package var lr = 0.0
    /// lr times the ratio of the norms, known once these are.
    package var stepSize = 0.0

    package init() {}
}
