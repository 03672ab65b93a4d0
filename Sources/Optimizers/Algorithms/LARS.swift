// LARS as in timm, with the rate outside of the momentum as torch.optim.SGD has it; optax's has it inside. Equation and source:
// Rules/Passes/LARS.swift.
import MartletCompute
import MartletKernelInterface

enum LARS: AlgorithmDefinition {
    static let name: StaticString = "lars"
    static let conventions: Conventions = [.torch, .optax]
    static let flags: Flags = [.nesterov]
    /// Decay is in the gradient, and in the ratio.
    static let decayFlags: Flags = []

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1
        case .momentum: 0.9
        case .dampening: 0
        case .eps: 1e-8
        case .weightDecay: 0
        case .trustCoefficient: 1e-3
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        if configuration.momentum != 0 { slots.add(moment: "momentum_buffer") }
    }

    static func problem(_ configuration: Configuration) -> String? {
        if configuration.semantics == .optax && configuration[.dampening] != 0 {
            return "dampening is \(configuration[.dampening]); expected 0: optax's convention has none"
        }
        return configuration.problemOfNesterov
    }

    static func passes(_ shape: ParameterShape) -> Passes { Passes(.larsNorms, .larsUpdate) }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> LARSCoefficients {
        var result = LARSCoefficients()
        terms.l2 = 0
        terms.variant = configuration.momentum != 0 ? 1 : 0
        result.weightDecay = configuration.weightDecay
        result.trustCoefficient = configuration[.trustCoefficient]
        result.eps = configuration.eps
        result.momentum = configuration.momentum
        result.isNesterov = configuration.flags.contains(.nesterov) ? 1 : 0
        if configuration.semantics == .optax {
            result.measuredDecay = configuration.weightDecay
            result.inner = configuration.lr
            result.outer = 1
        } else {
            result.outer = configuration.lr
            // At the first step the momentum is the gradient, and without one there is nothing to dampen.
            result.dampening = progress.isFirst || configuration.momentum == 0 ? 0 : configuration[.dampening]
        }
        return result
    }

    /// The sums are those of p^2 and g^2. A norm that is NaN counts as 0, as it does in timm.
    static func prepare(_ pass: PassStart, _ coefficients: inout LARSCoefficients, _ terms: inout RunTerms) {
        if pass.pass == 0 { return }
        let (ofValue, ofGradient) = (pass.sums.0.squareRoot(), pass.sums.1.squareRoot())
        let decay = coefficients.weightDecay - coefficients.measuredDecay
        let ratio = coefficients.trustCoefficient * ofValue / (ofGradient + decay * ofValue + coefficients.eps)
        coefficients.inner *= (ofValue > 0 && ofGradient > 0 ? ratio : 1) * (1 - coefficients.dampening)
    }
}
