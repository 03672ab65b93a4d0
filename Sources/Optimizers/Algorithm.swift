// The list of algorithms. What each one is stands in a file of its own, as a conformance to `AlgorithmDefinition`; a
// new algorithm adds a case and a definition here, and nothing else in this room changes.
import MartletCompute
import MartletKernelInterface

/// An algorithm; the raw values are those of martlet.h.
@frozen
public enum Algorithm: Int32, Sendable, CaseIterable {
    case adam = 1
    case adamW = 2
    case sgd = 3
    case rmsprop = 4
    case adagrad = 5
    case adadelta = 6
    case rprop = 7
    case asgd = 8
    case adamax = 9
    case nadam = 10
    case radam = 11
    case adaBound = 12
    case adaBelief = 13
    case adan = 14
    case lion = 15
    case adEMAMix = 16
    case simplifiedAdEMAMix = 17
    case adopt = 18
    case laProp = 19
    case scheduleFreeSGD = 20
    case scheduleFreeAdamW = 21
    case scheduleFreeRAdam = 22
    case adafactor = 23
    case lamb = 24
    case lars = 25
    case stableAdamW = 26
    case muon = 27
    case prodigy = 28
    case mars = 29
    case soap = 30
    case shampoo = 31

    private var definition: any AlgorithmDefinition.Type {
        switch self {
        case .adam: Adam.self
        case .adamW: AdamW.self
        case .sgd: SGD.self
        case .rmsprop: RMSprop.self
        case .adagrad: Adagrad.self
        case .adadelta: Adadelta.self
        case .rprop: Rprop.self
        case .asgd: ASGD.self
        case .adamax: Adamax.self
        case .nadam: NAdam.self
        case .radam: RAdam.self
        case .adaBound: AdaBound.self
        case .adaBelief: AdaBelief.self
        case .adan: Adan.self
        case .lion: Lion.self
        case .adEMAMix: AdEMAMix.self
        case .simplifiedAdEMAMix: SimplifiedAdEMAMix.self
        case .adopt: ADOPT.self
        case .laProp: LaProp.self
        case .scheduleFreeSGD: ScheduleFreeSGD.self
        case .scheduleFreeAdamW: ScheduleFreeAdamW.self
        case .scheduleFreeRAdam: ScheduleFreeRAdam.self
        case .adafactor: Adafactor.self
        case .lamb: LAMB.self
        case .lars: LARS.self
        case .stableAdamW: StableAdamW.self
        case .muon: Muon.self
        case .prodigy: Prodigy.self
        case .mars: MARS.self
        case .soap: SOAP.self
        case .shampoo: Shampoo.self
        }
    }

    /// The name in messages and files.
    public var name: StaticString { definition.name }

    /// The default of a hyperparameter; nil where the algorithm does not read it.
    public func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        definition.defaultValue(hyperparameter)
    }

    /// The defaults by the hyperparameters' numbers, which count from 1; NaN where it does not read one.
    package var defaults: Hyperparameter.Values { definition.defaults }

    /// Which of them it reads: a bit for each place.
    var reads: UInt64 { definition.reads }

    /// The flags that it reads.
    public var flags: Flags { definition.allFlags }

    /// The flags that it has unless told otherwise.
    public var defaultFlags: Flags { definition.defaultFlags }

    /// The conventions that it may be asked for.
    var conventions: Conventions { definition.conventions }

    /// What is wrong with numbers and flags that are right by themselves.
    func problem(_ configuration: Configuration) -> String? { definition.problem(configuration) }

    func slots(_ configuration: Configuration) -> Slots { definition.allSlots(configuration) }

    /// Whether what is trained is another point than where gradients are taken, so that parameters must be moved.
    package var hasEvaluationPoint: Bool { rule == .scheduleFree }

    /// The rule that carries the algorithm out in one sweep over the elements; nil where it takes several passes.
    package var rule: Rule? { definition.sweepRule }

    /// Whether what a step makes of an element depends on the parameter's others, so that parameters cannot be stepped as
    /// one: passes sum over them.
    public var takesWholeParameters: Bool { rule == nil }

    /// Whether it steps parameters of two dimensions or more alone, as matrices.
    public var takesMatricesAlone: Bool { definition.takesMatricesAlone }

    /// The passes that carry it out where there is no rule.
    func passes(_ shape: ParameterShape, _ memory: UnsafeMutableRawPointer) -> Passes {
        unsafe definition.passes(shape, memory)
    }

    var seesMatrices: Bool { definition.seesMatrices }

    /// How its passes see a parameter.
    func shape(_ shape: ParameterShape) -> ParameterShape {
        seesMatrices ? shape : ParameterShape(count: shape.count)
    }

    /// How many of its scalars, the first ones, all parameters of a step have alike.
    var sharedScalars: Int { definition.sharedScalars }

    /// Adds a parameter to what all of them share, before a pass.
    func join(_ pass: PassStart, _ memory: UnsafeMutableRawPointer, _ shared: inout SharedScalars) {
        unsafe definition.joinCoefficients(pass, memory, &shared)
    }

    /// Works out what all of them share, once they have joined, by the coefficients of the first.
    func settle(_ pass: PassStart, _ memory: UnsafeMutableRawPointer, _ shared: inout SharedScalars) {
        unsafe definition.settleCoefficients(pass, memory, &shared)
    }

    /// Makes a parameter's coefficients ready for a pass.
    func prepare(_ pass: PassStart, _ memory: UnsafeMutableRawPointer) {
        unsafe definition.prepareCoefficients(pass, memory)
    }

    /// What is wrong with a parameter of these sizes; nil: nothing.
    func problem(_ configuration: Configuration, _ shape: ParameterShape) -> String? {
        if takesMatricesAlone && !shape.isMatrix {
            return "is a vector of \(shape.count); expected sizes of two dimensions or more, since \(name) steps "
                + "matrices: give it to a group of another algorithm, as adamw"
        }
        return definition.problem(configuration, shape)
    }

    /// What is done with whole matrices between its passes, without their addresses; nil: nothing.
    func matrixWork(_ parameter: MatrixParameter, _ memory: UnsafeMutableRawPointer) -> MatrixWork? {
        unsafe definition.matrixWork(parameter, memory)
    }

    /// Writes what the kernels need for one step, moves the progress on, and says whether all numbers are finite.
    /// `memory` holds `StepCoefficients.capacity` bytes.
    func writeCoefficients(
        _ configuration: Configuration, _ progress: inout Progress, to memory: UnsafeMutableRawPointer
    ) -> Bool {
        unsafe definition.writeCoefficients(configuration, &progress, to: memory)
    }
}

/// What an algorithm says about itself.
protocol AlgorithmDefinition {
    /// A struct of Double and Int alone, which fits behind `RunTerms` in `StepCoefficients.capacity` bytes.
    associatedtype Coefficients: BitwiseCopyable

    static var name: StaticString { get }
    /// The rule of an algorithm of one sweep; see `SweepDefinition`.
    static var sweepRule: Rule? { get }
    /// The passes of any other, in order: the same at every step, or some.
    static func passes(_ shape: ParameterShape) -> Passes
    static func passes(_ shape: ParameterShape, _ coefficients: Coefficients) -> Passes
    /// Whether its passes see a parameter as matrices of its last two dimensions, and not as one row.
    static var seesMatrices: Bool { get }
    /// What a pass needs to know of those before it.
    static func prepare(_ pass: PassStart, _ coefficients: inout Coefficients, _ terms: inout RunTerms)
    /// How many of its scalars, the first ones, all parameters of a step have alike: before each pass every parameter
    /// joins, in their order, then they are settled once, by the first one's coefficients, and all are prepared.
    static var sharedScalars: Int { get }
    static func join(_ pass: PassStart, _ coefficients: Coefficients, _ shared: inout SharedScalars)
    static func settle(_ pass: PassStart, _ coefficients: Coefficients, _ shared: inout SharedScalars)
    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double?
    /// The flags that it reads beside those that every algorithm reads.
    static var flags: Flags { get }
    static var defaultFlags: Flags { get }
    /// The ways of weight decay that it may be asked for.
    static var decayFlags: Flags { get }
    /// The conventions between which it makes a difference.
    static var conventions: Conventions { get }
    /// What is wrong with numbers and flags that are right by themselves; nil: nothing.
    static func problem(_ configuration: Configuration) -> String?
    /// What is wrong with a parameter of these sizes; nil: nothing.
    static func problem(_ configuration: Configuration, _ shape: ParameterShape) -> String?
    static var takesMatricesAlone: Bool { get }
    /// Whether its updates can be masked: it makes them without the value, in its one sweep or its last pass.
    static var takesCaution: Bool { get }
    /// Whether such updates have a direction of their own, by which a parameter may be moved along a sphere.
    static var takesHyperball: Bool { get }
    /// What is done with whole matrices between the passes, of which one leaves a number for each element, and the next
    /// finds what has become of it; nil: nothing.
    static func matrixWork(_ parameter: MatrixParameter, _ coefficients: Coefficients) -> MatrixWork?
    /// Adds the slots that it keeps.
    static func addSlots(_ configuration: Configuration, to slots: inout Slots)

    // What follows from these. Requirements too, so that there is code for each algorithm, without look-ups at each number.
    static var reads: UInt64 { get }
    static var defaults: Hyperparameter.Values { get }
    static var allFlags: Flags { get }
    static func allSlots(_ configuration: Configuration) -> Slots
    static func writeCoefficients(
        _ configuration: Configuration, _ progress: inout Progress, to memory: UnsafeMutableRawPointer
    ) -> Bool

    /// The numbers of one step, formed in Double. The terms come with the algorithm's scale of the gradient and with
    /// weight decay as flags and semantics say; what an algorithm does otherwise it changes there.
    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> Coefficients
    static func prepareCoefficients(_ pass: PassStart, _ memory: UnsafeMutableRawPointer)
    static func passes(_ shape: ParameterShape, _ memory: UnsafeMutableRawPointer) -> Passes
    static func matrixWork(_ parameter: MatrixParameter, _ memory: UnsafeMutableRawPointer) -> MatrixWork?
    static func joinCoefficients(
        _ pass: PassStart, _ memory: UnsafeMutableRawPointer, _ shared: inout SharedScalars)
    static func settleCoefficients(
        _ pass: PassStart, _ memory: UnsafeMutableRawPointer, _ shared: inout SharedScalars)
}

/// What is known as a pass over a parameter begins.
struct PassStart {
    /// The pass, counted from 0, and how many there are.
    let pass, passCount: Int
    /// As the passes see it, and as it is.
    let shape, parameter: ParameterShape
    /// The value's.
    let type: ElementType
    /// What the pass before has summed over all elements, those of other shards too; 0 before the first. And how many
    /// elements those are.
    var sums = (0.0, 0.0)
    var elements = 0.0
    /// What the algorithm's parameters share, once it is settled.
    var shared = SharedScalars()

    var isLast: Bool { pass == passCount - 1 }
}

/// A parameter whose matrices are worked on between passes.
@unsafe struct MatrixParameter {
    let shape: ParameterShape
    let isDouble: Bool
    /// Its two slots of squares of rows, and those of columns; any address where it has none.
    let rowSquares, columnSquares: (Operand, Operand)
    /// That of a number for each first index.
    let leading: Operand
}

/// What all parameters of a step that one algorithm steps share.
struct SharedScalars {
    /// Their scalars, as those that are shared will be.
    var scalars = InlineArray<4, Double>(repeating: 0)
    /// The step of the parameter that they are from, counted from 1; 0: of none so far.
    var step = 0.0
    /// What the pass before has summed over all of them.
    var sums = (0.0, 0.0)
}

/// An algorithm that needs one sweep over the elements, each of which is stepped by itself.
protocol SweepDefinition: AlgorithmDefinition {
    static var rule: Rule { get }
}

extension SweepDefinition {
    static var sweepRule: Rule? { rule }
    static var takesCaution: Bool { true }
    static func prepare(_ pass: PassStart, _ coefficients: inout Coefficients, _ terms: inout RunTerms) {}
}

extension AlgorithmDefinition {
    static var sweepRule: Rule? { nil }
    static func passes(_ shape: ParameterShape) -> Passes { Passes() }
    static func passes(_ shape: ParameterShape, _ coefficients: Coefficients) -> Passes { passes(shape) }
    static var seesMatrices: Bool { false }
    static var sharedScalars: Int { 0 }
    static func join(_ pass: PassStart, _ coefficients: Coefficients, _ shared: inout SharedScalars) {}
    static func settle(_ pass: PassStart, _ coefficients: Coefficients, _ shared: inout SharedScalars) {}
    static var flags: Flags { [] }
    static var defaultFlags: Flags { [] }

    static var defaults: Hyperparameter.Values {
        var defaults = Hyperparameter.Values(repeating: .nan)
        for place in 0..<Hyperparameter.count {
            if let value = defaultValue(Hyperparameter(place: place)) { defaults[place] = value }
        }
        return defaults
    }

    static var reads: UInt64 {
        var reads: UInt64 = 0
        for place in 0..<Hyperparameter.count where defaultValue(Hyperparameter(place: place)) != nil {
            reads |= 1 << UInt64(place)
        }
        return reads
    }

    static var readsDecay: Bool { defaultValue(.weightDecay) != nil }

    static var decayFlags: Flags { readsDecay ? .decays : [] }
    /// Keras's decoupled decay is all that most have beside torch's convention.
    static var conventions: Conventions { decayFlags.isEmpty ? .torch : [.torch, .keras] }
    static func problem(_ configuration: Configuration) -> String? { nil }
    static func problem(_ configuration: Configuration, _ shape: ParameterShape) -> String? { nil }
    static var takesMatricesAlone: Bool { false }
    static var takesCaution: Bool { false }
    static var takesHyperball: Bool { takesCaution }
    static func matrixWork(_ parameter: MatrixParameter, _ coefficients: Coefficients) -> MatrixWork? { nil }

    static func matrixWork(_ parameter: MatrixParameter, _ memory: UnsafeMutableRawPointer) -> MatrixWork? {
        let place = unsafe memory + StepCoefficients.ruleOffset
        return unsafe matrixWork(parameter, place.load(as: Coefficients.self))
    }

    static func passes(_ shape: ParameterShape, _ memory: UnsafeMutableRawPointer) -> Passes {
        let place = unsafe memory + StepCoefficients.ruleOffset
        return unsafe passes(shape, place.load(as: Coefficients.self))
    }

    static var allFlags: Flags {
        flags.union(.everywhere).union(decayFlags).union(takesCaution ? .cautiousUpdate : [])
            .union(takesHyperball ? .hyperball : [])
    }

    static func allSlots(_ configuration: Configuration) -> Slots {
        var slots = Slots()
        addSlots(configuration, to: &slots)
        if configuration.flags.contains(.correctedDecay) { slots.add(scalar: "lr_max") }
        if configuration.flags.contains(.hyperball) { slots.add(scalar: "radius") }
        return slots
    }

    static func writeCoefficients(
        _ configuration: Configuration, _ progress: inout Progress, to memory: UnsafeMutableRawPointer
    ) -> Bool {
        var terms = RunTerms()
        terms.gradientScale = configuration.flags.contains(.maximize) ? -1 : 1
        if readsDecay { addDecay(configuration, &progress, to: &terms) }
        let coefficients = coefficients(configuration, &progress, &terms)
        unsafe memory.storeBytes(of: terms, as: RunTerms.self)
        unsafe (memory + StepCoefficients.ruleOffset).storeBytes(of: coefficients, as: Coefficients.self)
        return areFinite(terms) && areFinite(coefficients)
    }

    static func prepareCoefficients(_ pass: PassStart, _ memory: UnsafeMutableRawPointer) {
        let place = unsafe memory + StepCoefficients.ruleOffset
        var coefficients = unsafe place.load(as: Coefficients.self)
        var terms = unsafe memory.load(as: RunTerms.self)
        prepare(pass, &coefficients, &terms)
        unsafe memory.storeBytes(of: terms, as: RunTerms.self)
        unsafe place.storeBytes(of: coefficients, as: Coefficients.self)
    }

    static func joinCoefficients(
        _ pass: PassStart, _ memory: UnsafeMutableRawPointer, _ shared: inout SharedScalars
    ) {
        unsafe join(pass, (memory + StepCoefficients.ruleOffset).load(as: Coefficients.self), &shared)
    }

    static func settleCoefficients(
        _ pass: PassStart, _ memory: UnsafeMutableRawPointer, _ shared: inout SharedScalars
    ) {
        unsafe settle(pass, (memory + StepCoefficients.ruleOffset).load(as: Coefficients.self), &shared)
    }

    /// Weight decay in the gradient (L2), or decoupled from it (Loshchilov and Hutter, arXiv:1711.05101). Cautious decay
    /// (arXiv:2510.12402) is decoupled. Corrected decay (Defazio, arXiv:2506.02285) is lr^2 over the largest lr so far.
    private static func addDecay(_ configuration: Configuration, _ progress: inout Progress, to terms: inout RunTerms) {
        let decay = configuration.weightDecay
        guard !decayFlags.isEmpty && configuration.decouplesDecay else {
            terms.l2 = decay
            return
        }
        var rate = configuration.lr
        if configuration.flags.contains(.correctedDecay) {
            let place = allSlots(configuration).scalarCount - 1
            progress.scalars[place] = max(progress.scalars[place], rate)
            rate = progress.scalars[place] == 0 ? 0 : rate * (rate / progress.scalars[place])
        }
        terms.decay = 1 - rate * decay
        terms.isCautious = configuration.flags.contains(.cautiousDecay) ? 1 : 0
    }

    /// Whether every number of a struct is finite; an Int, which lies there too, has the bits of one.
    private static func areFinite<Numbers: BitwiseCopyable>(_ numbers: Numbers) -> Bool {
        unsafe withUnsafeBytes(of: numbers) { bytes in
            unsafe bytes.withMemoryRebound(to: Double.self) { unsafe $0.allSatisfy(\.isFinite) }
        }
    }
}
