/// Coefficients of one step of AdEMAMix; the equation stands in Rules/AdEMAMixRule.swift.
package struct AdEMAMixCoefficients: BitwiseCopyable {
    package var beta1 = 0.0
    package var beta2 = 0.0
    package var beta3 = 0.0
    package var rate = 0.0
    package var slowRate = 0.0
    package var eps = 0.0

    package init() {}
}
