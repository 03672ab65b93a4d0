/// Coefficients of one step of AdaBelief; the equation stands in Rules/AdaBeliefRule.swift.
package struct AdaBeliefCoefficients: BitwiseCopyable {
    package var beta1 = 0.0
    package var beta2 = 0.0
    package var rate = 0.0
    /// eps that is added to the state.
    package var inner = 0.0
    /// eps beside the root.
    package var outer = 0.0
    /// 1: divide by the second moment.
    package var isAdaptive = 1

    package init() {}
}
