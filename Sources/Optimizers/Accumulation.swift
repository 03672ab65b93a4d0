// Gradients accumulated over several calls, of which the last one steps by their mean:
//   a <- a - (a - g) / j      at the j-th call of k; the step takes a for g, and leaves it 0
// as in optax's MultiSteps. A call before the last leaves all but a and the count of gradients in it as they are.
import MartletCompute

/// What a group asks of it.
struct Accumulation {
    private let period: Int
    /// Of the count of gradients in the mean, among the parameter's scalars, and of the mean among the slots of stages.
    let scalar, slot: Int

    /// Nil where every call steps; else with its slots added to those that a parameter keeps.
    init?(_ configuration: Configuration, _ slots: inout Slots) {
        period = configuration.count(.accumulateSteps)
        if period < 2 { return nil }
        slot = slots.add(ofStage: "grad_mean", isPrecise: true)
        scalar = slots.add(scalar: "accumulated")
    }

    /// What is done in one call.
    struct Turn {
        let steps: Bool
        fileprivate let weight: Double
        fileprivate let slot: Int
        /// The count of gradients that are then in the mean.
        let count: Double
        let scalar: Int
    }

    /// Counts the gradient.
    func advance(_ progress: inout Progress) -> Turn {
        let before = progress.scalars[scalar]
        let number = before >= 1 && before < Double(period) ? before + 1 : 1
        let steps = number >= Double(period)
        progress.scalars[scalar] = steps ? 0 : number
        return Turn(
            steps: steps, weight: 1 / number, slot: slot, count: progress.scalars[scalar], scalar: scalar)
    }
}

extension Accumulation.Turn {
    /// Adds the stages. `side`: when the gradient comes to the mean.
    func add(to stages: inout Stages, _ arrays: StageArrays, side: Stage.Side) {
        let mean = arrays[slot]
        unsafe stages.add(.interpolation(side, mean, towards: arrays.gradient, weight: weight))
        if steps { unsafe stages.add(.zero(.behind, mean)) }
        unsafe stages.add(.zero(.skipping, mean))
    }
}
