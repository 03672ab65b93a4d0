// Adam and AdamW: their hyperparameters, their slots, and the numbers of one step.
//
//   g <- grad (negated to maximize) [+ weight_decay p]                      Adam: L2 decay
//   p <- (1 - lr weight_decay) p                                            AdamW: decoupled decay
//   m <- m + (1 - beta1) (g - m)
//   v <- beta2 v + (1 - beta2) g^2          AMSGrad: r <- max(r, v), else r = v
//   p <- p - lr / c1 * m / (sqrt(r / c2) + eps),  c1 = 1 - beta1^t, c2 = 1 - beta2^t
//
// Kingma, Ba: Adam: a method for stochastic optimization, ICLR 2015, algorithm 1. Loshchilov, Hutter: Decoupled weight
// decay regularization, ICLR 2019, algorithm 2. Reddi, Kale, Kumar: On the convergence of Adam and beyond, ICLR 2018,
// algorithm 2. The conventions of torch, Keras and optax differ in the places marked below.
import MartletKernelInterface

enum Adam: AlgorithmDefinition {
    static let name: StaticString = "adam"
    static let slotNames: [StaticString] = ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
    static let rule = Rule.adam

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-3
        case .beta1: 0.9
        case .beta2: 0.999
        case .eps: 1e-8
        case .weightDecay: 0
        case .beta3, .momentum: nil
        }
    }

    static func slotCount(flags: Flags) -> Int {
        flags.contains(.amsgrad) ? 3 : 2
    }

    static func areFinite(_ coefficients: AdamCoefficients) -> Bool { coefficients.areFinite }

    static func coefficients(_ configuration: Configuration, step: StepNumber) -> AdamCoefficients {
        var result = commonCoefficients(configuration, step: step)
        if configuration.semantics == .keras {
            // Keras has one decay for both, the decoupled one.
            result.decay = 1 - configuration.lr * configuration.weightDecay
        } else {
            result.l2 = configuration.weightDecay
        }
        return result
    }

    /// All but weight decay.
    ///
    /// The division by sqrt(c2) is moved out of the loop: lr / c1 * m / (sqrt(r) / sqrt(c2) + eps) equals
    /// lr sqrt(c2) / c1 * m / (sqrt(r) + eps sqrt(c2)), with two roundings fewer.
    fileprivate static func commonCoefficients(_ configuration: Configuration, step: StepNumber) -> AdamCoefficients {
        let correction1 = oneMinusPower(configuration.beta1, step)
        let correction2 = oneMinusPower(configuration.beta2, step)
        var result = AdamCoefficients()
        result.gradientScale = configuration.flags.contains(.maximize) ? -1 : 1
        result.beta1 = configuration.beta1
        result.oneMinusBeta1 = 1 - configuration.beta1
        result.beta2 = configuration.beta2
        result.oneMinusBeta2 = 1 - configuration.beta2
        result.amsgrad = configuration.flags.contains(.amsgrad)
        result.stepSize = configuration.lr * correction2.squareRoot() / correction1
        result.eps = configuration.eps * correction2.squareRoot()
        switch configuration.semantics {
        case .torch:
            break
        case .keras:
            // eps stands beside the uncorrected root ("epsilon hat" in section 2 of Kingma and Ba).
            result.eps = configuration.eps
        case .optax:
            if result.amsgrad {
                // The largest corrected second moment is kept, so the root needs no correction.
                result.maxScale = 1 / correction2
                result.stepSize = configuration.lr / correction1
                result.eps = configuration.eps
            }
        case .paper:
            if result.amsgrad {
                // Reddi et al. correct no bias.
                result.stepSize = configuration.lr
                result.eps = configuration.eps
            }
        }
        return result
    }
}

enum AdamW: AlgorithmDefinition {
    static let name: StaticString = "adamw"
    static let slotNames = Adam.slotNames
    static let rule = Adam.rule

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        hyperparameter == .weightDecay ? 0.01 : Adam.defaultValue(hyperparameter)
    }

    static func slotCount(flags: Flags) -> Int {
        Adam.slotCount(flags: flags)
    }

    static func areFinite(_ coefficients: AdamCoefficients) -> Bool { coefficients.areFinite }

    static func coefficients(_ configuration: Configuration, step: StepNumber) -> AdamCoefficients {
        var result = Adam.commonCoefficients(configuration, step: step)
        // Loshchilov and Hutter scale the decay by the schedule alone; the libraries scale it by lr.
        result.decay = 1 - (configuration.semantics == .paper ? 1 : configuration.lr) * configuration.weightDecay
        return result
    }
}
