// LaProp as in its authors' code (Z-T-WANG/LaProp-Optimizer), where the rate is inside the momentum and the step is divided by
// an average of rates, exp_avg_lr_1 in the state. The paper's algorithm 1, semantics "paper", has the rate outside. Equation and
// source: Rules/LaPropRule.swift.
import MartletKernelInterface

enum LaProp: SweepDefinition {
    static let name: StaticString = "laprop"
    static let rule = Rule.laProp
    static let conventions: Conventions = [.torch, .keras, .paper]
    static let defaultFlags: Flags = [.decoupledDecay]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 4e-4
        case .beta1: 0.9
        case .beta2: 0.999
        case .eps: 1e-15
        case .weightDecay: 0
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(moment: "exp_avg")
        slots.add(divisor: "exp_avg_sq")
        slots.add(scalar: "exp_avg_lr_1")
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> LaPropCoefficients {
        var result = LaPropCoefficients()
        let (lr, beta1) = (configuration.lr, configuration.beta1)
        let root = oneMinusPower(configuration.beta2, progress.step).squareRoot()
        result.beta1 = beta1
        result.beta2 = configuration.beta2
        result.eps = configuration.eps * root
        if configuration.semantics == .paper {
            result.inner = (1 - beta1) * root
            result.outer = lr / oneMinusPower(beta1, progress.step)
        } else {
            progress.scalars[0] = progress.scalars[0] * beta1 + (1 - beta1) * lr
            result.inner = (1 - beta1) * lr * root
            result.outer = lr == 0 ? 1 : lr / progress.scalars[0]
        }
        return result
    }
}
