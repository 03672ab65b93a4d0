// Adafactor as in torch.optim.Adafactor, where lr is the most that the relative step size may be and the rate of weight
// decay; or by the paper's, Keras's or optax's rules. Equation and source: Rules/Passes/Adafactor.swift.
import MartletCompute
import MartletKernelInterface

enum Adafactor: AlgorithmDefinition {
    static let name: StaticString = "adafactor"
    static let conventions: Conventions = [.torch, .keras, .optax, .paper]
    static let seesMatrices = true
    /// Decay is decoupled in any case.
    static let decayFlags: Flags = []

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-2
        case .eps: 0
        case .weightDecay: 0
        case .eps2: 1e-3
        case .beta2Decay: -0.8
        case .clippingThreshold: 1
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add("variance", .vector)
        slots.add("row_var", .rows)
        slots.add("col_var", .columns)
    }

    static func passes(_ shape: ParameterShape) -> Passes {
        if !shape.isMatrix { return Passes(.adafactorVariance, .adafactorVectorUpdate) }
        if !shape.hasLargeMatrices { return Passes(.adafactorSmallSums, .adafactorSmallUpdate) }
        return Passes(.adafactorSums, .adafactorFactors, .adafactorNorm, .adafactorUpdate)
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> AdafactorCoefficients {
        terms.l2 = 0
        terms.decay = 1 - configuration.lr * configuration.weightDecay
        var result = AdafactorCoefficients()
        result.weight = power(progress.t, configuration[.beta2Decay])
        if configuration.semantics == .torch {
            result.eps = configuration.eps
        } else {
            result.added = configuration.eps == 0 ? 1e-30 : configuration.eps
        }
        if configuration.semantics == .keras { result.measuredDecay = terms.decay }
        result.eps2 = configuration[.eps2]
        result.clippingThreshold = configuration[.clippingThreshold]
        let most = configuration.semantics == .optax ? Double.infinity : 1 / progress.t.squareRoot()
        result.rate = min(configuration.lr, most)
        return result
    }

    /// The sums are that of p^2, of the first pass, and that of u^2, of the last but one.
    static func prepare(_ pass: PassStart, _ coefficients: inout AdafactorCoefficients, _ terms: inout RunTerms) {
        let count = Double(pass.shape.count)
        if pass.pass == 0 {
            if coefficients.eps == 0 && coefficients.added == 0 { coefficients.eps = pass.type.machineEpsilon }
            coefficients.limit = limit(coefficients)
        }
        // A mean that is NaN counts as none, as it does in torch.
        if pass.pass == 1 {
            let size = (pass.sums.0 / count).squareRoot() * coefficients.measuredDecay.magnitude
            coefficients.alpha = (size > coefficients.eps2 ? size : coefficients.eps2) * coefficients.rate
        }
        if pass.isLast {
            let excess = (pass.sums.1 / count).squareRoot() / coefficients.clippingThreshold
            coefficients.scale = coefficients.alpha.magnitude / (excess > 1 ? excess : 1)
            coefficients.limit = limit(coefficients)
            // At a rate of 0 the limit alone says so: where v is 0, too, a scale of 0 would be divided by it.
            if coefficients.scale == 0 { (coefficients.scale, coefficients.limit) = (1, 0) }
        }
    }

    private static func limit(_ coefficients: AdafactorCoefficients) -> Double {
        coefficients.eps == 0 ? .infinity : coefficients.scale / coefficients.eps
    }
}

extension ElementType {
    /// The distance from 1 to the next number.
    fileprivate var machineEpsilon: Double {
        switch self {
        case .fp64: 0x1p-52
        case .fp32: 0x1p-23
        case .bf16: 0x1p-7
        case .fp16: 0x1p-10
        }
    }
}
