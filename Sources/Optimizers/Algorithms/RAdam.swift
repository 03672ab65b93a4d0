// RAdam as in torch.optim.RAdam: rectified where the length rho_t of the second moment's average is over 5, with eps beside
// the uncorrected root. optax and the paper's own code begin at 5; optax has eps beside the corrected root. Equation and source:
// Rules/RAdamRule.swift.
import MartletKernelInterface

enum RAdam: SweepDefinition {
    static let name: StaticString = "radam"
    static let rule = Rule.radam
    static let conventions: Conventions = [.torch, .keras, .optax, .paper]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-3
        case .beta1: 0.9
        case .beta2: 0.999
        case .eps: 1e-8
        case .weightDecay: 0
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(moment: "exp_avg")
        slots.add(divisor: "exp_avg_sq")
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> RAdamCoefficients {
        var result = RAdamCoefficients()
        let correction = oneMinusPower(configuration.beta2, progress.step)
        let rectification = Rectification(beta2: configuration.beta2, t: progress.t, correction: correction)
        result.beta1 = configuration.beta1
        result.beta2 = configuration.beta2
        result.rate = configuration.lr / oneMinusPower(configuration.beta1, progress.step)
        result.eps = configuration.eps
        let isTractable =
            configuration.semantics == .optax || configuration.semantics == .paper
            ? rectification.length >= 5 : rectification.length > 5
        result.isAdaptive = isTractable ? 1 : 0
        if isTractable {
            result.rate *= rectification.factor * correction.squareRoot()
            if configuration.semantics == .optax { result.eps *= correction.squareRoot() }
        }
        return result
    }
}
