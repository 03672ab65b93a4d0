// NAdam as in torch.optim.NAdam, with its product of momenta in the state:
//   mu_t = beta1 (1 - 0.96^(t psi) / 2),  psi = momentum_decay
//   p <- p - lr (1 - mu_t) / (1 - product mu_1 ... mu_t) g / d - lr mu_{t+1} / (1 - product mu_1 ... mu_{t+1}) m / d
//   d = sqrt(v / c2) + eps
// Keras has a psi of 1 whatever momentum_decay says; optax has no schedule: beta1 in the place of each mu, and powers of it
// in that of the products. Equation and source: Rules/NAdamRule.swift.
import MartletKernelInterface

enum NAdam: SweepDefinition {
    static let name: StaticString = "nadam"
    static let rule = Rule.nadam
    static let conventions: Conventions = [.torch, .keras, .optax]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 2e-3
        case .beta1: 0.9
        case .beta2: 0.999
        case .eps: 1e-8
        case .weightDecay: 0
        case .momentumDecay: 4e-3
        default: nil
        }
    }

    static func problem(_ configuration: Configuration) -> String? {
        let usual = Configuration(configuration.algorithm)[.momentumDecay]
        guard configuration.semantics != .torch, configuration[.momentumDecay] != usual else { return nil }
        return "momentum_decay is \(configuration[.momentumDecay]); expected \(usual), its default: torch's "
            + "convention alone reads it"
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(moment: "exp_avg")
        slots.add(divisor: "exp_avg_sq")
        slots.add(scalar: "mu_product", start: 1)
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> NAdamCoefficients {
        var result = NAdamCoefficients()
        let (lr, beta1, t) = (configuration.lr, configuration.beta1, progress.t)
        let root = oneMinusPower(configuration.beta2, progress.step).squareRoot()
        result.beta1 = beta1
        result.beta2 = configuration.beta2
        result.eps = configuration.eps * root
        if configuration.semantics == .optax {
            let next = StepNumber(whole: min(progress.step.whole, .max - 1) + 1, fraction: progress.step.fraction)
            result.gradientRate = root * lr * (1 - beta1) / oneMinusPower(beta1, progress.step)
            result.momentRate = root * lr * beta1 / oneMinusPower(beta1, next)
            return result
        }
        let decay = configuration.semantics == .keras ? 1 : configuration[.momentumDecay]
        let mu = beta1 * (1 - 0.5 * power(0.96, t * decay))
        let next = beta1 * (1 - 0.5 * power(0.96, (t + 1) * decay))
        progress.scalars[0] *= mu
        result.gradientRate = root * lr * (1 - mu) / (1 - progress.scalars[0])
        result.momentRate = root * lr * next / (1 - progress.scalars[0] * next)
        return result
    }
}
