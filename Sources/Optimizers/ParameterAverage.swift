// An exponential average of a parameter over the steps, which training does not see:
//   e <- e - w (e - p),  w = 1 at the first step, then 1 - d; with a correction (1 - d) / (1 - d^t), with a warmup
//   1 - min(d, (1 + t) / (10 + t)), t counted from 0 at the first step
// Polyak and Juditsky: Acceleration of stochastic approximation by averaging. SIAM J. Control Optim. 30 (1992). The correction
// is that of Adam's moments (arXiv:1412.6980, section 3), so that an average of few steps is one of all of them; the warmup is
// that of TensorFlow's ExponentialMovingAverage with num_updates.
import MartletCompute

/// What a group asks of it.
struct ParameterAverage {
    private let decay: Double
    private let corrects, warmsUp: Bool
    /// Of the count of steps averaged, among the parameter's scalars, and of its slot among those of stages.
    private let scalar: Int
    let slot: Int

    /// Nil where a group does not ask for it; else with its slots added to those that a parameter keeps.
    init?(_ configuration: Configuration, _ slots: inout Slots) {
        decay = configuration[.emaDecay]
        if !(decay > 0) { return nil }
        corrects = configuration.flags.contains(.emaCorrection)
        warmsUp = configuration.flags.contains(.emaWarmup)
        slot = slots.add(ofStage: "ema_params", isPrecise: true)
        scalar = slots.add(scalar: "ema_step")
    }

    /// What is wrong with what a group asks; nil: nothing.
    static func problem(_ configuration: Configuration) -> String? {
        let decay = configuration[.emaDecay]
        let flag = configuration.flags.intersection([.emaCorrection, .emaWarmup]).first
        if configuration.algorithm.hasEvaluationPoint && (decay > 0 || flag != nil) {
            return
                (flag.map { "flags sets \($0.name); expected none of an average" }
                ?? "ema_decay is \(decay); expected 0")
                + " with \(configuration.algorithm.name), which averages parameters itself"
        }
        if !(decay > 0), let flag {
            return "flags sets \(flag.name) and ema_decay is \(decay); expected the flag beside an average, more than 0"
        }
        return nil
    }

    /// Whether there is an average, by what a parameter has kept.
    func hasBegun(_ scalars: ScalarSlots) -> Bool { unsafe scalars[scalar] > 0 }

    /// What is done behind one step.
    struct Turn {
        fileprivate let weight: Double
        fileprivate let slot: Int
    }

    /// Counts the step.
    func advance(_ progress: inout Progress) -> Turn {
        let before = max(progress.scalars[scalar], 0)
        progress.scalars[scalar] = before + 1
        let weight =
            if before == 0 { 1.0 } else if corrects {
                (1 - decay) / oneMinusPower(decay, StepNumber(whole: Int64(min(before, 0x1p53)) + 1))
            } else if warmsUp { 1 - min(decay, (1 + before) / (10 + before)) } else { 1 - decay }
        return Turn(weight: weight, slot: slot)
    }
}

extension ParameterAverage.Turn {
    func add(to stages: inout Stages, _ arrays: StageArrays) {
        unsafe stages.add(.interpolation(.behind, arrays[slot], towards: arrays.value, weight: weight))
    }
}
