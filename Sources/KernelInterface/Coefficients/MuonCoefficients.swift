/// Coefficients of one step of Muon; the equation stands in Rules/Passes/Muon.swift.
package struct MuonCoefficients: BitwiseCopyable {
    /// The rate, and once sizes are known, that times their scale.
    package var update = MatrixUpdateCoefficients()
    package var momentum = 0.0
    /// 1: look ahead.
    package var isNesterov = 0
    /// Matrices of a parameter, one above the other.
    package var blocks = 1
    package var scale = Scale.original.rawValue

    // How it is made orthogonal.
    package var steps = 0
    /// Which rows of coefficients: the three numbers for every step, or a list of its own.
    package var schedule = Schedule.constant.rawValue
    package var a = 0.0
    package var b = 0.0
    package var c = 0.0
    /// A norm below it leaves nothing.
    package var floor = 0.0
    /// 1: its rows are divided by the root of an average that moves so, which `floor` is added to.
    package var isNormalized = 0
    package var beta2 = 0.0

    package enum Scale: Int { case original, matchRMS, spectral }
    package enum Schedule: Int { case constant, quintic, polarExpress }

    package init() {}
}
