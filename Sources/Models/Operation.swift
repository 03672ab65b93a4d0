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
    /// Inputs and outputs of one unit, which initialisers look at.
    var fanIn = 1
    var fanOut = 1
}

/// A forward pass of one operation over a batch. Pointers are to whole batches, and to the operation's own parameters.
@unsafe struct ForwardPass {
    let execution: Execution
    let batch: Int
    let input: UnsafePointer<Float>
    let output: UnsafeMutablePointer<Float>
    /// What the operation keeps for its backward pass; without content in inference.
    let saved: UnsafeMutablePointer<Float>
    let parameters: UnsafeMutablePointer<Float>
    let statistics: UnsafeMutablePointer<Float>
    let isTraining: Bool
    /// For random numbers: the model's seed, and training steps done.
    let seed: UInt64
    let step: UInt64
}

/// The backward pass of the same.
@unsafe struct BackwardPass {
    let forward: ForwardPass
    /// The gradient of the output; an operation that works in place may change it.
    let gradient: UnsafeMutablePointer<Float>
    /// Where the input's gradient goes; nil where nobody needs it.
    let inputGradient: UnsafeMutablePointer<Float>?
    /// Where the gradients of the operation's own parameters go.
    let parameterGradients: UnsafeMutablePointer<Float>
}

/// An operation of a model. Subclasses compute; none of them holds memory of a batch.
class Operation {
    let input: Shape
    let output: Shape

    init(input: Shape, output: Shape) {
        self.input = input
        self.output = output
    }

    /// What training changes, in the order in which it lies behind `ForwardPass.parameters`.
    var parameters: [ArrayDescription] { [] }
    /// What it does not change by gradients.
    var statistics: [ArrayDescription] { [] }

    /// Whether the output is the input's memory: nothing is computed, forward or backward.
    var isView: Bool { false }
    /// Whether the output may take the input's place in memory. Only where the operation before does not need its own
    /// output for its backward pass.
    var runsInPlace: Bool { false }
    /// Whether the operation computes nothing forward, since the one before has done so.
    var isFused: Bool { false }
    /// What the backward pass reads of the forward one.
    var needsInput: Bool { false }
    var needsOutput: Bool { false }
    /// Whether the input's gradient may take the output gradient's place.
    var gradientRunsInPlace: Bool { false }
    /// Floats that are kept from forward to backward.
    func savedCount(batch: Int) -> Int { 0 }
    /// Fuses an activation that follows, where it can.
    func fuse(_ activation: Activation) -> Bool { false }

    func forward(_ pass: ForwardPass) {}
    func backward(_ pass: BackwardPass) {}
}
