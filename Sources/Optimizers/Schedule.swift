// Learning rates by step: each a closed form of the step's number, in Double, without state, so that training resumes at
// any step. Several of them are multiplied where they are under way together, which makes sequences and chains of them.
// What has state, a rate that waits for a metric, is Plateau.swift's business; the formulas are those of Rates.swift.
import MartletCompute
import MartletPlatform

/// A learning rate, or another hyperparameter, as a function of the step. martlet.h has the equations.
///
/// ```swift
/// let warmup = Schedule.linear(to: 1e-3, steps: 100).until(100)
/// let decay = Schedule.cosine(1e-3, steps: 900).from(100)
/// try optimizer.set(.lr, to: [warmup, decay].rate(at: step), group: 0)
/// ```
@frozen
public struct Schedule: Sendable, Equatable {
    /// The raw values are those of martlet.h.
    @frozen
    public enum Kind: Int32, Sendable, CaseIterable {
        case constant = 1
        case step = 2
        case exponential = 3
        case inverseTime = 4
        case inverseSqrt = 5
        case linear = 6
        case polynomial = 7
        case cosine = 8
        case cosineRestarts = 9
        case oneMinusSqrt = 10
        case oneCycle = 11
    }

    /// Switches of some kinds; the raw values are those of martlet.h.
    @frozen
    public struct Flags: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Exponential and inverse time: whole multiples of `steps` alone count.
        public static let staircase = Flags(rawValue: 1)
        /// Polynomial: starts anew past `steps`, with longer cycles; cosine: goes up again, and down.
        public static let cycle = Flags(rawValue: 2)
        /// One-cycle: straight lines in place of half cosines.
        public static let straight = Flags(rawValue: 4)
        /// One-cycle: down to the start in as many steps as up, and to the end in the rest.
        public static let threePhases = Flags(rawValue: 8)

        package static let all: Flags = [.staircase, .cycle, .straight, .threePhases]
    }

    public var kind: Kind
    public var flags: Flags = []
    /// The step at which it begins; it counts its own steps from there.
    public var begin = 0
    /// The step at which it has ended; 0: it never does.
    public var end = 0
    public var steps = Double.nan
    public var rate = Double.nan
    public var startRate = Double.nan
    public var endRate = Double.nan
    public var factor = Double.nan
    public var power = Double.nan
    public var cycleFactor = Double.nan
    public var warmup = Double.nan

    /// A kind with its defaults; NaN where it reads a number that has none, or does not read it.
    public init(_ kind: Kind) {
        self.kind = kind
        for field in ScheduleField.allCases { self[field] = field.defaultValue(kind) ?? .nan }
    }

    /// The rate at a step: how many were taken before it. Throws `.argument` for numbers out of range, a negative step,
    /// one at which it is not under way, and where the rate is beyond Double's range.
    public func rate(at step: Int) throws(MartletError) -> Double {
        try CollectionOfOne(self).rate(at: step)
    }

    subscript(field: ScheduleField) -> Double {
        get {
            switch field {
            case .steps: steps
            case .rate: rate
            case .startRate: startRate
            case .endRate: endRate
            case .factor: factor
            case .power: power
            case .cycleFactor: cycleFactor
            case .warmup: warmup
            }
        }
        set {
            switch field {
            case .steps: steps = newValue
            case .rate: rate = newValue
            case .startRate: startRate = newValue
            case .endRate: endRate = newValue
            case .factor: factor = newValue
            case .power: power = newValue
            case .cycleFactor: cycleFactor = newValue
            case .warmup: warmup = newValue
            }
        }
    }

    /// Throws where a number is out of range or set in vain. `subject` is what messages call this schedule.
    package func check(_ subject: @autoclosure () -> String) throws(MartletError) {
        guard flags.isSubset(of: kind.flags) else {
            throw MartletError(.argument, "\(subject()).flags is \(flags.rawValue); expected \(kind.flagsInWords)")
        }
        guard begin >= 0 else {
            throw MartletError(.argument, "\(subject()).begin is \(begin); expected 0 or more")
        }
        guard end == 0 || end > begin else {
            throw MartletError(
                .argument, "\(subject()).end is \(end); expected 0, or more than begin, which is \(begin)")
        }
        for field in ScheduleField.allCases {
            let value = self[field]
            if field.accepts(value, kind) { continue }
            throw MartletError(
                .argument, "\(subject()).\(field.name) is \(value); expected \(field.range(kind))")
        }
    }
}

extension Schedule.Kind {
    /// The name of the constant in martlet.h, in small letters.
    public var name: StaticString {
        switch self {
        case .constant: "constant"
        case .step: "step"
        case .exponential: "exponential"
        case .inverseTime: "inverse_time"
        case .inverseSqrt: "inverse_sqrt"
        case .linear: "linear"
        case .polynomial: "polynomial"
        case .cosine: "cosine"
        case .cosineRestarts: "cosine_restarts"
        case .oneMinusSqrt: "one_minus_sqrt"
        case .oneCycle: "one_cycle"
        }
    }

    /// The choices that the kind reads.
    var flags: Schedule.Flags {
        switch self {
        case .exponential, .inverseTime: .staircase
        case .polynomial, .cosine: .cycle
        case .oneCycle: [.straight, .threePhases]
        default: []
        }
    }

    fileprivate var flagsInWords: StaticString {
        switch self {
        case .exponential, .inverseTime: "0 or MARTLET_STAIRCASE"
        case .polynomial, .cosine: "0 or MARTLET_CYCLE"
        case .oneCycle: "a sum of MARTLET_STRAIGHT and MARTLET_THREE_PHASES"
        default: "0: this kind reads none"
        }
    }
}

extension Sequence<Schedule> {
    /// The product of the rates of those that are under way at a step, as ``Schedule/rate(at:)``. Throws `.argument`
    /// where none is.
    public func rate(at step: Int) throws(MartletError) -> Double {
        var rates = try Rates(step: step)
        for (index, schedule) in enumerated() { try rates.multiply(schedule, "schedules[\(index)]") }
        return try rates.product
    }
}
