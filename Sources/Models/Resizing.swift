// Inputs of other sizes for a model that is there: sequences of another length, images of another height. The graph is made
// anew of the same layers; parameters, moments, counters and what has been tallied stay.
import MartletPlatform

extension Model {
    /// Gives the inputs other sizes, one shape for each, of as many sizes as it had: what every call reads from here on.
    ///
    /// Throws `.argument` for another count, `.shape` where a layer cannot read these sizes or would have other parameters, and
    /// `.unsupported` where a layer is the caller's own, or a metric counts by the place in a sample. Nothing has changed then.
    public func resize(_ shapes: [Shape]) throws(MartletError) {
        guard shapes.count == inputCount else {
            throw MartletError(
                .argument, "there are \(shapes.count) shapes; expected \(inputCount), one for each input")
        }
        for (number, shape) in shapes.enumerated() where shape.rank != inputShape(number).rank {
            throw MartletError(
                .shape,
                "input \(number) is given \(shape); expected \(inputShape(number).rank) sizes, as it has")
        }
        if shapes.indices.allSatisfy({ shapes[$0] == inputShape($0) }) { return }
        guard !hasOwn else {
            throw MartletError(
                .unsupported, "the model has layers of the caller's own, whose sizes are fixed; expected none")
        }
        let other = try relaid(over: shapes)
        try trainer?.resize(other)
        takeSizes(of: other)
    }

    /// The same nodes over inputs of other sizes, whose arrays have to be the same too; of a model of one step, `course` says
    /// how far sequences are. Throws `.shape` and whatever layers do of such inputs.
    func relaid(over shapes: [Shape], along course: Course? = nil) throws(MartletError) -> Model {
        let other = try Model(input: shapes[0], seed: seed, along: course)
        var number = 0
        for node in nodes.dropFirst() {
            var layer = node.layer
            layer.name = node.name.string
            if layer.kind == .input {
                number += 1
                layer.sizes = shapes[number].list
            }
            _ = try other.add(layer, inputs: node.inputs, prefix: "layer.", again: node.first)
        }
        for (node, new) in zip(nodes, other.nodes) where node.first == nil {
            try checkSame(
                new.operations.map { other.graph.steps[$0].operation }, as: node, "layer \"\(node.name.string)\"")
        }
        if other.outputNodes != outputNodes { try other.setOutputs(outputNodes) }
        return other
    }
}

extension Trainer {
    /// Plans anew for a model of the same nodes that reads other sizes. Throws before anything has changed.
    fileprivate func resize(_ model: Model) throws(MartletError) {
        var scorings: [Scoring] = []
        for (number, one) in settings.enumerated() {
            let scoring = try Scoring(one, model, output: number, Training.prefix(number, of: settings.count))
            try training.outputs[number].check(scoring)
            scorings.append(scoring)
        }
        for tallies in [training, evaluation] {
            for (tally, scoring) in zip(tallies.outputs, scorings) { tally.resize(scoring) }
        }
        for table in tables { table.resize(model.graph) }
        forgetPlans(scorings)
    }
}
