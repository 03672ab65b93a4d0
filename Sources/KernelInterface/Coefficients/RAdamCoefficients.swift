/// Coefficients of one step of RAdam; the equation stands in Rules/RAdamRule.swift.
package struct RAdamCoefficients: BitwiseCopyable {
    package var beta1 = 0.0
    package var beta2 = 0.0
    package var rate = 0.0
    package var eps = 0.0
    /// 1: divide by the second moment.
    package var isAdaptive = 1

    package init() {}
}
