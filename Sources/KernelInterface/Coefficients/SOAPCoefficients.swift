/// Coefficients of one step of SOAP; the equation stands in Rules/Passes/SOAP.swift.
package struct SOAPCoefficients: BitwiseCopyable {
    package var update = MatrixUpdateCoefficients()
    package var beta1 = 0.0
    package var beta2 = 0.0
    package var eps = 0.0

    // The bases.
    /// How far the averages of the gradient's products move.
    package var rate = 0.0
    /// 1: the first step, which makes the bases and does no more.
    package var isFirst = 0
    /// 1: the bases are refreshed after the step.
    package var refreshes = 0
    /// The longest side that has a basis, and the longest of a block.
    package var mostOfSide = 0
    package var block = 0

    package init() {}
}
