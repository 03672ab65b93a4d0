// What one node, or one part of it, computes: forward, and backward with the gradient of its output. An operation knows
// shapes; its memory comes with each call. A new layer is a file with its operations, and a case in Operations.swift.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// A named array of a model's flat buffers, and how it starts.
struct ArrayDescription {
    var name: StaticString
    var shape: Shape
    var initializer = Initializer.zeros
    var value = 0.0
    /// Elements that start as 1 all the same.
    var ones = 0..<0
    /// SampleArrays and outputs of one unit, which initialisers look at.
    var fanIn = 1
    var fanOut = 1
}

/// A forward pass of one operation over a batch. Pointers are to whole batches, and to the operation's own parameters.
@unsafe struct ForwardPass {
    let execution: Execution
    let batch: Int
    /// Where the batch's numbers lie, and which of them are the operation's.
    let memory: PlanMemory
    let place: UnsafePointer<StepPlace>
    let parameters: UnsafeMutablePointer<Float>
    let statistics: UnsafeMutablePointer<Float>
    let isTraining: Bool
    /// For random numbers: the model's seed, and training steps done.
    let seed: UInt64
    let step: UInt64

    /// What it reads: the first of its inputs, or any.
    var input: UnsafePointer<Float> { unsafe input(0) }
    func input(_ number: Int) -> UnsafePointer<Float> {
        unsafe UnsafePointer(memory.address(memory.input(number, of: place).value))
    }

    /// An input that holds rows of a table.
    var indices: UnsafePointer<Int32> {
        unsafe UnsafeRawPointer(input).assumingMemoryBound(to: Int32.self)
    }

    var output: UnsafeMutablePointer<Float> { unsafe memory.address(place.pointee.output) }
    /// What the operation keeps for its backward pass; without content in inference.
    var saved: UnsafeMutablePointer<Float> { unsafe memory.address(place.pointee.saved ?? 0) }
}

/// The backward pass of the same.
@unsafe struct BackwardPass {
    let forward: ForwardPass
    /// The gradient of the output; an operation that works in place may change it.
    let gradient: UnsafeMutablePointer<Float>
    /// Where the gradients of the operation's own parameters go; nil where training leaves them alone.
    let parameterGradients: UnsafeMutablePointer<Float>?

    /// Of a convolution whose largest outputs alone are read: these, and which they are. `gradient` is theirs then.
    var peaks: (outputs: UnsafePointer<Float>, places: UnsafePointer<Int32>)? {
        guard let peaks = unsafe forward.place.pointee.peaks else { return nil }
        return unsafe (
            UnsafePointer(forward.memory.address(peaks.outputs)),
            UnsafeRawPointer(forward.memory.address(peaks.places)).assumingMemoryBound(to: Int32.self)
        )
    }

    /// Where the gradient of the first input goes, or of any; nil where nobody needs it.
    var inputGradient: UnsafeMutablePointer<Float>? { unsafe inputGradient(0) }
    func inputGradient(_ number: Int) -> UnsafeMutablePointer<Float>? {
        unsafe forward.memory.input(number, of: forward.place).gradient.map { unsafe forward.memory.address($0) }
    }
}

/// An operation of a model. Subclasses compute; none of them holds memory of a batch.
class Operation {
    let inputs: [Shape]
    let output: Shape

    init(inputs: [Shape], output: Shape) {
        self.inputs = inputs
        self.output = output
    }

    convenience init(input: Shape, output: Shape) { self.init(inputs: [input], output: output) }

    /// The shape of the first input, which most have alone.
    var input: Shape { inputs[0] }

    /// What training changes, in the order in which it lies behind `ForwardPass.parameters`.
    var parameters: [ArrayDescription] { [] }
    /// What it does not change by gradients.
    var statistics: [ArrayDescription] { [] }

    /// What its inputs are.
    var reads: ValueKind { .numbers }
    /// Whether the output is the input's memory: nothing is computed, forward or backward.
    var isView: Bool { false }
    /// Whether the output may take the place in memory of one of the first two inputs. Only where the operation before does
    /// not need its own output for its backward pass.
    var runsInPlace: Bool { false }
    /// Whether the operation computes nothing forward, since the one before has done so.
    var isFused: Bool { false }
    /// What the backward pass reads of the forward one.
    var needsInput: Bool { false }
    var needsOutput: Bool { false }
    /// Whether the first input's gradient may take the output gradient's place.
    var gradientRunsInPlace: Bool { false }
    /// Whether each input's gradient is the output's: nothing is computed backward.
    var passesGradientOn: Bool { isView }
    /// Whether no gradient goes through it, whatever it reads.
    var stopsGradient: Bool { false }
    /// Whether the backward pass writes the input's gradient even where nobody needs it.
    var givesInputGradient: Bool { false }
    /// Whether its parameter is a table whose gradient is of the rows that its input names (TableRows.swift): `backward` does
    /// not write it.
    var givesRows: Bool { false }
    /// Floats that are kept from forward to backward.
    func savedCount(batch: Int) -> Int { 0 }
    /// Floats behind these for which a plan has room where the model is trained.
    func trainingCount(batch: Int) -> Int { 0 }
    /// Fuses an activation that follows, where it can.
    func fuse(_ activation: Activation) -> Bool { false }

    /// What it is in C, for one sample, with its arrays; nil where it has none.
    func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? { nil }
    /// Why it has none there, and what would have.
    var lackOfCalls: String { "is of a kind that has no C here" }

    /// Both throw where a caller's function fails, and nothing else.
    func forward(_ pass: ForwardPass) throws(MartletError) {}
    func backward(_ pass: BackwardPass) throws(MartletError) {}
}
