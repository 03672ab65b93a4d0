// AdaBelief as in adabelief-pytorch 0.2.1: eps is added to the state at each step and beside the root again; rectified unless
// RECTIFY is taken away. optax adds eps_root to the state. Equation and source: Rules/AdaBeliefRule.swift.
import MartletKernelInterface

enum AdaBelief: SweepDefinition {
    static let name: StaticString = "adabelief"
    static let rule = Rule.adaBelief
    static let flags: Flags = [.amsgrad, .rectify]
    static let defaultFlags: Flags = [.decoupledDecay, .rectify]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-3
        case .beta1: 0.9
        case .beta2: 0.999
        case .eps: 1e-16
        case .epsRoot: 1e-16
        case .weightDecay: 0
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(moment: "exp_avg")
        slots.add(divisor: "exp_avg_var")
        if configuration.flags.contains(.amsgrad) { slots.add(divisor: "max_exp_avg_var") }
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> AdaBeliefCoefficients {
        var result = AdaBeliefCoefficients()
        let correction = oneMinusPower(configuration.beta2, progress.step)
        let root = correction.squareRoot()
        terms.variant = configuration.flags.contains(.amsgrad) ? 1 : 0
        result.beta1 = configuration.beta1
        result.beta2 = configuration.beta2
        result.inner = configuration[.epsRoot]
        result.rate = configuration.lr / oneMinusPower(configuration.beta1, progress.step)
        guard configuration.flags.contains(.rectify) else {
            result.rate *= root
            result.outer = configuration.eps * root
            return result
        }
        let rectification = Rectification(beta2: configuration.beta2, t: progress.t, correction: correction)
        result.outer = configuration.eps
        result.isAdaptive = rectification.length >= 5 ? 1 : 0
        if result.isAdaptive != 0 { result.rate *= rectification.factor * root }
        return result
    }
}
