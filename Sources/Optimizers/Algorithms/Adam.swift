// Adam and AdamW: their hyperparameters, their slots, and the numbers of one step. Equations and sources:
// Rules/AdamRule.swift and martlet.h. The conventions of torch, Keras and optax differ in the places marked below.
import MartletKernelInterface

enum Adam: SweepDefinition {
    static let name: StaticString = "adam"
    static let rule = Rule.adam
    static let conventions: Conventions = [.torch, .keras, .optax, .paper]
    static let flags: Flags = [.amsgrad, .deferRows]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-3
        case .beta1: 0.9
        case .beta2: 0.999
        case .eps: 1e-8
        case .weightDecay: 0
        default: nil
        }
    }

    static func problem(_ configuration: Configuration) -> String? {
        configuration.semantics == .paper && configuration.flags.contains(.correctedDecay)
            ? "flags sets CORRECTED_DECAY with the paper's convention, whose decay has no rate; expected another one"
            : nil
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(moment: "exp_avg")
        slots.add(divisor: "exp_avg_sq")
        if configuration.flags.contains(.amsgrad) { slots.add(divisor: "max_exp_avg_sq") }
    }

    /// The division by sqrt(c2) is moved out of the loop: lr / c1 * m / (sqrt(r) / sqrt(c2) + eps) equals
    /// lr sqrt(c2) / c1 * m / (sqrt(r) + eps sqrt(c2)), with two roundings fewer.
    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> AdamCoefficients {
        let correction1 = oneMinusPower(configuration.beta1, progress.step)
        let correction2 = oneMinusPower(configuration.beta2, progress.step)
        let keepsMaximum = configuration.flags.contains(.amsgrad)
        terms.variant = keepsMaximum ? 1 : 0
        var result = AdamCoefficients()
        result.beta1 = configuration.beta1
        result.oneMinusBeta1 = 1 - configuration.beta1
        result.beta2 = configuration.beta2
        result.oneMinusBeta2 = 1 - configuration.beta2
        result.stepSize = configuration.lr * correction2.squareRoot() / correction1
        result.eps = configuration.eps * correction2.squareRoot()
        switch configuration.semantics {
        case .torch:
            break
        case .keras:
            // eps stands beside the uncorrected root ("epsilon hat" in section 2 of Kingma and Ba).
            result.eps = configuration.eps
        case .optax:
            if keepsMaximum {
                // The largest corrected second moment is kept, so the root needs no correction.
                result.maxScale = 1 / correction2
                result.stepSize = configuration.lr / correction1
                result.eps = configuration.eps
            }
        case .paper:
            // Loshchilov and Hutter scale decoupled decay by the schedule alone; the libraries scale it by lr.
            if configuration.decouplesDecay { terms.decay = 1 - configuration.weightDecay }
            if keepsMaximum {
                // Reddi et al. correct no bias.
                result.stepSize = configuration.lr
                result.eps = configuration.eps
            }
        }
        return result
    }
}

enum AdamW: SweepDefinition {
    static let name: StaticString = "adamw"
    static let rule = Adam.rule
    static let conventions = Adam.conventions
    static let flags = Adam.flags
    static let defaultFlags: Flags = [.decoupledDecay]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        hyperparameter == .weightDecay ? 0.01 : Adam.defaultValue(hyperparameter)
    }

    static func problem(_ configuration: Configuration) -> String? { Adam.problem(configuration) }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        Adam.addSlots(configuration, to: &slots)
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> AdamCoefficients {
        Adam.coefficients(configuration, &progress, &terms)
    }
}
