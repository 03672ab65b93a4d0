/// Coefficients of the passes that keep a parameter's norm; the equation stands in Rules/Passes/Hyperball.swift.
package struct HyperballCoefficients: BitwiseCopyable {
    /// What the update is multiplied by on the way to w, and then w.
    package var scale = 0.0
    /// 1: the value stays.
    package var stands = 0

    package init() {}
}
