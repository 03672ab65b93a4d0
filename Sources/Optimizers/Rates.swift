// The formulas of schedules, and the product of those that are under way. Only operations that IEEE 754 fixes, with the
// powers of Power.swift and the cosine of HalfCosine.swift, so that every machine and language gets the same bits.
//
// Sources: Loshchilov, Hutter: SGDR, stochastic gradient descent with warm restarts. ICLR 2017 (cosines). Smith, Topin:
// Super-convergence, 2018 (one-cycle). Vaswani et al.: Attention is all you need, 2017 (inverse square root). Haegele et
// al.: Scaling laws and compute-optimal training beyond fixed training durations, 2024 (1-sqrt). torch and Keras.
import MartletCompute
import MartletPlatform

/// The product of schedules at one step.
package struct Rates {
    private let step: Int
    private var factor = 1.0
    private var isUnderWay = false

    /// `step`: how many steps were taken before.
    package init(step: Int) throws(MartletError) {
        guard step >= 0 else { throw MartletError(.argument, "step is \(step); expected 0 or more") }
        self.step = step
    }

    /// Multiplies by a schedule, where it is under way. Throws where its numbers are out of range.
    package mutating func multiply(_ schedule: Schedule, _ subject: @autoclosure () -> String) throws(MartletError) {
        try schedule.check(subject())
        guard step >= schedule.begin && (schedule.end == 0 || step < schedule.end) else { return }
        var request = RateRequest(schedule: schedule, step: step - schedule.begin, rate: factor)
        unsafe FloatingPointMode.exact.call(RateRequest.serve, &request)
        factor = request.rate
        isUnderWay = true
    }

    /// The rate. Throws where no schedule was under way, and where it is no finite number.
    package var product: Double {
        get throws(MartletError) {
            guard isUnderWay else {
                throw MartletError(
                    .argument,
                    "no schedule is under way at step \(step); expected one that has begun and not ended")
            }
            guard factor.isFinite else {
                throw MartletError(.argument, "the rate at step \(step) is \(factor); expected a finite number")
            }
            return factor
        }
    }
}

/// A multiplication by a schedule's rate, to be done in a floating-point mode of our own.
private struct RateRequest {
    let schedule: Schedule
    let step: Int
    var rate: Double

    static let serve: @convention(c) (UnsafeMutableRawPointer) -> Void = { context in
        let request = unsafe context.assumingMemoryBound(to: RateRequest.self)
        unsafe request.pointee.rate *= request.pointee.schedule.formula(Double(request.pointee.step))
    }
}

extension Schedule {
    /// The rate `step` steps after the beginning, of numbers that were checked.
    fileprivate func formula(_ step: Double) -> Double {
        /// How far it has come, 0 to 1.
        let share = min(step, steps) / steps
        return switch kind {
        case .constant: rate
        case .step: rate * raised(factor, to: (step / steps).rounded(.down))
        case .exponential: rate * raised(factor, to: multiples(step))
        case .inverseTime: rate / (1 + factor * multiples(step))
        case .inverseSqrt: rate * (steps / (steps + step)).squareRoot()
        case .linear: startRate + (rate - startRate) * share
        case .polynomial:
            endRate + (rate - endRate) * raised(1 - (isCyclic ? cyclicShare(step) : share), to: power)
        case .cosine: endRate + (rate - endRate) * halfCosine(isCyclic ? swing(step) : share)
        case .cosineRestarts: restarting(step)
        case .oneMinusSqrt: endRate + (rate - endRate) * (1 - share.squareRoot())
        case .oneCycle: oneCycle(step)
        }
    }

    private var isCyclic: Bool { flags.contains(.cycle) }

    private func multiples(_ step: Double) -> Double {
        flags.contains(.staircase) ? (step / steps).rounded(.down) : step / steps
    }

    /// The share of a cycle that is as many times longer as there have been cycles.
    private func cyclicShare(_ step: Double) -> Double {
        step / (steps * max(1, (step / steps).rounded(.up)))
    }

    /// 0 to 1 and back.
    private func swing(_ step: Double) -> Double {
        let place = step.truncatingRemainder(dividingBy: 2 * steps)
        return (place > steps ? 2 * steps - place : place) / steps
    }

    private func restarting(_ step: Double) -> Double {
        var (cycle, share): (Double, Double)
        if cycleFactor == 1 {
            let place = step.truncatingRemainder(dividingBy: steps)
            (cycle, share) = (((step - place) / steps).rounded(), place / steps)
        } else {
            let number = cycleNumber(step)
            let length = steps * raised(cycleFactor, to: Double(number))
            (cycle, share) = (Double(number), min(max((step - start(of: number)) / length, 0), 1))
        }
        return endRate + (rate - endRate) * raised(factor, to: cycle) * halfCosine(share)
    }

    /// The first step of a cycle: the sum of the lengths of those before it.
    private func start(of cycle: UInt64) -> Double {
        steps * (raisedMinusOne(cycleFactor, to: cycle) / (cycleFactor - 1))
    }

    /// The last cycle that starts at or before a step. Cycles are counted by their starts and not by a logarithm, which
    /// is rounded to either side of a whole number.
    private func cycleNumber(_ step: Double) -> UInt64 {
        var (low, high): (UInt64, UInt64) = (0, 1)
        while start(of: high) <= step { (low, high) = (high, 2 * high) }
        while high - low > 1 {
            let middle = low + (high - low) / 2
            if start(of: middle) <= step { low = middle } else { high = middle }
        }
        return low
    }

    /// Where the phases end is as torch has it: at the share of `warmup` in all steps, less one step for each.
    private func oneCycle(_ step: Double) -> Double {
        let first = startRate.isNaN ? rate / 25 : startRate
        let final = endRate.isNaN ? first / 1e4 : endRate
        let last = steps - 1
        let step = min(step, last)
        let top = warmup * steps - 1
        let down = 2 * (warmup * steps) - 2
        if step <= top { return annealed(first, rate, step, 0, top) }
        if !flags.contains(.threePhases) { return annealed(rate, final, step, top, last) }
        if step <= down { return annealed(rate, first, step, top, down) }
        return annealed(first, final, step, down, last)
    }

    /// From one rate to another in the steps from `begin` to `end`; the other where there are none.
    private func annealed(_ from: Double, _ to: Double, _ step: Double, _ begin: Double, _ end: Double) -> Double {
        let share = end > begin ? (step - begin) / (end - begin) : 1
        return flags.contains(.straight) ? from + (to - from) * share : to + (from - to) * halfCosine(share)
    }
}
