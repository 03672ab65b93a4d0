// MARS as in its authors' code, AGI-Arena/MARS, with AdamW's step and the gradient of the step before in place of one more
// evaluation. Vectors are stepped as matrices are. Equation and source: Rules/Passes/MARS.swift.
import MartletCompute
import MartletKernelInterface

enum MARS: AlgorithmDefinition {
    static let name: StaticString = "mars"
    static let takesCaution = true
    static let conventions: Conventions = .torch
    /// Decay is decoupled in any case.
    static let decayFlags: Flags = [.cautiousDecay, .correctedDecay]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 3e-3
        case .beta1: 0.95
        case .beta2: 0.99
        case .eps: 1e-8
        case .weightDecay: 0
        case .gamma: 0.025
        default: nil
        }
    }

    /// The first is what the first pass reads.
    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(moment: "last_grad")
        slots.add(moment: "exp_avg")
        slots.add(divisor: "exp_avg_sq")
    }

    static func passes(_ shape: ParameterShape) -> Passes { Passes(.marsNorm, .marsUpdate) }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> MARSCoefficients {
        var result = MARSCoefficients()
        if !configuration.decouplesDecay {
            terms.l2 = 0
            terms.decay = 1 - configuration.lr * configuration.weightDecay
        }
        let root = oneMinusPower(configuration.beta2, progress.step).squareRoot()
        result.beta1 = configuration.beta1
        result.beta2 = configuration.beta2
        result.eps = configuration.eps * root
        result.stepSize = configuration.lr * (root / oneMinusPower(configuration.beta1, progress.step))
        result.correction = configuration[.gamma] * (configuration.beta1 / (1 - configuration.beta1))
        return result
    }

    /// The sum is that of the corrected gradient's squares. A norm that is NaN clips nothing, as in the authors' code.
    static func prepare(_ pass: PassStart, _ coefficients: inout MARSCoefficients, _ terms: inout RunTerms) {
        if pass.pass == 0 { return }
        let norm = pass.sums.0.squareRoot()
        coefficients.share = norm > 1 ? 1 / norm : 1
    }
}
