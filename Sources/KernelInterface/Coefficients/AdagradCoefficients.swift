/// Coefficients of one step of Adagrad; the equation stands in Rules/AdagradRule.swift.
package struct AdagradCoefficients: BitwiseCopyable {
    package var rate = 0.0
    package var eps = 0.0
    package var start = 0.0
    /// 1: the sum starts.
    package var isFirst = 0
    /// 1: eps stands under the root.
    package var isEpsInside = 0

    package init() {}
}
