// LAMB as in its paper and in optax, with weight decay in the direction; Keras's decay is decoupled, and comes before the norm
// of p is taken. Equation and source: Rules/Passes/LAMB.swift.
import MartletCompute
import MartletKernelInterface

enum LAMB: AlgorithmDefinition {
    static let name: StaticString = "lamb"
    static let conventions: Conventions = [.torch, .keras]
    /// Decay is where the convention says.
    static let decayFlags: Flags = []

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-3
        case .beta1: 0.9
        case .beta2: 0.999
        case .eps: 1e-6
        case .weightDecay: 0
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(moment: "exp_avg")
        slots.add(divisor: "exp_avg_sq")
    }

    static func passes(_ shape: ParameterShape) -> Passes { Passes(.lambDirection, .lambUpdate) }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> LAMBCoefficients {
        var result = LAMBCoefficients()
        let root = oneMinusPower(configuration.beta2, progress.step).squareRoot()
        result.beta1 = configuration.beta1
        result.beta2 = configuration.beta2
        result.correction = root / oneMinusPower(configuration.beta1, progress.step)
        result.eps = configuration.eps * root
        result.lr = configuration.lr
        terms.l2 = 0
        if configuration.semantics == .keras {
            terms.decay = 1 - configuration.lr * configuration.weightDecay
        } else {
            result.weightDecay = configuration.weightDecay
        }
        return result
    }

    /// The sums are those of p^2 and u^2. A norm that is NaN counts as 0, as it does in Keras and timm.
    static func prepare(_ pass: PassStart, _ coefficients: inout LAMBCoefficients, _ terms: inout RunTerms) {
        if pass.pass == 0 { return }
        let (ofValue, ofUpdate) = (pass.sums.0.squareRoot() * terms.decay.magnitude, pass.sums.1.squareRoot())
        coefficients.stepSize = coefficients.lr * (ofValue > 0 && ofUpdate > 0 ? ofValue / ofUpdate : 1)
    }
}
