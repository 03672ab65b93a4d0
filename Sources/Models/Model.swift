// A model: a graph of nodes, and the flat buffers that hold its parameters and statistics. How it trains is in
// Trainer.swift and Fitting.swift, where a batch's numbers lie in Plan.swift, files in ModelFile.swift.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// A network of layers over samples of one shape.
///
/// Layers are added first; the first call that needs parameters makes them, and none can be added after that. One thread
/// at a time may be inside; different models may be used at the same time. Everything is fp32.
public final class Model {
    /// The most nodes of a model.
    public static var mostNodes: Int { 1024 }

    package private(set) var nodes: [Node]
    private(set) var graph = Graph()
    let seed: UInt64
    /// Parameters and statistics; nil until a call needs them.
    private(set) var built: Built?
    /// What training needs; nil until the model is compiled.
    var trainer: Trainer?
    /// Memory for the batches of predictions and evaluations.
    private var inference: Plan?

    /// A model of one node, the input. `seed` is that of initial values, dropout and the order of samples.
    public init(input: Shape, seed: UInt64) throws(MartletError) {
        self.seed = seed
        nodes = [Node(name: try OwnedText("input"), layer: Layer(.input), inputs: [], output: input, operations: 0..<0)]
    }

    /// Adds a layer and returns its node's number.
    ///
    /// - Parameter inputs: the nodes that it reads; nil for the one added last. Only sequences are served.
    @discardableResult
    public func add(_ layer: Layer, inputs: [Int]? = nil) throws(MartletError) -> Int {
        try add(layer, inputs: inputs, prefix: "layer.")
    }

    func add(_ layer: Layer, inputs: [Int]?, prefix: String) throws(MartletError) -> Int {
        guard built == nil else {
            throw MartletError(.order, "the model's parameters have been made; expected layers to be added before")
        }
        guard nodes.count < Model.mostNodes else {
            throw MartletError(.argument, "the model has \(nodes.count) nodes; expected \(Model.mostNodes) at most")
        }
        let last = nodes.count - 1
        let inputs = inputs ?? [last]
        for (place, node) in inputs.enumerated() where node < 0 || node > last {
            throw MartletError(.argument, "inputs[\(place)] is \(node); expected 0 ... \(last), a node of the model")
        }
        guard inputs == [last] else {
            throw MartletError(
                .unsupported, "inputs is \(Shape.text(inputs)); expected \(last) alone: models are sequences")
        }
        let source = nodes[inputs[0]]
        try layer.check(prefix)
        let name = try freeName(for: layer, prefix)
        let operations = try layer.operations(on: source.output, stream: graph.steps.count, "layer \"\(name)\"")
        let first = graph.steps.count
        let text = try OwnedText(name)
        var value = source.value
        for operation in operations { value = graph.append(operation, reading: value) }
        nodes.append(
            Node(
                name: text, layer: layer, inputs: inputs, output: operations.last?.output ?? source.output,
                operations: first..<graph.steps.count))
        return nodes.count - 1
    }

    /// The layer's name, or its kind's with a number that makes it the only one.
    private func freeName(for layer: Layer, _ prefix: String) throws(MartletError) -> String {
        if let name = layer.name {
            guard isFree(name) else {
                throw MartletError(
                    .argument, "\(prefix)name is \"\(name.prefix(80))\", another layer's; expected one of its own")
            }
            return name
        }
        var number = nodes.count { $0.layer.kind == layer.kind }
        while true {
            let name = number == 0 ? "\(layer.kind.name)" : "\(layer.kind.name)_\(number)"
            if isFree(name) { return name }
            number += 1
        }
    }

    /// Whether no layer has the name, byte by byte: Swift's own comparison takes two spellings of a letter for one.
    private func isFree(_ name: String) -> Bool {
        !nodes.contains { $0.name.string.utf8.elementsEqual(name.utf8) }
    }

    // MARK: - Parameters

    /// The shape of a sample, and of what the model gives for it.
    public var input: Shape { nodes[0].output }
    public var output: Shape { nodes[nodes.count - 1].output }

    /// The activation that the output has: that of the last layer which does more than to move elements, drop some, or
    /// pool them, none of which makes probabilities anything else.
    var lastActivation: Activation {
        var node = nodes[nodes.count - 1]
        while true {
            switch node.layer.kind {
            case .flatten, .reshape, .permute, .dropout, .maxPool2D, .averagePool2D, .globalAveragePool2D:
                node = nodes[node.inputs[0]]
            case .activation where node.layer.activation == .linear: node = nodes[node.inputs[0]]
            default: return node.layer.hasActivation ? node.layer.activation : .linear
            }
        }
    }

    /// Throws `.order` where there is no layer.
    func checkLayers() throws(MartletError) {
        guard nodes.count > 1 else {
            throw MartletError(.order, "the model has no layer; expected one to be added before")
        }
    }

    /// The parameters and statistics, or initialised ones that the model does not have before they are kept: a call that
    /// fails between the two leaves it as it was.
    package func made() throws(MartletError) -> Built {
        if let built { return built }
        try checkLayers()
        let laid = try laidOut()
        let parameters = try FlatBuffer(count: laid.parameters.count)
        let statistics = try FlatBuffer(count: laid.statistics.count)
        let execution = try unsafe Execution(mode: .exact)
        unsafe fill(parameters, laid.parameters.views, execution, streams: 0)
        unsafe fill(statistics, laid.statistics.views, execution, streams: 1 << 32)
        return Built(
            parameters: parameters, statistics: statistics, parameterViews: laid.parameters.views,
            statisticViews: laid.statistics.views)
    }

    /// Where each array of each layer lies, and under which name: worked out before there is memory for them. Throws
    /// `.shape` and `.memory`.
    func laidOut() throws(MartletError) -> (parameters: ViewList, statistics: ViewList) {
        var laid = (parameters: ViewList(), statistics: ViewList())
        for (index, node) in nodes.enumerated() {
            for step in node.operations {
                graph.steps[step].firstParameter = laid.parameters.count
                graph.steps[step].firstStatistic = laid.statistics.count
                let operation = graph.steps[step].operation
                for array in operation.parameters { try laid.parameters.append(array, of: index, named: node.name) }
                for array in operation.statistics { try laid.statistics.append(array, of: index, named: node.name) }
            }
        }
        return laid
    }

    /// Makes them the model's.
    package func keep(_ built: Built) { self.built = built }

    /// Makes and initialises parameters and statistics, where there are none yet.
    @discardableResult
    func build() throws(MartletError) -> Built {
        let built = try made()
        keep(built)
        return built
    }

    /// Parameters and statistics as in the beginning, and nothing left of training but its settings.
    public func reset() throws(MartletError) {
        guard let built else { return }
        let execution = try unsafe Execution(mode: .exact)
        let fresh = try trainer.map { trainer throws(MartletError) in
            try Trainer(self, built, trainer.settings, trainer.groups)
        }
        unsafe fill(built.parameters, built.parameterViews, execution, streams: 0)
        unsafe fill(built.statistics, built.statisticViews, execution, streams: 1 << 32)
        trainer = fresh
    }

    /// Initial values, worked out in a floating-point mode of our own.
    private func fill(_ buffer: FlatBuffer, _ views: [View], _ execution: Execution, streams: UInt64) {
        var filling = unsafe Filling(buffer: buffer, views: views, execution: execution, key: seed, streams: streams)
        unsafe withUnsafeMutablePointer(to: &filling) { filling in
            unsafe FloatingPointMode.exact.call(
                { unsafe $0.assumingMemoryBound(to: Filling.self).pointee.run() }, UnsafeMutableRawPointer(filling))
        }
    }

    /// The parameters' memory, the model's own. Throws `.order` and `.memory` where it cannot be made yet.
    public func parameterMemory() throws(MartletError) -> UnsafeMutableBufferPointer<Float> {
        unsafe try build().parameters.elements
    }

    /// The statistics' memory: moving means and the like, which no gradient changes.
    public func statisticMemory() throws(MartletError) -> UnsafeMutableBufferPointer<Float> {
        unsafe try build().statistics.elements
    }

    /// Elements of a node's parameters and statistics.
    package func elementCounts(of node: Node) -> (parameters: Int, statistics: Int) {
        var counts = (parameters: 0, statistics: 0)
        for step in node.operations {
            for array in graph.steps[step].operation.parameters { counts.parameters += array.shape.elementCount }
            for array in graph.steps[step].operation.statistics { counts.statistics += array.shape.elementCount }
        }
        return counts
    }

    // MARK: - Batches without training

    /// Memory for batches of as many samples, without what backward passes need.
    func inferencePlan(batch: Int) throws(MartletError) -> Plan {
        if let plan = inference, plan.batch >= batch { return plan }
        // The one there is stays until the larger one is made: a call under way, or the next, may need it.
        let plan = try Plan(graph, batch: batch, scored: nil)
        inference = plan
        return plan
    }
}

/// A buffer that is given its initial values, each array from random numbers of its own.
@unsafe private struct Filling {
    let buffer: FlatBuffer
    let views: [View]
    let execution: Execution
    let key: UInt64
    let streams: UInt64

    func run() {
        for (index, view) in unsafe views.enumerated() {
            unsafe Initializer.fill(
                buffer.base + view.offset, view.array, execution, key: key, stream: streams + UInt64(index))
        }
    }
}

/// The flat buffers of a model, and what lies where in them.
package final class Built {
    let parameters: FlatBuffer
    let statistics: FlatBuffer
    package let parameterViews: [View]
    package let statisticViews: [View]

    init(parameters: FlatBuffer, statistics: FlatBuffer, parameterViews: [View], statisticViews: [View]) {
        self.parameters = parameters
        self.statistics = statistics
        self.parameterViews = parameterViews
        self.statisticViews = statisticViews
    }
}

/// A layer in its place: an object, so that no list of nodes is a large allocation.
package final class Node {
    package let name: OwnedText
    package let layer: Layer
    package let inputs: [Int]
    package let output: Shape
    let operations: Range<Int>

    /// The number of the value that it gives, among those of the graph.
    var value: Int { operations.upperBound }

    init(name: OwnedText, layer: Layer, inputs: [Int], output: Shape, operations: Range<Int>) {
        self.name = name
        self.layer = layer
        self.inputs = inputs
        self.output = output
        self.operations = operations
    }
}
