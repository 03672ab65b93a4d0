/// Coefficients of one step of Adam-mini; the equation stands in Rules/Passes/AdamMini.swift.
package struct AdamMiniCoefficients: BitwiseCopyable {
    package var beta1 = 0.0
    /// Of the new mean in v.
    package var weight = 0.0
    package var eps = 0.0
    package var stepSize = 0.0
    /// Rows of a block; 0: all are one.
    package var block = 0

    package init() {}
}
