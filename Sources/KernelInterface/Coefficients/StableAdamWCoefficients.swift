/// Coefficients of one step of StableAdamW; the equation stands in Rules/Passes/StableAdamW.swift.
package struct StableAdamWCoefficients: BitwiseCopyable {
    package var beta1 = 0.0
    package var beta2 = 0.0
    package var eps = 0.0
    package var lr = 0.0
    /// lr, made smaller by the size of the update, once it is known.
    package var stepSize = 0.0

    package init() {}
}
