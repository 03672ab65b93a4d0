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
    case adamMini = 32

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
        case .adamMini: AdamMini.self
        }
    }

    /// The name in messages and files.
    public var name: StaticString { definition.name }

    /// The default of a hyperparameter; nil where the algorithm does not read it.
    public func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        definition.anyDefault(hyperparameter)
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

    /// What it keeps of a parameter, without what stages and changes of updates keep.
    func ownSlots(_ configuration: Configuration) -> Slots { definition.ownSlots(configuration) }

    /// Whether what is trained is another point than where gradients are taken, so that parameters must be moved.
    package var hasEvaluationPoint: Bool { rule == .scheduleFree }

    /// The rule that carries the algorithm out in one sweep over the elements; nil where it takes several passes.
    package var rule: Rule? { definition.sweepRule }

    /// Whether what a step makes of an element depends on the parameter's others, so that parameters cannot be stepped as
    /// one: passes sum over them.
    public var takesWholeParameters: Bool { rule == nil }

    /// Whether it steps parameters of two dimensions or more alone, as matrices.
    public var takesMatricesAlone: Bool { definition.takesMatricesAlone }

    /// Whether a parameter's first index is to say which output it is of.
    public var seesOutputs: Bool { takesMatricesAlone || definition.seesOutputs }

    /// The passes that carry it out where there is no rule.
    func passes(_ shape: ParameterShape, _ memory: UnsafeMutableRawPointer) -> Passes {
        unsafe definition.passes(shape, memory)
    }

    var seesMatrices: Bool { definition.seesMatrices }

    /// How its passes see a parameter.
    func shape(_ shape: ParameterShape, _ memory: UnsafeMutableRawPointer) -> ParameterShape {
        unsafe definition.seen(shape, memory)
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
