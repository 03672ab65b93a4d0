// StableAdamW as in its paper and in optimi, whose decoupled decay has the smaller rate too. Equation and source:
// Rules/Passes/StableAdamW.swift.
import MartletCompute
import MartletKernelInterface

enum StableAdamW: AlgorithmDefinition {
    static let name: StaticString = "stable_adamw"
    static let takesCaution = true
    /// Its rate is the size of a step, which a sphere takes away.
    static let takesHyperball = false
    static let conventions: Conventions = .torch
    /// Decay is decoupled in any case.
    static let decayFlags: Flags = [.cautiousDecay, .correctedDecay]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-3
        case .beta1: 0.9
        case .beta2: 0.99
        case .eps: 1e-8
        case .weightDecay: 1e-2
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(moment: "exp_avg")
        slots.add(divisor: "exp_avg_sq")
    }

    static func passes(_ shape: ParameterShape) -> Passes { Passes(.stableAdamWAverages, .stableAdamWUpdate) }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> StableAdamWCoefficients {
        var result = StableAdamWCoefficients()
        if !configuration.decouplesDecay {
            terms.l2 = 0
            terms.decay = 1 - configuration.lr * configuration.weightDecay
        }
        result.beta1 = 1 - (1 - configuration.beta1) / oneMinusPower(configuration.beta1, progress.step)
        result.beta2 = 1 - (1 - configuration.beta2) / oneMinusPower(configuration.beta2, progress.step)
        result.eps = configuration.eps
        result.lr = configuration.lr
        return result
    }

    /// The sum is that of (g / max(sqrt(v), eps))^2.
    static func prepare(_ pass: PassStart, _ coefficients: inout StableAdamWCoefficients, _ terms: inout RunTerms) {
        if pass.pass == 0 { return }
        let size = (pass.sums.0 / pass.elements).squareRoot()
        let least = size <= 1 ? 1 : size
        coefficients.stepSize = coefficients.lr / least
        terms.decay = 1 - (1 - terms.decay) / least
    }
}
