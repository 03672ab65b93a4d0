// AdaBound and, with AMSGRAD, AMSBound, as in Luolc/AdaBound. The first step's rate is in the state as base_lr, so that a
// schedule scales final_lr too:
//   f = final_lr lr / base_lr,  lower = f (1 - 1 / (gamma t + 1)),  upper = f (1 + 1 / (gamma t))
// Equation and source: Rules/AdaBoundRule.swift.
import MartletKernelInterface

enum AdaBound: SweepDefinition {
    static let name: StaticString = "adabound"
    static let rule = Rule.adaBound
    static let flags: Flags = [.amsgrad]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-3
        case .beta1: 0.9
        case .beta2: 0.999
        case .eps: 1e-8
        case .weightDecay: 0
        case .finalLR: 0.1
        case .gamma: 1e-3
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(moment: "exp_avg")
        slots.add(divisor: "exp_avg_sq")
        if configuration.flags.contains(.amsgrad) { slots.add(divisor: "max_exp_avg_sq") }
        slots.add(scalar: "base_lr", start: configuration.lr)
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> AdaBoundCoefficients {
        var result = AdaBoundCoefficients()
        let (lr, base) = (configuration.lr, progress.scalars[0])
        terms.variant = configuration.flags.contains(.amsgrad) ? 1 : 0
        result.beta1 = configuration.beta1
        result.beta2 = configuration.beta2
        result.eps = configuration.eps
        result.rate =
            lr * oneMinusPower(configuration.beta2, progress.step).squareRoot()
            / oneMinusPower(configuration.beta1, progress.step)
        let final = configuration[.finalLR] * (base == 0 ? 1 : lr / base)
        let reach = configuration[.gamma] * progress.t
        result.lower = final * (1 - 1 / (reach + 1))
        result.upper = reach == 0 ? .greatestFiniteMagnitude : final * (1 + 1 / reach)
        return result
    }
}
