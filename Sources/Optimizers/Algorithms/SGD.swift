// Gradient descent, with momentum, dampening and Nesterov's look ahead as in torch.optim.SGD. Keras keeps the rate inside the
// momentum, so that a change of the rate is felt later, and has no dampening. Equation and sources:
// Rules/SGDRule.swift.
import MartletKernelInterface

enum SGD: SweepDefinition {
    static let name: StaticString = "sgd"
    static let rule = Rule.sgd
    static let flags: Flags = [.nesterov, .deferRows]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-3
        case .momentum: 0
        case .dampening: 0
        case .weightDecay: 0
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        if configuration.momentum != 0 { slots.add(moment: "momentum_buffer") }
    }

    static func problem(_ configuration: Configuration) -> String? {
        if configuration.semantics == .keras && configuration[.dampening] != 0 {
            return "dampening is \(configuration[.dampening]); expected 0: Keras's convention has none"
        }
        return configuration.problemOfNesterov
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> SGDCoefficients {
        var result = SGDCoefficients()
        let keepsMomentum = configuration.momentum != 0
        terms.variant = keepsMomentum ? 1 : 0
        result.momentum = configuration.momentum
        result.isNesterov = configuration.flags.contains(.nesterov) ? 1 : 0
        if configuration.semantics == .keras && keepsMomentum {
            result.inner = configuration.lr
            result.look = configuration.lr
            result.outer = 1
        } else {
            result.inner = 1 - configuration[.dampening]
            result.outer = configuration.lr
            result.isFirst = progress.isFirst ? 1 : 0
        }
        return result
    }
}

extension Configuration {
    /// What is wrong with a look ahead along a momentum that is not there, or that a dampened gradient is in.
    var problemOfNesterov: String? {
        guard flags.contains(.nesterov), momentum == 0 || self[.dampening] != 0 else { return nil }
        return "flags sets NESTEROV with momentum \(momentum) and dampening \(self[.dampening]); expected a momentum "
            + "over 0 and a dampening of 0"
    }
}
