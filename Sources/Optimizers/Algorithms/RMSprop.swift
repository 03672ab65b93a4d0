// RMSprop as in torch.optim.RMSprop; Keras and optax have eps under the root and the rate inside the momentum. Equation and
// sources: Rules/RMSpropRule.swift.
import MartletKernelInterface

enum RMSprop: SweepDefinition {
    static let name: StaticString = "rmsprop"
    static let rule = Rule.rmsprop
    static let conventions: Conventions = [.torch, .keras, .optax]
    static let flags: Flags = [.centered, .deferRows]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-2
        case .alpha: 0.99
        case .eps: 1e-8
        case .weightDecay: 0
        case .momentum: 0
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        // A variance is the difference of two averages, and negative where one of them is off.
        let isCentered = configuration.flags.contains(.centered)
        slots.add("square_avg", use: isCentered ? .exact : .divisor)
        if configuration.momentum != 0 { slots.add(moment: "momentum_buffer") }
        if isCentered { slots.add("grad_avg") }
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> RMSpropCoefficients {
        var result = RMSpropCoefficients()
        let keepsMomentum = configuration.momentum != 0
        terms.variant = (keepsMomentum ? 1 : 0) + (configuration.flags.contains(.centered) ? 2 : 0)
        result.alpha = configuration[.alpha]
        result.momentum = configuration.momentum
        result.eps = configuration.eps
        result.outer = configuration.lr
        if configuration.semantics == .keras || configuration.semantics == .optax {
            result.isEpsInside = 1
            if keepsMomentum { (result.inner, result.outer) = (configuration.lr, 1) }
        }
        return result
    }
}
