// Schedules as they are written in Swift: a function for each kind, and arrays of them for what has several parts. An
// array is a chain, whose rates are multiplied; a sequence is one whose parts are under way one after another.
import MartletPlatform

extension Schedule {
    /// The same rate at every step.
    public static func constant(_ rate: Double) -> Schedule {
        Schedule(.constant, rate)
    }

    /// Multiplied by a factor every so many steps, as torch's StepLR.
    public static func step(_ rate: Double, every steps: Double, factor: Double = 0.1) -> Schedule {
        Schedule(.step, rate) { ($0.steps, $0.factor) = (steps, factor) }
    }

    /// Multiplied by a factor in so many steps, as torch's ExponentialLR and Keras's ExponentialDecay.
    public static func exponential(
        _ rate: Double, factor: Double, steps: Double = 1, staircase: Bool = false
    ) -> Schedule {
        Schedule(.exponential, rate) {
            ($0.factor, $0.steps, $0.flags) = (factor, steps, staircase ? .staircase : [])
        }
    }

    /// Divided by 1 and a factor's multiple, as Keras's InverseTimeDecay.
    public static func inverseTime(
        _ rate: Double, factor: Double, steps: Double = 1, staircase: Bool = false
    ) -> Schedule {
        Schedule(.inverseTime, rate) {
            ($0.factor, $0.steps, $0.flags) = (factor, steps, staircase ? .staircase : [])
        }
    }

    /// Falling with the square root of the steps: to half of it after three times `steps`.
    public static func inverseSqrt(_ rate: Double, steps: Double) -> Schedule {
        Schedule(.inverseSqrt, rate) { $0.steps = steps }
    }

    /// A straight line, and then the rate that it leads to: a warm-up, or torch's LinearLR.
    public static func linear(from startRate: Double = 0, to rate: Double, steps: Double) -> Schedule {
        Schedule(.linear, rate) { ($0.startRate, $0.steps) = (startRate, steps) }
    }

    /// Falling with a power of what is left, as torch's PolynomialLR and Keras's PolynomialDecay.
    public static func polynomial(
        _ rate: Double, steps: Double, to endRate: Double = 0, power: Double = 1, cycle: Bool = false
    ) -> Schedule {
        Schedule(.polynomial, rate) {
            ($0.steps, $0.endRate, $0.power, $0.flags) = (steps, endRate, power, cycle ? .cycle : [])
        }
    }

    /// Half a cosine, as Keras's CosineDecay; with `cycle` up and down again, as torch's CosineAnnealingLR.
    public static func cosine(
        _ rate: Double, steps: Double, to endRate: Double = 0, cycle: Bool = false
    ) -> Schedule {
        Schedule(.cosine, rate) { ($0.steps, $0.endRate, $0.flags) = (steps, endRate, cycle ? .cycle : []) }
    }

    /// Half cosines one after another, as torch's CosineAnnealingWarmRestarts and Keras's CosineDecayRestarts.
    public static func cosineRestarts(
        _ rate: Double, steps: Double, to endRate: Double = 0, cycleFactor: Double = 1, factor: Double = 1
    ) -> Schedule {
        Schedule(.cosineRestarts, rate) {
            ($0.steps, $0.endRate, $0.cycleFactor, $0.factor) = (steps, endRate, cycleFactor, factor)
        }
    }

    /// Falling with the square root of the steps: the last part of a warm-up, stable, decay schedule.
    public static func oneMinusSqrt(_ rate: Double, steps: Double, to endRate: Double = 0) -> Schedule {
        Schedule(.oneMinusSqrt, rate) { ($0.steps, $0.endRate) = (steps, endRate) }
    }

    /// Up to the rate in a share of the steps, and down, as torch's OneCycleLR. NaN: a 25th of the rate to start from,
    /// and a 10,000th of that to end with.
    public static func oneCycle(
        _ rate: Double, steps: Double, warmup: Double = 0.3, from startRate: Double = .nan,
        to endRate: Double = .nan, flags: Flags = []
    ) -> Schedule {
        Schedule(.oneCycle, rate) {
            ($0.steps, $0.warmup, $0.startRate, $0.endRate, $0.flags) = (steps, warmup, startRate, endRate, flags)
        }
    }

    /// The same from a step on, which is its own step 0.
    public func from(_ begin: Int) -> Schedule { changed { $0.begin = begin } }

    /// The same, not under way from a step on.
    public func until(_ end: Int) -> Schedule { changed { $0.end = end } }

    private init(_ kind: Kind, _ rate: Double, _ change: (inout Schedule) -> Void = { _ in }) {
        self.init(kind)
        self.rate = rate
        change(&self)
    }

    private func changed(_ change: (inout Schedule) -> Void) -> Schedule {
        var copy = self
        change(&copy)
        return copy
    }
}

extension [Schedule] {
    /// Multiplied by a factor at each milestone, as torch's MultiStepLR. Throws `.argument` where milestones fall.
    public static func multiStep(
        _ rate: Double, milestones: [Int], factor: Double = 0.1
    ) throws(MartletError) -> [Schedule] {
        try checkMilestones(milestones, mayRepeat: true)
        return [.constant(rate)] + milestones.map { .constant(factor).from($0) }
    }

    /// Schedules one after another, as torch's SequentialLR: each but the first begins at a milestone, its own step 0.
    /// Throws `.argument` where milestones do not climb, or are not one fewer.
    public static func sequence(_ parts: [[Schedule]], milestones: [Int]) throws(MartletError) -> [Schedule] {
        guard milestones.count == parts.count - 1 else {
            throw MartletError(
                .argument, "milestones has \(milestones.count) steps; expected one fewer than \(parts.count) parts")
        }
        try checkMilestones(milestones, mayRepeat: false)
        var found: [Schedule] = []
        for (index, part) in parts.enumerated() {
            let begin = index == 0 ? 0 : milestones[index - 1]
            let end = index == milestones.count ? 0 : milestones[index]
            for schedule in part {
                try schedule.check("parts[\(index)]")
                found += schedule.moved(by: begin, until: end)
            }
        }
        return found
    }

    /// Up in a straight line, a stable rate, and down, by `decay` (polynomial, which is a straight line too, cosine or
    /// oneMinusSqrt). Throws as ``sequence(_:milestones:)``.
    public static func warmupStableDecay(
        _ rate: Double, warmupSteps: Int, stableSteps: Int, decaySteps: Int, from startRate: Double = 0,
        to endRate: Double = 0, decay: Schedule.Kind = .polynomial
    ) throws(MartletError) -> [Schedule] {
        var last = Schedule(decay)
        (last.rate, last.endRate, last.steps) = (rate, endRate, Double(decaySteps))
        var (parts, milestones): ([[Schedule]], [Int]) = ([], [])
        if warmupSteps != 0 {
            parts.append([.linear(from: startRate, to: rate, steps: Double(warmupSteps))])
            milestones.append(warmupSteps)
        }
        if stableSteps != 0 {
            parts.append([.constant(rate)])
            milestones.append(warmupSteps &+ stableSteps)
        }
        return try sequence(parts + [[last]], milestones: milestones)
    }
}

extension Schedule {
    /// The same as a part of a sequence, of which it may be none.
    fileprivate func moved(by steps: Int, until end: Int) -> [Schedule] {
        func later(_ step: Int) -> Int {
            let (sum, isBeyond) = step.addingReportingOverflow(steps)
            return isBeyond ? .max : sum
        }
        let ownEnd = self.end == 0 ? 0 : later(self.end)
        let moved = from(later(begin)).until(end == 0 ? ownEnd : ownEnd == 0 ? end : Swift.min(ownEnd, end))
        return end != 0 && moved.begin >= end ? [] : [moved]
    }
}

private func checkMilestones(_ milestones: [Int], mayRepeat: Bool) throws(MartletError) {
    for (index, milestone) in milestones.enumerated() {
        let before = index == 0 ? 0 : milestones[index - 1]
        guard milestone > before || (mayRepeat && milestone == before) else {
            throw MartletError(
                .argument,
                "milestones[\(index)] is \(milestone); expected \(mayRepeat ? "" : "more than ")\(before)\(mayRepeat ? " or more" : "")"
            )
        }
    }
}
