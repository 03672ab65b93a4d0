// A group's algorithm and everything that it is told: numbers, flags, a convention. NaN means unused.
import MartletKernelInterface
import MartletPlatform

/// Whose convention is followed where libraries differ; the raw values are those of martlet.h.
@frozen
public enum Semantics: Int32, Sendable, CaseIterable {
    case torch = 0
    case keras = 1
    case optax = 2
    case paper = 3
}

extension Semantics {
    /// Its name in martlet.h, without MARTLET_SEMANTICS_.
    var name: StaticString {
        switch self {
        case .torch: "TORCH"
        case .keras: "KERAS"
        case .optax: "OPTAX"
        case .paper: "PAPER"
        }
    }
}

/// A set of conventions.
struct Conventions: OptionSet {
    let rawValue: Int32

    static let torch = Conventions(.torch)
    static let keras = Conventions(.keras)
    static let optax = Conventions(.optax)
    static let paper = Conventions(.paper)

    init(rawValue: Int32) { self.rawValue = rawValue }
    init(_ semantics: Semantics) { self.init(rawValue: 1 << semantics.rawValue) }

    /// For messages.
    var words: String {
        Semantics.allCases.filter { contains(Conventions($0)) }.map { "\($0.name)" }.joined(separator: " or ")
    }
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

    /// Decay the parameter itself instead of adding the decay to the gradient. AdamW always does.
    public static let decoupledDecay = Flags(rawValue: 32)
    /// The same, but where the step moves an element away from 0.
    public static let cautiousDecay = Flags(rawValue: 64)
    /// Decoupled decay by lr^2 over the largest lr so far, in place of lr.
    public static let correctedDecay = Flags(rawValue: 128)
    /// Look ahead along the momentum.
    public static let nesterov = Flags(rawValue: 256)
    /// Divide by the root of the variance, not of the mean square.
    public static let centered = Flags(rawValue: 512)
    /// Rectify the rate while the second moment has seen few gradients.
    public static let rectify = Flags(rawValue: 1024)
    /// Leave the rate out of what an estimated distance is divided by.
    public static let safeguardWarmup = Flags(rawValue: 2048)
    /// Correct averages for their start at zero.
    public static let biasCorrection = Flags(rawValue: 4096)

    /// Scale a matrix's step by 0.2 times the root of its longer side.
    public static let matchRMS = Flags(rawValue: 8192)
    /// Scale it by the root of its rows over its columns.
    public static let spectral = Flags(rawValue: 16384)
    /// Make matrices orthogonal with a list of coefficients that changes from step to step.
    public static let quintic = Flags(rawValue: 32768)
    /// The same with the list of the Polar Express.
    public static let polarExpress = Flags(rawValue: 65536)
    /// Leave out of a step what goes against the gradient, and make up for it.
    public static let cautiousUpdate = Flags(rawValue: 131072)
    /// Give a step the norm of Adam's.
    public static let graftAdam = Flags(rawValue: 262144)
    /// Divide a matrix's rows by the root of an average of their mean squares.
    public static let normuon = Flags(rawValue: 524288)
    /// Keep a matrix's norm.
    public static let hyperball = Flags(rawValue: 1_048_576)

    /// Take no step at all where a gradient is not finite.
    public static let skipNonfinite = Flags(rawValue: 2_097_152)
    /// Report the norm of the gradients.
    public static let measure = Flags(rawValue: 4_194_304)
    /// Weigh the first steps of an average of parameters as all others.
    public static let emaCorrection = Flags(rawValue: 8_388_608)
    /// Begin an average of parameters with a smaller decay.
    public static let emaWarmup = Flags(rawValue: 16_777_216)
    /// Fill gradients with zeros behind the step.
    public static let zeroGradients = Flags(rawValue: 33_554_432)
    /// Report the norm of what the step changes.
    public static let measureUpdate = Flags(rawValue: 67_108_864)

    /// Round values of bf16 and fp16 at random.
    public static let stochasticRounding = Flags(rawValue: 134_217_728)
    /// Keep what rounding them takes, and add it at the next step.
    public static let kahan = Flags(rawValue: 268_435_456)
    /// Keep the other half of fp32 beside values of bf16.
    public static let split = Flags(rawValue: 536_870_912)

    /// Let rows that a gradient does not name catch up later with what a gradient of zeros makes of them.
    public static let deferRows = Flags(rawValue: 1_073_741_824)

    /// Those that every algorithm reads.
    package static let everywhere: Flags = [
        .maximize, .flushDenormals, .keepDenormals, .wideRanges, .skipNonfinite, .measure,
        .emaCorrection, .emaWarmup, .zeroGradients, .measureUpdate, .stochasticRounding, .kahan, .split,
    ]
    /// Those of which one says how values of 16 bits take small steps.
    static let lowPrecision: Flags = [.stochasticRounding, .kahan, .split]
    /// Those of algorithms that read weight_decay.
    package static let decays: Flags = [.decoupledDecay, .cautiousDecay, .correctedDecay]

    package static let all = Flags(rawValue: (1 << 31) - 1)

    /// One of them; nil where there is none.
    var first: Flags? { isEmpty ? nil : Flags(rawValue: rawValue & (~rawValue &+ 1)) }

    /// The name of a single flag in martlet.h, without MARTLET_.
    var name: StaticString {
        switch self {
        case .amsgrad: "AMSGRAD"
        case .maximize: "MAXIMIZE"
        case .flushDenormals: "FLUSH_DENORMALS"
        case .keepDenormals: "KEEP_DENORMALS"
        case .wideRanges: "WIDE_RANGES"
        case .decoupledDecay: "DECOUPLED_DECAY"
        case .cautiousDecay: "CAUTIOUS_DECAY"
        case .correctedDecay: "CORRECTED_DECAY"
        case .nesterov: "NESTEROV"
        case .centered: "CENTERED"
        case .rectify: "RECTIFY"
        case .safeguardWarmup: "SAFEGUARD_WARMUP"
        case .biasCorrection: "BIAS_CORRECTION"
        case .matchRMS: "MATCH_RMS"
        case .spectral: "SPECTRAL"
        case .quintic: "QUINTIC"
        case .polarExpress: "POLAR_EXPRESS"
        case .cautiousUpdate: "CAUTIOUS_UPDATE"
        case .graftAdam: "GRAFT_ADAM"
        case .normuon: "NORMUON"
        case .hyperball: "HYPERBALL"
        case .skipNonfinite: "SKIP_NONFINITE"
        case .measure: "MEASURE"
        case .emaCorrection: "EMA_CORRECTION"
        case .emaWarmup: "EMA_WARMUP"
        case .zeroGradients: "ZERO_GRADS"
        case .measureUpdate: "MEASURE_UPDATE"
        case .stochasticRounding: "STOCHASTIC_ROUNDING"
        case .kahan: "KAHAN"
        case .split: "SPLIT"
        case .deferRows: "DEFER_ROWS"
        default: "an unknown flag"
        }
    }
}

/// A group's algorithm and everything it is told.
@frozen
public struct Configuration: Sendable {
    public var algorithm: Algorithm
    public var semantics = Semantics.torch
    public var flags: Flags
    /// What the draws of random rounding depend on beside step, parameter and element.
    public var seed: UInt64 = 0
    /// Hyperparameters by their numbers, which count from 1; NaN where the algorithm does not read one.
    package var values: Hyperparameter.Values

    /// An algorithm with its defaults.
    public init(_ algorithm: Algorithm) {
        self.algorithm = algorithm
        flags = algorithm.defaultFlags
        values = algorithm.defaults
    }

    /// The same with these numbers, which have been checked by nobody.
    package init(
        _ algorithm: Algorithm, _ semantics: Semantics, _ flags: Flags, seed: UInt64 = 0, values: Hyperparameter.Values
    ) {
        self.algorithm = algorithm
        self.semantics = semantics
        self.flags = flags
        self.seed = seed
        self.values = values
    }

    public subscript(hyperparameter: Hyperparameter) -> Double {
        get { values[hyperparameter.place] }
        set { values[hyperparameter.place] = newValue }
    }

    /// One that is a count; 0 where it is out of range.
    func count(_ hyperparameter: Hyperparameter) -> Int {
        let value = self[hyperparameter]
        return value >= 0 && value <= 0x1p31 ? Int(value) : 0
    }

    // Those of nearly every algorithm, by name.
    public var lr: Double {
        get { self[.lr] }
        set { self[.lr] = newValue }
    }
    public var beta1: Double {
        get { self[.beta1] }
        set { self[.beta1] = newValue }
    }
    public var beta2: Double {
        get { self[.beta2] }
        set { self[.beta2] = newValue }
    }
    public var eps: Double {
        get { self[.eps] }
        set { self[.eps] = newValue }
    }
    public var weightDecay: Double {
        get { self[.weightDecay] }
        set { self[.weightDecay] = newValue }
    }
    public var momentum: Double {
        get { self[.momentum] }
        set { self[.momentum] = newValue }
    }

    /// Whether numbers below the normal range count as zero. With an eps under 1e-10 the default is no: a second moment
    /// flushed to zero would then leave almost nothing to divide by.
    package var flushesDenormals: Bool {
        flags.contains(.flushDenormals) || (!(eps < 1e-10) && !flags.contains(.keepDenormals))
    }

    /// Whether weight decay stays out of the gradient. Keras knows no other.
    var decouplesDecay: Bool {
        semantics == .keras || algorithm == .adamW || !flags.isDisjoint(with: .decays)
    }

    /// The rule that carries a step out in one sweep over the elements; nil where it takes several passes.
    var rule: Rule? { flags.contains(.hyperball) ? nil : ruleOfVectors }

    /// The same for a parameter of fewer than two dimensions, whose norm is not kept.
    var ruleOfVectors: Rule? { flags.contains(.cautiousUpdate) ? nil : algorithm.rule }

    /// Whether what a step makes of an element depends on the parameter's others, so that parameters cannot be stepped as
    /// one: passes sum over them.
    public var takesWholeParameters: Bool { rule == nil || Clipping(self).isByParameter }

    /// What is wrong with a parameter of these sizes, in words to follow its name; nil: nothing.
    func problem(_ shape: ParameterShape) -> String? { algorithm.problem(self, shape) }

    /// What a parameter keeps between steps.
    public var slots: Slots { slotsAndSurroundings.slots }

    /// The same, with what stands around updates, whose slots are behind the algorithm's own.
    var slotsAndSurroundings: (slots: Slots, surroundings: Surroundings) {
        var slots = algorithm.ownSlots(self)
        let surroundings = Surroundings(self, &slots)
        LowPrecision(flags)?.addSlot(to: &slots)
        if flags.contains(.hyperball) { slots.add(scalar: "radius") }
        return (slots, surroundings)
    }

    /// Throws where a value is out of range or set in vain. `subject` is what messages call this configuration.
    package func check(_ subject: @autoclosure () -> String) throws(MartletError) {
        // This runs for every group of every step, and few of the hyperparameters matter to it. Through a span, since a
        // subscript with an index that is not known may copy the whole array.
        let values = values.span
        let read = algorithm.reads
        var rest = read
        for place in 0..<Hyperparameter.count { rest |= values[place].isNaN ? 0 : 1 << UInt64(place) }
        while rest != 0 {
            let place = rest.trailingZeroBitCount
            rest &= rest - 1
            let isRead = read >> UInt64(place) & 1 == 1
            try check(Hyperparameter(place: place), values[place], isRead: isRead, subject())
        }
        if flags.isSuperset(of: [.flushDenormals, .keepDenormals]) {
            throw MartletError(
                .argument,
                "\(subject()).flags sets both FLUSH_DENORMALS and KEEP_DENORMALS; expected one of them at most")
        }
        let ways = flags.intersection(.lowPrecision)
        if let way = ways.first, way != ways {
            throw MartletError(
                .argument,
                "\(subject()).flags sets both \(way.name) and \(ways.subtracting(way).first?.name ?? way.name); expected one "
                    + "of STOCHASTIC_ROUNDING, KAHAN and SPLIT at most")
        }
        if let flag = flags.subtracting(algorithm.flags).first {
            throw MartletError(
                .argument, "\(subject()).flags sets \(flag.name); expected only flags that \(algorithm.name) reads")
        }
        guard algorithm.conventions.contains(Conventions(semantics)) else {
            throw MartletError(
                .argument,
                "\(subject()).semantics is \(semantics.name); expected \(algorithm.conventions.words), as \(algorithm.name) "
                    + "has no convention of that name")
        }
        if let problem = Clipping(self).problem ?? ParameterAverage.problem(self) ?? hyperballProblem
            ?? algorithm.problem(self)
        {
            throw MartletError(.argument, "\(subject()).\(problem)")
        }
    }

    /// What is wrong with numbers and flags beside a norm that is kept.
    private var hyperballProblem: String? {
        guard flags.contains(.hyperball) else { return nil }
        if weightDecay != 0 && !weightDecay.isNaN {
            return "weight_decay is \(weightDecay); expected 0 with HYPERBALL, by which \(algorithm.name) keeps norms"
        }
        let others = flags.intersection([.cautiousDecay, .correctedDecay, .matchRMS, .spectral])
        return others.first.map {
            "flags sets both \($0.name) and HYPERBALL; expected one of them at most, since a norm that \(algorithm.name) "
                + "keeps knows no decay and no scale"
        }
    }

    /// The error for a step that these hyperparameters give no finite numbers for.
    func undefined(_ subject: String, step: StepNumber) -> MartletError {
        let number = step.fraction == 0 ? "\(step.whole)" : "\(Double(step.whole) + step.fraction)"
        let read = Hyperparameter.allCases.filter { algorithm.defaultValue($0) != nil }
        return MartletError(
            .argument,
            "\(subject) has no step \(number) with \(read.map { "\($0.name) \(self[$0])" }.joined(separator: ", ")); "
                + "expected numbers, and scalars of the state, that give a finite step"
                + (algorithm.defaultValue(.beta2) == nil
                    ? "" : ", so a beta1 to the power \(number) other than 1 and a beta2 to that power of 1 at most"))
    }

    /// Throws where this algorithm cannot take a value for a hyperparameter.
    package func check(
        _ hyperparameter: Hyperparameter, _ value: Double, _ subject: @autoclosure () -> String
    ) throws(MartletError) {
        try check(hyperparameter, value, isRead: algorithm.defaultValue(hyperparameter) != nil, subject())
    }

    private func check(
        _ hyperparameter: Hyperparameter, _ value: Double, isRead: Bool, _ subject: @autoclosure () -> String
    ) throws(MartletError) {
        let range = hyperparameter.range(flags)
        if isRead ? range.contains(value) : value.isNaN { return }
        throw MartletError(
            .argument,
            "\(subject()).\(hyperparameter.name) is \(value); expected "
                + (isRead ? "\(range.words)" : "NaN: \(algorithm.name) does not read it"))
    }
}
