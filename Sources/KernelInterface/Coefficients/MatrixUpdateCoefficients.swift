/// What the last pass of algorithms that step matrices reads, the first of their coefficients.
package struct MatrixUpdateCoefficients: BitwiseCopyable {
    /// What the numbers that have become of a matrix are multiplied by.
    package var stepSize = 0.0

    package init() {}
}
