/// Coefficients of one step of RMSprop; the equation stands in Rules/RMSpropRule.swift.
package struct RMSpropCoefficients: BitwiseCopyable {
    package var alpha = 0.0
    package var momentum = 0.0
    /// The update's weight in the momentum.
    package var inner = 1.0
    package var outer = 0.0
    package var eps = 0.0
    /// 1: eps stands under the root.
    package var isEpsInside = 0

    package init() {}
}
