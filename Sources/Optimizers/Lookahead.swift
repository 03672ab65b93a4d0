// Lookahead around any algorithm's steps: after every k-th one the slow weights s, which start as the parameter, go a part of
// the way to it, and it goes back to them. Equation and source: Rules/StageRules.swift.
import MartletCompute

/// What a group asks of it.
struct Lookahead {
    /// The steps from one look back to the next.
    private let period: Int
    private let weight: Double
    /// Of its scalar among the parameter's: the steps since the last look back, counted from 1, and 0 before the first. Of its
    /// slot among those of stages.
    private let scalar, slot: Int

    /// Nil where a group does not ask for it; else with its slots added to those that a parameter keeps.
    init?(_ configuration: Configuration, _ slots: inout Slots) {
        period = configuration.count(.lookaheadSteps)
        if period == 0 { return nil }
        weight = configuration[.lookaheadAlpha]
        slot = slots.add(ofStage: "slow_params")
        scalar = slots.add(scalar: "lookahead_step")
    }

    /// What is done around one step.
    struct Turn {
        fileprivate let begins, looksBack: Bool
        fileprivate let weight: Double
        fileprivate let slot: Int
    }

    /// Moves the scalar on, and says what is to be done around the step; nil: nothing.
    func advance(_ progress: inout Progress) -> Turn? {
        let before = progress.scalars[scalar]
        let after = before >= 1 && before < Double(period) ? before + 1 : 1
        progress.scalars[scalar] = after
        let turn = Turn(begins: !(before >= 1), looksBack: after >= Double(period), weight: weight, slot: slot)
        return turn.begins || turn.looksBack ? turn : nil
    }
}

extension Lookahead.Turn {
    /// Adds the stages, over a parameter's arrays.
    func add(to stages: inout Stages, _ arrays: StageArrays) {
        let slow = arrays[slot]
        if begins { unsafe stages.add(.copy(.before, arrays.value, to: slow)) }
        if looksBack { unsafe stages.add(.lookahead(.behind, slow, and: arrays.value, weight: weight)) }
    }
}
