/// Coefficients of one step of gradient descent; the equation stands in Rules/SGDRule.swift.
package struct SGDCoefficients: BitwiseCopyable {
    package var momentum = 0.0
    /// The gradient's weight in the momentum.
    package var inner = 1.0
    /// Its weight beside the momentum that Nesterov adds.
    package var look = 1.0
    package var outer = 0.0
    /// 1: the momentum starts as the gradient.
    package var isFirst = 0
    /// 1: look ahead.
    package var isNesterov = 0

    package init() {}
}
