/// Coefficients of one step of Rprop; the equation stands in Rules/RpropRule.swift.
package struct RpropCoefficients: BitwiseCopyable {
    /// Factor after a change of sign.
    package var smaller = 0.5
    /// Factor after none.
    package var larger = 1.2
    package var minimum = 0.0
    package var maximum = 0.0
    /// The first size.
    package var start = 0.0
    /// 1: there is no last gradient.
    package var isFirst = 0

    package init() {}
}
