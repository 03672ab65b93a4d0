// What an algorithm says of itself, and what is so unless it says otherwise. The definitions are in Algorithms/, and the list
// of them in Algorithm.swift.
import MartletCompute
import MartletKernelInterface

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
    static func seen(_ shape: ParameterShape, _ coefficients: Coefficients) -> ParameterShape
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
    /// Whether any other makes a difference between a matrix and its transpose.
    static var seesOutputs: Bool { get }
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
    static func anyDefault(_ hyperparameter: Hyperparameter) -> Double?
    static var reads: UInt64 { get }
    static var defaults: Hyperparameter.Values { get }
    static var allFlags: Flags { get }
    static func ownSlots(_ configuration: Configuration) -> Slots
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
    static func seen(_ shape: ParameterShape, _ memory: UnsafeMutableRawPointer) -> ParameterShape
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
    var scalars = InlineArray<7, Double>(repeating: 0)
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
    static func seen(_ shape: ParameterShape, _ coefficients: Coefficients) -> ParameterShape {
        seesMatrices ? shape : ParameterShape(count: shape.count)
    }
    static var sharedScalars: Int { 0 }
    static func join(_ pass: PassStart, _ coefficients: Coefficients, _ shared: inout SharedScalars) {}
    static func settle(_ pass: PassStart, _ coefficients: Coefficients, _ shared: inout SharedScalars) {}
    static var flags: Flags { [] }
    static var defaultFlags: Flags { [] }

    /// What every algorithm reads comes after its own.
    static func anyDefault(_ hyperparameter: Hyperparameter) -> Double? {
        defaultValue(hyperparameter) ?? hyperparameter.defaultEverywhere
    }

    static var defaults: Hyperparameter.Values {
        var defaults = Hyperparameter.Values(repeating: .nan)
        for place in 0..<Hyperparameter.count {
            if let value = anyDefault(Hyperparameter(place: place)) { defaults[place] = value }
        }
        return defaults
    }

    static var reads: UInt64 {
        var reads: UInt64 = 0
        for place in 0..<Hyperparameter.count where anyDefault(Hyperparameter(place: place)) != nil {
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
    static var seesOutputs: Bool { false }
    static var takesCaution: Bool { false }
    static var takesHyperball: Bool { takesCaution }
    static func matrixWork(_ parameter: MatrixParameter, _ coefficients: Coefficients) -> MatrixWork? { nil }

    static func matrixWork(_ parameter: MatrixParameter, _ memory: UnsafeMutableRawPointer) -> MatrixWork? {
        let place = unsafe memory + StepCoefficients.ruleOffset
        return unsafe matrixWork(parameter, place.load(as: Coefficients.self))
    }

    static func seen(_ shape: ParameterShape, _ memory: UnsafeMutableRawPointer) -> ParameterShape {
        let place = unsafe memory + StepCoefficients.ruleOffset
        return unsafe seen(shape, place.load(as: Coefficients.self))
    }

    static func passes(_ shape: ParameterShape, _ memory: UnsafeMutableRawPointer) -> Passes {
        let place = unsafe memory + StepCoefficients.ruleOffset
        return unsafe passes(shape, place.load(as: Coefficients.self))
    }

    static var allFlags: Flags {
        flags.union(.everywhere).union(decayFlags).union(takesCaution ? .cautiousUpdate : [])
            .union(takesHyperball ? .hyperball : [])
    }

    /// Those of the algorithm, and of its decay.
    static func ownSlots(_ configuration: Configuration) -> Slots {
        var slots = Slots()
        addSlots(configuration, to: &slots)
        if configuration.flags.contains(.correctedDecay) { slots.add(scalar: "lr_max") }
        return slots
    }

    static func writeCoefficients(
        _ configuration: Configuration, _ progress: inout Progress, to memory: UnsafeMutableRawPointer
    ) -> Bool {
        var terms = RunTerms()
        terms.gradientScale = (configuration.flags.contains(.maximize) ? -1 : 1) / configuration[.lossScale]
        terms.bound = min(configuration[.clipValue], RunTerms.unbounded)
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
            let place = ownSlots(configuration).scalarCount - 1
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
