// Lion as in lion-pytorch and google/automl. Equation and source: Rules/LionRule.swift.
import MartletKernelInterface

enum Lion: SweepDefinition {
    static let name: StaticString = "lion"
    static let rule = Rule.lion
    static let defaultFlags: Flags = [.decoupledDecay]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-4
        case .beta1: 0.9
        case .beta2: 0.99
        case .weightDecay: 0
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(moment: "exp_avg")
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> LionCoefficients {
        var result = LionCoefficients()
        result.beta1 = configuration.beta1
        result.beta2 = configuration.beta2
        result.rate = configuration.lr
        return result
    }
}
