// A layer that the caller computes: an operation that hands its arrays to a function, forward and backward.
import MartletKernelInterface
import MartletPlatform

/// What the function of such a layer is told of a batch. Pointers are to whole batches, and valid until it returns.
@unsafe public struct OwnPass {
    public let isTraining: Bool
    public let batch: Int
    /// The samples of each node that it reads.
    public let inputs: UnsafeBufferPointer<UnsafePointer<Float>?>
    /// The layer's own numbers.
    public let weights: UnsafePointer<Float>
    /// Forward: where what it gives goes; nil backward.
    public let out: UnsafeMutablePointer<Float>?
    /// Backward: what the loss changes by with what the layer gave; nil forward.
    public let slopes: UnsafePointer<Float>?
    /// Where slopes by each node's samples go; nil where nobody needs them, and forward.
    public let inputSlopes: UnsafeBufferPointer<UnsafeMutablePointer<Float>?>
    /// Where those by the weights go; nil where there are none, or training leaves them alone, and forward.
    public let weightSlopes: UnsafeMutablePointer<Float>?
}

/// Computes a layer over a batch; false where it could not, which ends the call.
public typealias OwnFunction = (OwnPass) -> Bool

@safe final class Own: Operation {
    /// The most nodes that it may read.
    static var mostInputs: Int { 16 }

    private let subject: String
    private let weights: Shape?
    var function: OwnFunction?

    init(_ layer: Layer, inputs: [Shape], _ subject: String) throws(MartletError) {
        self.subject = subject
        weights = layer.units == 0 ? nil : try Shape([layer.units], "\(subject)'s weights")
        super.init(inputs: inputs, output: try Shape(layer.sizes, "\(subject)'s sizes"))
    }

    override var parameters: [ArrayDescription] { weights.map { [ArrayDescription(name: "weights", shape: $0)] } ?? [] }
    override var needsInput: Bool { true }

    override func forward(_ pass: ForwardPass) throws(MartletError) { try unsafe call(pass, backward: nil) }
    override func backward(_ pass: BackwardPass) throws(MartletError) {
        try unsafe call(pass.forward, backward: pass)
    }

    private func call(_ pass: ForwardPass, backward: BackwardPass?) throws(MartletError) {
        guard let function = unsafe function else {
            throw MartletError(
                .order, "\(subject) is the caller's to compute; expected its function to be set before")
        }
        let count = inputs.count
        let isDone = unsafe withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: count) { read in
            unsafe withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<Float>?.self, capacity: count) { written in
                for number in 0..<count {
                    unsafe read.initializeElement(at: number, to: pass.input(number))
                    unsafe written.initializeElement(at: number, to: backward?.inputGradient(number))
                }
                return unsafe function(
                    OwnPass(
                        isTraining: pass.isTraining, batch: pass.batch, inputs: UnsafeBufferPointer(read),
                        weights: UnsafePointer(pass.parameters), out: backward == nil ? pass.output : nil,
                        slopes: backward.map { unsafe UnsafePointer($0.gradient) },
                        inputSlopes: UnsafeBufferPointer(written),
                        weightSlopes: weights == nil ? nil : backward?.parameterGradients))
            }
        }
        if !isDone { throw MartletError(.stopped, "the function of \(subject) did not return 0") }
    }
}

extension Model {
    /// Whether the caller computes some of its layers.
    var hasOwn: Bool { graph.steps.contains { $0.operation is Own } }

    /// Has a layer of kind own, a node's, computed by a function, at each place where the layer is; by none, where it is nil.
    /// Throws `.argument` where the node is none of such a layer.
    ///
    /// The function is called on the thread of the call that trains, evaluates or predicts; of several that predict at once on
    /// each of these. Where it returns false that call throws `.stopped`, and has changed nothing but gradients.
    public func setFunction(ofNode node: Int, to function: OwnFunction?) throws(MartletError) {
        guard nodes.indices.contains(node), nodes[node].layer.kind == .own else {
            throw MartletError(.argument, "node is \(node); expected that of a layer of kind own")
        }
        let owner = nodes[node].first ?? node
        for (place, other) in nodes.enumerated() where place == owner || other.first == owner {
            for step in other.operations { unsafe (graph.steps[step].operation as? Own)?.function = unsafe function }
        }
    }
}
