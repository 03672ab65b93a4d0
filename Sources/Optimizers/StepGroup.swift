// A group of a step: a configuration with what follows from it, and the coefficients of a parameter's step by it.
import MartletCompute
import MartletKernelInterface

/// A configuration, and what follows from it.
struct StepGroup {
    let configuration: Configuration
    let slots: Slots
    private let rule, ruleOfVectors: Rule?
    let mode: FloatingPointMode

    init(_ configuration: Configuration) {
        self.configuration = configuration
        slots = configuration.slots
        (rule, ruleOfVectors) = (configuration.rule, configuration.ruleOfVectors)
        mode = configuration.flushesDenormals ? .flush : .exact
    }

    /// Nil where a step takes several passes.
    func rule(for shape: ParameterShape) -> Rule? { shape.isMatrix ? rule : ruleOfVectors }
}

/// A step's coefficients, to be formed in a floating-point mode of our own.
@unsafe struct CoefficientRequest {
    let group: UnsafeMutablePointer<StepGroup>
    let step: StepNumber
    var scalars: ScalarSlots
    var memory: UnsafeMutableRawPointer
    var areFinite = true

    static let serve: @convention(c) (UnsafeMutableRawPointer) -> Void = { context in
        let request = unsafe context.assumingMemoryBound(to: CoefficientRequest.self)
        let group = unsafe request.pointee.group
        var progress = unsafe Progress(step: request.pointee.step)
        unsafe request.pointee.scalars.read(into: &progress, group.pointee.slots)
        unsafe request.pointee.areFinite = unsafe group.pointee.configuration.algorithm.writeCoefficients(
            group.pointee.configuration, &progress, to: request.pointee.memory)
        unsafe request.pointee.scalars.take(progress)
    }
}
