// Adamax as in torch.optim.Adamax and optax; Keras adds eps beside the maximum and not inside. Equation and source:
// Rules/AdamaxRule.swift.
import MartletKernelInterface

enum Adamax: SweepDefinition {
    static let name: StaticString = "adamax"
    static let rule = Rule.adamax

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 2e-3
        case .beta1: 0.9
        case .beta2: 0.999
        case .eps: 1e-8
        case .weightDecay: 0
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(moment: "exp_avg")
        slots.add(divisor: "exp_inf")
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> AdamaxCoefficients {
        var result = AdamaxCoefficients()
        result.beta1 = configuration.beta1
        result.beta2 = configuration.beta2
        result.rate = configuration.lr / oneMinusPower(configuration.beta1, progress.step)
        if configuration.semantics == .keras {
            result.outer = configuration.eps
        } else {
            result.inner = configuration.eps
        }
        return result
    }
}
