// Adagrad as in torch.optim.Adagrad; Keras and optax have eps under the root. Equation and source:
// Rules/AdagradRule.swift.
import MartletKernelInterface

enum Adagrad: SweepDefinition {
    static let name: StaticString = "adagrad"
    static let rule = Rule.adagrad
    static let flags: Flags = .deferRows
    /// No update goes against the gradient.
    static let takesCaution = false
    static let conventions: Conventions = [.torch, .keras, .optax]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-2
        case .lrDecay: 0
        case .weightDecay: 0
        case .initialAccumulatorValue: 0
        case .eps: 1e-10
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(divisor: "sum")
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> AdagradCoefficients {
        var result = AdagradCoefficients()
        result.rate = configuration.lr / (1 + (progress.t - 1) * configuration[.lrDecay])
        result.eps = configuration.eps
        result.start = configuration[.initialAccumulatorValue]
        result.isFirst = progress.isFirst ? 1 : 0
        result.isEpsInside = configuration.semantics == .keras || configuration.semantics == .optax ? 1 : 0
        return result
    }
}
