// Averaged gradient descent as in torch.optim.ASGD, where a step's rate eta and the average's weight mu were formed at the
// end of the step before, and are kept in the state:
//   eta = lr / (1 + lambd lr t)^alpha,  lr at first;  mu = 1 / max(1, t - t0),  1 at first
//   p <- (1 - lambd eta) p - eta g
// Equation and source: Rules/ASGDRule.swift.
import MartletKernelInterface

enum ASGD: SweepDefinition {
    static let name: StaticString = "asgd"
    static let rule = Rule.asgd
    /// Not the cautious one: the decay by lambd goes with it.
    static let decayFlags: Flags = [.decoupledDecay, .correctedDecay]
    /// The average is of the new value.
    static let takesCaution = false

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-2
        case .lambd: 1e-4
        case .alpha: 0.75
        case .t0: 1e6
        case .weightDecay: 0
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add("ax")
        slots.add(scalar: "eta", start: configuration.lr)
        slots.add(scalar: "mu", start: 1)
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> ASGDCoefficients {
        var result = ASGDCoefficients()
        let (lambd, lr) = (configuration[.lambd], configuration.lr)
        terms.decay *= 1 - lambd * progress.scalars[0]
        result.rate = progress.scalars[0]
        result.weight = progress.scalars[1]
        progress.scalars[0] = lr / power(1 + lambd * lr * progress.t, configuration[.alpha])
        progress.scalars[1] = 1 / max(1, progress.t - configuration[.t0])
        return result
    }
}
