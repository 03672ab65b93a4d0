/// Coefficients of one step of ASGD; the equation stands in Rules/ASGDRule.swift.
package struct ASGDCoefficients: BitwiseCopyable {
    package var rate = 0.0
    /// The new value's weight in the average.
    package var weight = 1.0

    package init() {}
}
