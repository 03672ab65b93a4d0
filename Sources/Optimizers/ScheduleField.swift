// The numbers of a schedule: which kind reads which, its default, its range and the words for it. One table for every
// kind; the formulas that read them are Rates.swift's.

/// A number of a schedule, by the name of its field in martlet.h.
enum ScheduleField: CaseIterable {
    case steps, rate, startRate, endRate, factor, power, cycleFactor, warmup

    var name: StaticString {
        switch self {
        case .steps: "steps"
        case .rate: "rate"
        case .startRate: "start_rate"
        case .endRate: "end_rate"
        case .factor: "factor"
        case .power: "power"
        case .cycleFactor: "cycle_factor"
        case .warmup: "warmup"
        }
    }

    /// What a kind takes where nothing is said, NaN where something must be; nil where the kind does not read it. The
    /// last two rates of a one-cycle follow from the others where they are NaN.
    func defaultValue(_ kind: Schedule.Kind) -> Double? {
        switch (self, kind) {
        case (.rate, _): .nan
        case (.steps, .constant): nil
        case (.steps, .exponential), (.steps, .inverseTime): 1
        case (.steps, _): .nan
        case (.startRate, .linear): 0
        case (.startRate, .oneCycle), (.endRate, .oneCycle): .nan
        case (.endRate, .polynomial), (.endRate, .cosine), (.endRate, .cosineRestarts), (.endRate, .oneMinusSqrt): 0
        case (.factor, .step): 0.1
        case (.factor, .exponential), (.factor, .inverseTime): .nan
        case (.factor, .cosineRestarts), (.cycleFactor, .cosineRestarts): 1
        case (.power, .polynomial): 1
        case (.warmup, .oneCycle): 0.3
        default: nil
        }
    }

    /// Whether a value may stand here.
    func accepts(_ value: Double, _ kind: Schedule.Kind) -> Bool {
        if defaultValue(kind) == nil || (mayFollow(kind) && value.isNaN) { return value.isNaN }
        guard value.isFinite else { return false }
        return switch self {
        case .steps, .cycleFactor: value >= 1
        case .warmup: value >= 0 && value <= 1
        default: value >= 0
        }
    }

    /// The range in words, for messages.
    func range(_ kind: Schedule.Kind) -> String {
        if defaultValue(kind) == nil { return "NaN: \(kind.name) does not read it" }
        return switch self {
        case .steps, .cycleFactor: "a finite number, 1 or more"
        case .warmup: "0 to 1"
        default: "a finite number, 0 or more" + (mayFollow(kind) ? ", or NaN" : "")
        }
    }

    private func mayFollow(_ kind: Schedule.Kind) -> Bool {
        kind == .oneCycle && (self == .startRate || self == .endRate)
    }
}
