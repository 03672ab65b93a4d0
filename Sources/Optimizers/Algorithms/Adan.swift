// Adan as in its authors' code (sail-sg/Adan), with a proximal decay, p <- p / (1 + lr weight_decay) after the step; with
// DECOUPLED_DECAY p <- (1 - lr weight_decay) p before it, their no_prox. beta1, beta2 and beta3 are the rates that averages keep.
// optax gives the difference the weight 1 - beta2 in place of beta2, and decays without a quotient, as no_prox. Equation and source: Rules/AdanRule.swift.
import MartletKernelInterface

enum Adan: SweepDefinition {
    static let name: StaticString = "adan"
    static let rule = Rule.adan
    static let conventions: Conventions = [.torch, .keras, .optax]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-3
        case .beta1: 0.98
        case .beta2: 0.92
        case .beta3: 0.99
        case .eps: 1e-8
        case .weightDecay: 0
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(moment: "exp_avg")
        slots.add(divisor: "exp_avg_sq")
        slots.add(moment: "exp_avg_diff")
        slots.add(moment: "neg_pre_grad")
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> AdanCoefficients {
        var result = AdanCoefficients()
        let (lr, beta2) = (configuration.lr, configuration.beta2)
        let root = oneMinusPower(configuration[.beta3], progress.step).squareRoot()
        result.beta1 = configuration.beta1
        result.beta2 = beta2
        result.beta3 = configuration[.beta3]
        result.look = configuration.semantics == .optax ? 1 - beta2 : beta2
        result.rate = root * lr / oneMinusPower(configuration.beta1, progress.step)
        result.differenceRate = root * lr * result.look / oneMinusPower(beta2, progress.step)
        result.eps = configuration.eps * root
        result.isFirst = progress.isFirst ? 1 : 0
        if !configuration.decouplesDecay {
            terms.l2 = 0
            let decay = lr * configuration.weightDecay
            if configuration.semantics == .optax {
                terms.decay = 1 - decay
            } else {
                terms.decay = 1 / (1 + decay)
                result.rate *= terms.decay
                result.differenceRate *= terms.decay
            }
        }
        return result
    }
}
