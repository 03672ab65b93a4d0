// The numbers that a user chooses, in one struct for every algorithm, and the choices beside them. NaN means unused.
// Which of them an algorithm reads, its defaults and its equation stand in the algorithm's own file.
import MartletPlatform

/// A hyperparameter by number; the raw values are those of martlet.h.
@frozen
public enum Hyperparameter: Int32, Sendable, CaseIterable {
    case lr = 1
    case beta1 = 2
    case beta2 = 3
    case beta3 = 4
    case eps = 5
    case weightDecay = 6
    case momentum = 7

    /// The field's name in martlet.h and in messages.
    public var name: StaticString {
        switch self {
        case .lr: "lr"
        case .beta1: "beta1"
        case .beta2: "beta2"
        case .beta3: "beta3"
        case .eps: "eps"
        case .weightDecay: "weight_decay"
        case .momentum: "momentum"
        }
    }

    /// Whether a value may stand here, for an algorithm that reads it.
    func accepts(_ value: Double, _ flags: Flags) -> Bool {
        if flags.contains(.wideRanges) { return value.isFinite }
        return switch self {
        case .lr, .eps, .weightDecay: value >= 0 && value.isFinite
        case .beta1, .beta2, .beta3, .momentum: value >= 0 && value < 1
        }
    }

    /// The range in words, for messages.
    func range(_ flags: Flags) -> StaticString {
        if flags.contains(.wideRanges) { return "a finite number" }
        return switch self {
        case .lr, .eps, .weightDecay: "a finite number, 0 or more"
        case .beta1, .beta2, .beta3, .momentum: "0 or more and less than 1"
        }
    }
}

/// Whose convention is followed where libraries differ; the raw values are those of martlet.h.
@frozen
public enum Semantics: Int32, Sendable, CaseIterable {
    case torch = 0
    case keras = 1
    case optax = 2
    case paper = 3
}

/// Switches of a group; the raw values are those of martlet.h.
@frozen
public struct Flags: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Divide by the largest second moment so far.
    public static let amsgrad = Flags(rawValue: 1)
    /// Climb instead of descend.
    public static let maximize = Flags(rawValue: 2)
    /// Count numbers below the normal range as zero during the step.
    public static let flushDenormals = Flags(rawValue: 4)
    /// Keep them.
    public static let keepDenormals = Flags(rawValue: 8)
    /// Take any finite number for a hyperparameter, and refuse a step where they give no finite coefficients.
    public static let wideRanges = Flags(rawValue: 16)

    package static let all: Flags = [.amsgrad, .maximize, .flushDenormals, .keepDenormals, .wideRanges]
}

/// A group's algorithm and everything it is told.
@frozen
public struct Configuration: Sendable {
    public var algorithm: Algorithm
    public var semantics = Semantics.torch
    public var flags: Flags = []
    public var lr = Double.nan
    public var beta1 = Double.nan
    public var beta2 = Double.nan
    public var beta3 = Double.nan
    public var eps = Double.nan
    public var weightDecay = Double.nan
    public var momentum = Double.nan

    /// An algorithm with its defaults.
    public init(_ algorithm: Algorithm) {
        self.algorithm = algorithm
        for hyperparameter in Hyperparameter.allCases {
            if let value = algorithm.defaultValue(hyperparameter) { self[hyperparameter] = value }
        }
    }

    public subscript(hyperparameter: Hyperparameter) -> Double {
        get {
            switch hyperparameter {
            case .lr: lr
            case .beta1: beta1
            case .beta2: beta2
            case .beta3: beta3
            case .eps: eps
            case .weightDecay: weightDecay
            case .momentum: momentum
            }
        }
        set {
            switch hyperparameter {
            case .lr: lr = newValue
            case .beta1: beta1 = newValue
            case .beta2: beta2 = newValue
            case .beta3: beta3 = newValue
            case .eps: eps = newValue
            case .weightDecay: weightDecay = newValue
            case .momentum: momentum = newValue
            }
        }
    }

    /// Whether numbers below the normal range count as zero. With an eps under 1e-10 the default is no: a second moment
    /// flushed to zero would then leave almost nothing to divide by.
    package var flushesDenormals: Bool {
        flags.contains(.flushDenormals) || (eps >= 1e-10 && !flags.contains(.keepDenormals))
    }

    /// State arrays that a parameter needs.
    package var slotCount: Int {
        algorithm.slotCount(flags: flags)
    }

    /// Throws where a value is out of range or set in vain. `subject` is what messages call this configuration.
    package func check(_ subject: @autoclosure () -> String) throws(MartletError) {
        for hyperparameter in Hyperparameter.allCases {
            try check(hyperparameter, self[hyperparameter], subject())
        }
        if flags.isSuperset(of: [.flushDenormals, .keepDenormals]) {
            throw MartletError(
                .argument,
                "\(subject()).flags sets both FLUSH_DENORMALS and KEEP_DENORMALS; expected one of them at most")
        }
    }

    /// The error for a step that these hyperparameters give no finite numbers for.
    func undefined(_ subject: String, step: StepNumber) -> MartletError {
        let number = step.fraction == 0 ? "\(step.whole)" : "\(Double(step.whole) + step.fraction)"
        return MartletError(
            .argument,
            "\(subject) has no step \(number) with lr \(lr), beta1 \(beta1), beta2 \(beta2), eps \(eps), "
                + "weight_decay \(weightDecay); expected a finite step size, so a beta1 to the power \(number) other than 1 "
                + "and a beta2 to that power of 1 at most")
    }

    /// Throws where this algorithm cannot take a value for a hyperparameter.
    package func check(
        _ hyperparameter: Hyperparameter, _ value: Double, _ subject: @autoclosure () -> String
    ) throws(MartletError) {
        let isRead = algorithm.defaultValue(hyperparameter) != nil
        if isRead ? hyperparameter.accepts(value, flags) : value.isNaN { return }
        throw MartletError(
            .argument,
            "\(subject()).\(hyperparameter.name) is \(value); expected "
                + (isRead ? "\(hyperparameter.range(flags))" : "NaN: \(algorithm.name) does not read it"))
    }
}
