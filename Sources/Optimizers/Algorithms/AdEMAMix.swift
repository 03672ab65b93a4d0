// AdEMAMix as in apple/ml-ademamix: alpha grows in a line over alpha_warmup steps, and the half-life of beta3 from that of
// beta1 over beta3_warmup steps. The simplified form has one average. Equations and sources: Rules/AdEMAMixRule.swift and
// SimplifiedAdEMAMixRule.swift.
import MartletKernelInterface

enum AdEMAMix: SweepDefinition {
    static let name: StaticString = "ademamix"
    static let rule = Rule.adEMAMix
    static let defaultFlags: Flags = [.decoupledDecay]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-3
        case .beta1: 0.9
        case .beta2: 0.999
        case .beta3: 0.9999
        case .eps: 1e-8
        case .weightDecay: 0
        case .alpha: 2
        case .alphaWarmup: 0
        case .beta3Warmup: 0
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(moment: "exp_avg_fast")
        slots.add(moment: "exp_avg_slow")
        slots.add(divisor: "exp_avg_sq")
    }

    /// beta3 at a step: its half-life grows in a line.
    private static func slowRate(_ configuration: Configuration, _ t: Double) -> Double {
        guard configuration[.beta3Warmup] > t else { return configuration[.beta3] }
        func steps(_ beta: Double) -> Double { logarithm(0.5) / logarithm(beta + 1e-8) - 1 }
        let part = t / configuration[.beta3Warmup]
        let mean = (1 - part) * steps(configuration.beta1) + part * steps(configuration[.beta3])
        return power(0.5, 1 / (mean + 1))
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> AdEMAMixCoefficients {
        var result = AdEMAMixCoefficients()
        let root = oneMinusPower(configuration.beta2, progress.step).squareRoot()
        result.beta1 = configuration.beta1
        result.beta2 = configuration.beta2
        result.beta3 = slowRate(configuration, progress.t)
        result.rate = root * configuration.lr / oneMinusPower(configuration.beta1, progress.step)
        let warmth = configuration[.alphaWarmup] > progress.t ? progress.t / configuration[.alphaWarmup] : 1
        result.slowRate = root * configuration.lr * configuration[.alpha] * warmth
        result.eps = configuration.eps * root
        return result
    }
}

enum SimplifiedAdEMAMix: SweepDefinition {
    static let name: StaticString = "simplified_ademamix"
    static let rule = Rule.simplifiedAdEMAMix
    static let defaultFlags: Flags = [.decoupledDecay]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-4
        case .beta1: 0.99
        case .beta2: 0.95
        case .eps: 1e-8
        case .weightDecay: 0
        case .alpha: 0
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(moment: "exp_avg")
        slots.add(divisor: "exp_avg_sq")
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> SimplifiedAdEMAMixCoefficients {
        var result = SimplifiedAdEMAMixCoefficients()
        let root = oneMinusPower(configuration.beta2, progress.step).squareRoot()
        result.beta1 = configuration.beta1
        result.beta2 = configuration.beta2
        result.rate = root * configuration.lr
        result.gradientRate = root * configuration.lr * configuration[.alpha]
        result.eps = configuration.eps * root
        return result
    }
}
