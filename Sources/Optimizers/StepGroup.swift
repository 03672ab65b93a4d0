// A group of a step: a configuration with what follows from it, and the coefficients of a parameter's step by it.
import MartletCompute
import MartletKernelInterface

/// A configuration, and what follows from it.
struct StepGroup {
    let configuration: Configuration
    let slots: Slots
    private let rule, ruleOfVectors: Rule?
    private let change: UpdateChange
    let surroundings: Surroundings
    let clipping: Clipping
    let lowPrecision: LowPrecision?
    /// Whether a part of a parameter can be stepped by itself: whether all of it is a matrix it does not say.
    let takesShards: Bool
    let mode: FloatingPointMode

    init(_ configuration: Configuration) {
        self.configuration = configuration
        (slots, surroundings) = configuration.slotsAndSurroundings
        clipping = Clipping(configuration)
        (rule, ruleOfVectors) = (configuration.rule, configuration.ruleOfVectors)
        let keepsNorms = configuration.flags.contains(.hyperball)
        change = UpdateChange(
            masks: configuration.flags.contains(.cautiousUpdate), sphereRate: keepsNorms ? configuration.lr : nil)
        lowPrecision = LowPrecision(configuration.flags)
        takesShards = configuration.algorithm.takesShards && !keepsNorms
        mode = configuration.flushesDenormals ? .flush : .exact
    }

    /// Nil where a step takes several passes.
    func rule(for shape: ParameterShape) -> Rule? { shape.isMatrix ? rule : ruleOfVectors }

    /// What is done with updates; a vector's norm is not kept.
    func change(for shape: ParameterShape) -> UpdateChange {
        shape.isMatrix ? change : UpdateChange(masks: change.masks, sphereRate: nil)
    }
}

/// A step's coefficients, to be formed in a floating-point mode of our own.
@unsafe struct CoefficientRequest {
    let group: UnsafeMutablePointer<StepGroup>
    let step: StepNumber
    var scalars: ScalarSlots
    var memory: UnsafeMutableRawPointer
    var areFinite = true
    var turn = Surroundings.Turn()

    static let serve: @convention(c) (UnsafeMutableRawPointer) -> Void = { context in
        let request = unsafe context.assumingMemoryBound(to: CoefficientRequest.self)
        let group = unsafe request.pointee.group
        var progress = unsafe Progress(step: request.pointee.step)
        unsafe request.pointee.scalars.read(into: &progress, group.pointee.slots)
        var turn = unsafe group.pointee.surroundings.beginTurn(&progress)
        if let accumulation = turn.accumulation, !accumulation.steps {
            unsafe request.pointee.turn = turn
            unsafe request.pointee.scalars.take(accumulation.count, of: accumulation.scalar)
            return
        }
        unsafe request.pointee.areFinite = unsafe group.pointee.configuration.algorithm.writeCoefficients(
            group.pointee.configuration, &progress, to: request.pointee.memory)
        unsafe group.pointee.surroundings.finishTurn(&turn, &progress)
        unsafe request.pointee.turn = turn
        unsafe request.pointee.scalars.take(progress)
    }
}
