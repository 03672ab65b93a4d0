// The numbers that a user may choose, each once: its name and its range. Which of them an algorithm reads, and its
// defaults, stand in the algorithm's own file.

/// A hyperparameter by number; the raw values are those of martlet.h, and the order is that of martlet_config's fields.
@frozen
public enum Hyperparameter: Int32, Sendable, CaseIterable {
    case lr = 1
    case beta1 = 2
    case beta2 = 3
    case beta3 = 4
    case eps = 5
    case weightDecay = 6
    case momentum = 7
    case dampening = 8
    case alpha = 9
    case rho = 10
    case lrDecay = 11
    case initialAccumulatorValue = 12
    case etaMinus = 13
    case etaPlus = 14
    case stepSizeMinimum = 15
    case stepSizeMaximum = 16
    case lambd = 17
    case t0 = 18
    case momentumDecay = 19
    case finalLR = 20
    case gamma = 21
    case epsRoot = 22
    case eps2 = 23
    case beta2Decay = 24
    case clippingThreshold = 25
    case r = 26
    case weightLRPower = 27
    case warmupSteps = 28
    case alphaWarmup = 29
    case beta3Warmup = 30
    case trustCoefficient = 31
    case d0 = 32
    case dCoefficient = 33
    case growthRate = 34
    case nsSteps = 35
    case nsA = 36
    case nsB = 37
    case nsC = 38
    case blocks = 39
    case preconditionFrequency = 40
    case maxPrecondDim = 41
    case blockSize = 42
    case lookaheadSteps = 43
    case lookaheadAlpha = 44
    case lossScale = 45
    case maxNorm = 46
    case clipNorm = 47
    case clipValue = 48
    case emaDecay = 49
    case accumulateSteps = 50

    /// A number for each of them, in their order.
    public typealias Values = InlineArray<50, Double>

    /// How many there are.
    static var count: Int { Values.count }

    /// Its place among the fields of martlet_config.
    package var place: Int { Int(rawValue) - 1 }

    /// The one at a place below `count`.
    init(place: Int) { self = Hyperparameter(rawValue: Int32(place + 1))! }

    private var row: (name: StaticString, range: Range) {
        switch self {
        case .lr: ("lr", .nonNegative)
        case .beta1: ("beta1", .decay)
        case .beta2: ("beta2", .decay)
        case .beta3: ("beta3", .decay)
        case .eps: ("eps", .nonNegative)
        case .weightDecay: ("weight_decay", .nonNegative)
        case .momentum: ("momentum", .decay)
        case .dampening: ("dampening", .finite)
        case .alpha: ("alpha", .nonNegative)
        case .rho: ("rho", .fraction)
        case .lrDecay: ("lr_decay", .nonNegative)
        case .initialAccumulatorValue: ("initial_accumulator_value", .nonNegative)
        case .etaMinus: ("etaminus", .inside)
        case .etaPlus: ("etaplus", .aboveOne)
        case .stepSizeMinimum: ("step_size_min", .nonNegative)
        case .stepSizeMaximum: ("step_size_max", .nonNegative)
        case .lambd: ("lambd", .nonNegative)
        case .t0: ("t0", .nonNegative)
        case .momentumDecay: ("momentum_decay", .nonNegative)
        case .finalLR: ("final_lr", .nonNegative)
        case .gamma: ("gamma", .decay)
        case .epsRoot: ("eps_root", .nonNegative)
        case .eps2: ("eps2", .nonNegative)
        case .beta2Decay: ("beta2_decay", .nonPositive)
        case .clippingThreshold: ("clipping_threshold", .aboveOrOne)
        case .r: ("r", .finite)
        case .weightLRPower: ("weight_lr_power", .finite)
        case .warmupSteps: ("warmup_steps", .nonNegative)
        case .alphaWarmup: ("alpha_warmup", .nonNegative)
        case .beta3Warmup: ("beta3_warmup", .nonNegative)
        case .trustCoefficient: ("trust_coefficient", .nonNegative)
        case .d0: ("d0", .positive)
        case .dCoefficient: ("d_coef", .nonNegative)
        case .growthRate: ("growth_rate", .growth)
        case .nsSteps: ("ns_steps", .steps)
        case .nsA: ("ns_a", .finite)
        case .nsB: ("ns_b", .finite)
        case .nsC: ("ns_c", .finite)
        case .blocks: ("blocks", .blocks)
        case .preconditionFrequency: ("precondition_frequency", .blocks)
        case .maxPrecondDim: ("max_precond_dim", .sizes)
        case .blockSize: ("block_size", .sizes)
        case .lookaheadSteps: ("lookahead_steps", .sizes)
        case .lookaheadAlpha: ("lookahead_alpha", .fraction)
        case .lossScale: ("loss_scale", .positive)
        case .maxNorm: ("max_norm", .bound)
        case .clipNorm: ("clip_norm", .bound)
        case .clipValue: ("clip_value", .bound)
        case .emaDecay: ("ema_decay", .decay)
        case .accumulateSteps: ("accumulate", .sizes)
        }
    }

    /// The default of one that every algorithm reads; nil: algorithms say whether they do.
    var defaultEverywhere: Double? {
        switch self {
        case .lookaheadSteps: 0
        case .lookaheadAlpha: 0.5
        case .lossScale: 1
        case .emaDecay, .accumulateSteps: 0
        case .maxNorm, .clipNorm, .clipValue: .infinity
        default: nil
        }
    }

    /// The field's name in martlet.h and in messages.
    public var name: StaticString { row.name }

    /// What a value may be, for an algorithm that reads it. Those that every algorithm reads are the library's own, and have
    /// no wider range.
    func range(_ flags: Flags) -> Range {
        flags.contains(.wideRanges) && defaultEverywhere == nil ? row.range.widest : row.range
    }

    /// A set of numbers, none of which is infinite but a growth that has no bound.
    enum Range {
        case finite, nonNegative, nonPositive, positive, decay, fraction, inside, aboveOne, aboveOrOne, growth, number,
            bound
        /// Counts, which stay what they are whatever else is allowed.
        case steps, blocks, sizes

        func contains(_ value: Double) -> Bool {
            guard value.isFinite else {
                return value == .infinity && (self == .growth || self == .number || self == .bound)
            }
            return switch self {
            case .finite, .number: true
            case .nonNegative, .bound: value >= 0
            case .nonPositive: value <= 0
            case .positive: value > 0
            case .decay: value >= 0 && value < 1
            case .fraction: value >= 0 && value <= 1
            case .inside: value > 0 && value < 1
            case .aboveOne: value > 1
            case .aboveOrOne, .growth: value >= 1
            case .steps: value >= 1 && value < 100 && value == value.rounded()
            case .blocks: value >= 1 && value <= 0x1p31 && value == value.rounded()
            case .sizes: value >= 0 && value <= 0x1p31 && value == value.rounded()
            }
        }

        /// What `wideRanges` makes of it.
        var widest: Range {
            switch self {
            case .growth: .number
            case .steps, .blocks, .sizes: self
            default: .finite
            }
        }

        /// For messages.
        var words: StaticString {
            switch self {
            case .finite: "a finite number"
            case .nonNegative: "a finite number, 0 or more"
            case .nonPositive: "a finite number, 0 or less"
            case .positive: "a finite number, more than 0"
            case .decay: "0 or more and less than 1"
            case .fraction: "0 to 1"
            case .inside: "more than 0 and less than 1"
            case .aboveOne: "a finite number, more than 1"
            case .aboveOrOne: "a finite number, 1 or more"
            case .growth: "1 or more, up to infinity"
            case .number: "a finite number or infinity"
            case .bound: "0 or more, up to infinity"
            case .steps: "a whole number, 1 to 99"
            case .blocks: "a whole number, 1 to 2^31"
            case .sizes: "a whole number, 0 to 2^31"
            }
        }
    }
}
