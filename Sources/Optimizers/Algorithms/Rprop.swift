// Rprop as in torch.optim.Rprop. Equation and source: Rules/RpropRule.swift.
import MartletKernelInterface

enum Rprop: SweepDefinition {
    static let name: StaticString = "rprop"
    static let rule = Rule.rprop
    /// No update goes against the gradient.
    static let takesCaution = false

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-2
        case .etaMinus: 0.5
        case .etaPlus: 1.2
        case .stepSizeMinimum: 1e-6
        case .stepSizeMaximum: 50
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add("prev")
        slots.add("step_size")
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> RpropCoefficients {
        var result = RpropCoefficients()
        result.smaller = configuration[.etaMinus]
        result.larger = configuration[.etaPlus]
        result.minimum = configuration[.stepSizeMinimum]
        result.maximum = configuration[.stepSizeMaximum]
        result.start = configuration.lr
        result.isFirst = progress.isFirst ? 1 : 0
        return result
    }
}
