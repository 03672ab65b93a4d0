/// Coefficients of one step of LARS; the equation stands in Rules/Passes/LARS.swift.
package struct LARSCoefficients: BitwiseCopyable {
    /// What the gradient, with the decay in it, is multiplied by: also by the ratio of the norms, once that is known.
    package var inner = 1.0
    package var weightDecay = 0.0
    /// The decay that is in the gradient whose norm is taken.
    package var measuredDecay = 0.0
    package var trustCoefficient = 0.0
    package var eps = 0.0
    package var momentum = 0.0
    package var dampening = 0.0
    package var outer = 0.0
    /// 1: look ahead.
    package var isNesterov = 0

    package init() {}
}
