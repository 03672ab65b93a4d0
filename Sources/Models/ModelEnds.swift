// What comes into a model and out of it: shapes of samples.
import MartletKernelInterface
import MartletPlatform

extension Model {
    /// The shape of a sample of the first input, and of what the model's first output gives for one of each.
    public var input: Shape { nodes[0].output }
    public var output: Shape { outputShape(0) }

    public var outputCount: Int { graph.outputs.count }
    public func outputShape(_ number: Int) -> Shape { graph.values[graph.outputs[number]].shape }
    /// Elements of a sample of all outputs.
    var outputElementCount: Int { (0..<outputCount).reduce(0) { $0 + outputShape($1).elementCount } }

    public var inputCount: Int { graph.inputs.count }
    public func inputShape(_ number: Int) -> Shape { graph.values[graph.inputs[number]].shape }

    /// The activation that an output has: that of the last layer which does more than to move elements, drop some, or
    /// pool them, none of which makes probabilities anything else.
    func lastActivation(_ number: Int) -> Activation {
        var node = nodes[outputNodes[number]]
        while true {
            let kind = node.layer.kind
            if kind.keepsProbabilities || (kind == .activation && node.layer.activation == .linear) {
                node = nodes[node.inputs[0]]
            } else {
                return kind.hasActivation ? node.layer.activation : .linear
            }
        }
    }

    /// Throws `.order` where there is no layer, or the last node is none.
    func checkLayers() throws(MartletError) {
        // Who has parameters has been looked at.
        if building.isDone { return }
        guard nodes.count > 1 else {
            throw MartletError(.order, "the model has no layer; expected one to be added before")
        }
        guard outputNodes.allSatisfy({ nodes[$0].layer.kind != .input }) else {
            throw MartletError(.order, "the model's last node is an input; expected a layer, which gives the output")
        }
    }
}
