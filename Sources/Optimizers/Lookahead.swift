// Lookahead around any algorithm's steps: after every k-th one the slow weights s, which start as the parameter, go a part of
// the way to it, and it goes back to them. Equation and source: Rules/StageRules.swift.
import MartletCompute
import MartletKernelInterface

/// What a group asks of it.
struct Lookahead {
    /// The steps from one look back to the next; 0: there is none.
    private let period: Int
    private let weight: Double
    /// Of its scalar among the parameter's: the steps since the last look back, counted from 1, and 0 before the first.
    private let place: Int

    /// `scalars`: how many stand before its own.
    init(_ configuration: Configuration, scalars: Int) {
        period = configuration.count(.lookaheadSteps)
        weight = configuration[.lookaheadAlpha]
        place = scalars
    }

    var isOn: Bool { period > 0 }

    static func addSlots(to slots: inout Slots) {
        slots.add(ofStage: "slow_params")
        slots.add(scalar: "lookahead_step")
    }

    /// Moves the scalar on, and says what is to be done around the step.
    func advance(_ progress: inout Progress) -> Turn {
        let before = progress.scalars[place]
        let after = before >= 1 && before < Double(period) ? before + 1 : 1
        progress.scalars[place] = after
        return Turn(begins: !(before >= 1), looksBack: after >= Double(period), weight: weight)
    }

    /// What is done around one step.
    struct Turn {
        var begins = false
        var looksBack = false
        var weight = 0.0

        var isAny: Bool { begins || looksBack }

        /// Adds the stages, over a parameter's array of slow weights.
        func add(to stages: inout Stages, slow: Operand) {
            if !isAny { return }
            let (value, slow) = unsafe (Stages.value, stages.add(slow))
            if begins { unsafe stages.add(Stage(.before, .copy, value: value, gradient: value, slot: slow)) }
            if looksBack {
                unsafe stages.add(
                    Stage(.behind, .lookahead, value: slow, gradient: value, slot: value, weight: weight))
            }
        }
    }
}
