/// Coefficients of one step of simplified AdEMAMix; the equation stands in Rules/SimplifiedAdEMAMixRule.swift.
package struct SimplifiedAdEMAMixCoefficients: BitwiseCopyable {
    package var beta1 = 0.0
    package var beta2 = 0.0
    package var rate = 0.0
    package var gradientRate = 0.0
    package var eps = 0.0

    package init() {}
}
