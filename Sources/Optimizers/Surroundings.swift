// What is done with a parameter around its update, in this order: its gradient is added to a mean, Lookahead begins; the
// update; Lookahead, an average, a copy in another type, zeros in the gradient.
import MartletCompute
import MartletKernelInterface

/// What a group asks around its steps.
struct Surroundings {
    let accumulation: Accumulation?
    let lookahead: Lookahead?
    let average: ParameterAverage?
    let zeroesGradients: Bool
    /// Whether the norm of what a step changes is asked for.
    let measuresChange: Bool

    /// Adds what parameters keep for it to the algorithm's own slots.
    init(_ configuration: Configuration, _ slots: inout Slots) {
        lookahead = Lookahead(configuration, &slots)
        average = ParameterAverage(configuration, &slots)
        accumulation = Accumulation(configuration, &slots)
        zeroesGradients = configuration.flags.contains(.zeroGradients)
        measuresChange = configuration.flags.contains(.measureUpdate)
    }

    /// What is done in one call.
    struct Turn {
        var accumulation: Accumulation.Turn?
        var lookahead: Lookahead.Turn?
        var average: ParameterAverage.Turn?
        var zeroesGradients = false
        var measuresChange = false

        /// Whether the call steps, and does not add to a mean alone.
        var steps: Bool { accumulation?.steps ?? true }
        fileprivate var isAny: Bool {
            accumulation != nil || lookahead != nil || average != nil || zeroesGradients || measuresChange
        }
    }

    /// Counts the gradient, and says what is done with it. Where the call does not step, `progress` is of no use after it.
    func beginTurn(_ progress: inout Progress) -> Turn {
        Turn(accumulation: accumulation?.advance(&progress), zeroesGradients: zeroesGradients)
    }

    /// The rest, of a call that steps.
    func finishTurn(_ turn: inout Turn, _ progress: inout Progress) {
        turn.measuresChange = measuresChange
        (turn.lookahead, turn.average) = (lookahead?.advance(&progress), average?.advance(&progress))
    }
}

/// The numbers of a parameter's arrays among those of its stages.
struct StageArrays {
    let value: Int
    /// The gradient of the call.
    let gradient: Int
    /// The first of the slots of stages.
    let firstSlot: Int
    /// The parameter's copy in another type, where it has one.
    let copy: Int?
    /// The value as it was before the step, where it is kept.
    let old: Int?

    subscript(slot: Int) -> Int { firstSlot + slot }
}

extension Surroundings.Turn {
    /// Whether there is anything to do for a parameter.
    func isAny(copies: Bool) -> Bool { isAny || copies && steps }

    /// Adds the stages. `measures`: whether the gradient is looked at before the update.
    func add(to stages: inout Stages, _ arrays: StageArrays, measures: Bool) {
        if let accumulation {
            unsafe accumulation.add(to: &stages, arrays, side: measures && accumulation.steps ? .arriving : .before)
        }
        if let old = arrays.old { unsafe stages.add(.copy(.before, arrays.value, to: old)) }
        unsafe lookahead?.add(to: &stages, arrays)
        unsafe average?.add(to: &stages, arrays)
        if let copy = arrays.copy, steps { unsafe stages.add(.copy(.behind, arrays.value, to: copy)) }
        if zeroesGradients {
            unsafe stages.add(.zero(.behind, arrays.gradient))
            unsafe stages.add(.zero(.skipping, arrays.gradient))
        }
    }
}
