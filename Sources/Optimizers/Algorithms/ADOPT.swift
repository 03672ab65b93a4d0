// ADOPT as in its authors' code (iShohei220/adopt): gradients over the root are clipped to the fourth root of the steps taken,
// and the first step only begins the second moment. Equation and source: Rules/ADOPTRule.swift.
import MartletKernelInterface

enum ADOPT: SweepDefinition {
    static let name: StaticString = "adopt"
    static let rule = Rule.adopt

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-3
        case .beta1: 0.9
        case .beta2: 0.9999
        case .eps: 1e-6
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
    ) -> ADOPTCoefficients {
        var result = ADOPTCoefficients()
        result.beta1 = configuration.beta1
        result.beta2 = configuration.beta2
        result.rate = configuration.lr
        result.eps = configuration.eps
        result.clip = power(max(progress.t - 1, 0), 0.25)
        result.isFirst = progress.isFirst ? 1 : 0
        if progress.isFirst { terms.decay = 1 }
        return result
    }
}
