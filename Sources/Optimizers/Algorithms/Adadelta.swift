// Adadelta as in torch.optim.Adadelta. Equation and source: Rules/AdadeltaRule.swift.
import MartletKernelInterface

enum Adadelta: SweepDefinition {
    static let name: StaticString = "adadelta"
    static let rule = Rule.adadelta
    /// No update goes against the gradient.
    static let takesCaution = false

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1
        case .rho: 0.9
        case .eps: 1e-6
        case .weightDecay: 0
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(divisor: "square_avg")
        slots.add(moment: "acc_delta")
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> AdadeltaCoefficients {
        var result = AdadeltaCoefficients()
        result.rho = configuration[.rho]
        result.rate = configuration.lr
        result.eps = configuration.eps
        return result
    }
}
