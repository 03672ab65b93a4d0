// Adafactor as in torch.optim.Adafactor, where lr is the most that the relative step size may be and the rate of weight
// decay. Equation and source: Kernels/Passes/Adafactor.swift.
import MartletCompute
import MartletKernelInterface

enum Adafactor: AlgorithmDefinition {
    static let name: StaticString = "adafactor"
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
        shape.isMatrix
            ? Passes(.adafactorSums, .adafactorFactors, .adafactorNorm, .adafactorUpdate)
            : Passes(.adafactorVariance, .adafactorVectorUpdate)
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> AdafactorCoefficients {
        terms.l2 = 0
        terms.decay = 1 - configuration.lr * configuration.weightDecay
        var result = AdafactorCoefficients()
        result.weight = power(progress.t, configuration[.beta2Decay])
        result.eps = configuration.eps
        result.eps2 = configuration[.eps2]
        result.clippingThreshold = configuration[.clippingThreshold]
        result.rate = min(configuration.lr, 1 / progress.t.squareRoot())
        return result
    }

    /// The sums are that of p^2, of the first pass, and that of u^2, of the last but one.
    static func prepare(_ pass: PassStart, _ coefficients: inout AdafactorCoefficients) {
        let count = Double(pass.shape.count)
        if pass.pass == 0 {
            if coefficients.eps == 0 { coefficients.eps = pass.type.machineEpsilon }
            coefficients.limit = 1 / coefficients.eps
        }
        // A mean that is NaN counts as none, as it does in torch.
        if pass.pass == 1 {
            let size = (pass.sums.0 / count).squareRoot()
            coefficients.alpha = (size > coefficients.eps2 ? size : coefficients.eps2) * coefficients.rate
        }
        if pass.isLast {
            let excess = (pass.sums.1 / count).squareRoot() / coefficients.clippingThreshold
            coefficients.scale = coefficients.alpha / (excess > 1 ? excess : 1)
            coefficients.limit = coefficients.scale / coefficients.eps
        }
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
