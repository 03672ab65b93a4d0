/// Coefficients of one step of Adafactor; the equation stands in Rules/Passes/Adafactor.swift.
package struct AdafactorCoefficients: BitwiseCopyable {
    /// Of the new squares in the averages.
    package var weight = 0.0
    /// Added to the squares.
    package var added = 0.0
    package var eps = 0.0
    package var eps2 = 0.0
    /// The decay of the parameter before its size is taken, as a factor.
    package var measuredDecay = 1.0
    package var clippingThreshold = 0.0
    /// The relative step size.
    package var rate = 0.0
    /// The step size: the relative one by the size of the parameter.
    package var alpha = 0.0
    /// What the quotients are multiplied by, without its sign: 1 until their mean square is known.
    package var scale = 1.0
    /// The most that a quotient's factor of the gradient may be: scale / eps, or infinite.
    package var limit = 0.0

    package init() {}
}
