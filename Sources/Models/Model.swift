// A model: a graph of nodes, and the flat buffers that hold its parameters and statistics. How it trains is in
// Trainer.swift and Fitting.swift, where a batch's numbers lie in Plan.swift, files in ModelFile.swift.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// A network of layers: a graph, whose nodes are inputs and layers, and each layer reads nodes before its own.
///
/// Layers are added first; the first call that needs parameters makes them, and none can be added after that. One thread
/// at a time may be inside, but any number of them may predict at once, and look at what there is; who evaluates or saves is
/// alone. Different models may be used at the same time. Everything is fp32.
public final class Model {
    /// The most nodes of a model.
    public static var mostNodes: Int { 1024 }
    /// The most inputs, and outputs.
    public static var mostInputs: Int { 16 }
    public static var mostOutputs: Int { 16 }

    package private(set) var nodes: [Node]
    /// The nodes that are the outputs: the one added last, unless others were named.
    package private(set) var outputNodes = [0]
    private var hasNamedOutputs = false
    private(set) var graph = Graph()
    package let seed: UInt64
    private var kept: Built?
    private let building: Once
    /// Parameters and statistics; nil until a call needs them.
    var built: Built? { building.isDone ? kept : nil }
    /// What training needs; nil until the model is compiled.
    var trainer: Trainer?
    /// Memory for the batches of predictions and evaluations: one for each that was under way at once.
    let workspaces: Spares<Workspace>
    /// What earlier calls read, for the next to fill.
    package let spareArrays: Spares<SampleArrays>
    package var notes = Notes()
    /// The table that each input names rows of; nil where it holds numbers.
    private var tables: [Table?] = [nil]

    /// A model of one node, the first input. `seed` is that of initial values, dropout and the order of samples.
    public init(input: Shape, seed: UInt64) throws(MartletError) {
        self.seed = seed
        building = try Once()
        workspaces = try Spares()
        spareArrays = try Spares()
        let value = graph.addInput(input)
        nodes = [
            Node(
                name: try OwnedText("input"), layer: Layer(.input), inputs: [], try Node.numbers([]), output: input,
                value: value, operations: 0..<0)
        ]
    }

    /// Adds a layer, or another input, and returns its node's number. The last node is the model's output.
    ///
    /// - Parameter inputs: the nodes that it reads; nil for the one added last.
    @discardableResult
    public func add(_ layer: Layer, inputs: [Int]? = nil) throws(MartletError) -> Int {
        try add(layer, inputs: inputs, prefix: "layer.")
    }

    /// Adds the layer of a node once more, with the same parameters and statistics, over other nodes; returns the number of
    /// the node that this is.
    @discardableResult
    public func add(again node: Int, inputs: [Int]? = nil) throws(MartletError) -> Int {
        guard nodes.indices.contains(node) else {
            throw MartletError(.argument, "node is \(node); expected 0 ..< \(nodes.count), a node of the model")
        }
        return try add(nodes[node].layer, inputs: inputs, prefix: "layer.", again: nodes[node].first ?? node)
    }

    func add(
        _ layer: Layer, inputs: [Int]?, prefix: String, again first: Int? = nil
    ) throws(MartletError) -> Int {
        guard built == nil else {
            throw MartletError(.order, "the model's parameters have been made; expected layers to be added before")
        }
        guard nodes.count < Model.mostNodes else {
            throw MartletError(.argument, "the model has \(nodes.count) nodes; expected \(Model.mostNodes) at most")
        }
        try layer.check(prefix)
        // Where a call has failed there may be some already, of fewer layers.
        workspaces.removeAll()
        // What messages call arguments that are a file's.
        let place = prefix == "layer." ? "" : prefix
        if let first { try checkOwner(first, of: layer, place) }
        if layer.kind == .input { return try addInput(layer, inputs: inputs ?? [], prefix) }
        let last = nodes.count - 1
        let inputs = inputs ?? [last]
        for (number, node) in inputs.enumerated() where node < 0 || node > last {
            throw MartletError(
                .argument, "\(place)inputs[\(number)] is \(node); expected 0 ... \(last), a node of the model")
        }
        guard layer.kind.inputCounts.contains(inputs.count) else {
            let range = layer.kind.inputCounts
            let wanted = range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
            throw MartletError(
                .argument, "\(place)inputs has \(inputs.count) nodes; expected \(wanted), as \(layer.kind.name) reads")
        }
        let name = try freeName(for: layer, prefix, isAgain: first != nil)
        let text = try OwnedText(name)
        let numbers = try Node.numbers(inputs)
        let subject = "layer \"\(name)\""
        let shapes = inputs.map { nodes[$0].output }
        let operations = try layer.operations(on: shapes, stream: graph.steps.count, subject)
        for array in operations.flatMap(\.parameters) { try Initializer.check(array, subject) }
        if let first { try checkSame(operations, as: nodes[first], subject) }
        let values = inputs.map { nodes[$0].value }
        for operation in operations.prefix(1) { try check(operation, reading: values, subject) }
        let start = graph.steps.count
        var read = values
        for (place, operation) in operations.enumerated() {
            read = [
                graph.append(
                    operation, reading: read, isFrozen: layer.flags.contains(.frozen),
                    first: first.map { nodes[$0].operations.lowerBound + place })
            ]
        }
        if let table = operations.first as? Embedding { take(table, of: values[0], name) }
        return append(
            Node(
                name: text, layer: layer, inputs: inputs, numbers, output: operations.last?.output ?? shapes[0],
                value: read[0],
                operations: start..<graph.steps.count, first: first))
    }

    private func addInput(_ layer: Layer, inputs: [Int], _ prefix: String) throws(MartletError) -> Int {
        guard inputs.isEmpty else {
            throw MartletError(.argument, "inputs has \(inputs.count) nodes; expected none: an input reads none")
        }
        guard inputCount < Model.mostInputs else {
            throw MartletError(.argument, "the model has \(inputCount) inputs; expected \(Model.mostInputs) at most")
        }
        let shape = try Shape(layer.sizes, "\(prefix)sizes")
        let text = try OwnedText(try freeName(for: layer, prefix))
        let numbers = try Node.numbers([])
        let value = graph.addInput(shape)
        tables.append(nil)
        let here = graph.steps.count
        return append(
            Node(
                name: text, layer: layer, inputs: [], numbers, output: shape, value: value, operations: here..<here))
    }

    private func append(_ node: Node) -> Int {
        nodes.append(node)
        if !hasNamedOutputs { (outputNodes, graph.outputs) = ([nodes.count - 1], [node.value]) }
        return nodes.count - 1
    }

    /// Names the nodes that are the model's outputs, in this order; else that is the one added last. Each is trained for a loss
    /// of its own. Throws `.argument` where one is no layer's, or named twice, and `.order` once parameters are made.
    public func setOutputs(_ chosen: [Int]) throws(MartletError) {
        guard built == nil else {
            throw MartletError(.order, "the model's parameters have been made; expected outputs to be named before")
        }
        guard chosen.count >= 1 && chosen.count <= Model.mostOutputs else {
            throw MartletError(.argument, "the count is \(chosen.count); expected 1 to \(Model.mostOutputs) outputs")
        }
        for (place, node) in chosen.enumerated() {
            guard nodes.indices.contains(node), nodes[node].layer.kind != .input, !chosen[..<place].contains(node)
            else {
                throw MartletError(
                    .argument, "nodes[\(place)] is \(node); expected a layer's node, 1 ..< \(nodes.count), named once")
            }
        }
        // Where a call has failed there may be some already, of other outputs.
        workspaces.removeAll()
        hasNamedOutputs = true
        (outputNodes, graph.outputs) = (chosen, chosen.map { nodes[$0].value })
    }

    /// Throws where a value is not of what an operation reads: an input is either numbers or rows of tables.
    private func check(_ operation: Operation, reading values: [Int], _ subject: String) throws(MartletError) {
        for value in values {
            let known = graph.values[value]
            let isOpen = known.maker == nil && !graph.isRead(value)
            guard known.kind == operation.reads || isOpen else {
                throw MartletError(
                    .argument,
                    operation.reads == .indices
                        ? "\(subject) reads numbers; expected an input that layers like it alone read"
                        : "\(subject) reads an input of whole numbers, which an embedding reads too; expected numbers")
            }
        }
    }

    /// Throws where a node does not have a layer of its own that could be there once more.
    private func checkOwner(_ first: Int, of layer: Layer, _ place: String) throws(MartletError) {
        let isOwner =
            nodes.indices.contains(first) && nodes[first].first == nil && nodes[first].layer.kind == layer.kind
        guard isOwner && layer.kind != .input else {
            throw MartletError(
                .argument,
                "\(place)\(place.isEmpty ? "node" : "first") is \(first); expected a layer's node, no input's")
        }
    }

    /// Throws `.shape` where parameters of a layer would not be those of the node that has them.
    private func checkSame(_ operations: [Operation], as node: Node, _ subject: String) throws(MartletError) {
        func shapes(_ operations: [Operation]) -> [Shape] {
            operations.flatMap { ($0.parameters + $0.statistics).map(\.shape) }
        }
        let (new, own) = (shapes(operations), shapes(node.operations.map { graph.steps[$0].operation }))
        guard new == own else {
            throw MartletError(
                .shape,
                "\(subject) would have arrays of \(new.map(\.description).joined(separator: ", ")); expected "
                    + "\(own.map(\.description).joined(separator: ", ")), those of \"\(node.name.string)\"")
        }
    }

    private func take(_ embedding: Embedding, of value: Int, _ name: String) {
        guard let number = graph.inputs.firstIndex(of: value) else { return }
        if let table = tables[number], table.rows <= embedding.rows { return }
        tables[number] = Table(rows: embedding.rows, layer: name)
    }

    /// The layer's name, or its kind's with a number that makes it the only one; "dense_again", where it is there once more,
    /// which takes no name that the next layer of its kind would have.
    private func freeName(for layer: Layer, _ prefix: String, isAgain: Bool = false) throws(MartletError) -> String {
        if let name = layer.name, !isAgain {
            guard isFree(name) else {
                throw MartletError(
                    .argument, "\(prefix)name is \"\(name.prefix(80))\", another layer's; expected one of its own")
            }
            return name
        }
        var number = nodes.count { $0.layer.kind == layer.kind && ($0.first != nil) == isAgain }
        let base = isAgain ? "\(layer.kind.name)_again" : "\(layer.kind.name)"
        while true {
            let name = number == 0 ? base : "\(base)_\(number)"
            if isFree(name) { return name }
            number += 1
        }
    }

    /// Whether no layer has the name, byte by byte: Swift's own comparison takes two spellings of a letter for one.
    private func isFree(_ name: String) -> Bool {
        !nodes.contains { $0.name.string.utf8.elementsEqual(name.utf8) }
    }

    // MARK: - Parameters

    /// The shape of a sample of the first input, and of what the model's first output gives for one of each.
    public var input: Shape { nodes[0].output }
    public var output: Shape { outputShape(0) }

    public var outputCount: Int { outputNodes.count }
    public func outputShape(_ number: Int) -> Shape { nodes[outputNodes[number]].output }
    /// Elements of a sample of all outputs.
    var outputElementCount: Int { (0..<outputCount).reduce(0) { $0 + outputShape($1).elementCount } }

    public var inputCount: Int { graph.inputs.count }
    public func inputShape(_ number: Int) -> Shape { graph.values[graph.inputs[number]].shape }

    /// The table that an input names rows of; nil where it holds numbers.
    func table(ofInput number: Int) -> Table? { tables[number] }

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
        guard nodes.count > 1 else {
            throw MartletError(.order, "the model has no layer; expected one to be added before")
        }
        guard outputNodes.allSatisfy({ nodes[$0].layer.kind != .input }) else {
            throw MartletError(.order, "the model's last node is an input; expected a layer, which gives the output")
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
        for (index, node) in nodes.enumerated() where node.first == nil {
            for step in node.operations {
                let operation = graph.steps[step].operation
                let isFrozen = graph.steps[step].isFrozen
                for array in operation.parameters {
                    try laid.parameters.append(array, of: index, named: node.name, isFrozen: isFrozen)
                }
                for array in operation.statistics { try laid.statistics.append(array, of: index, named: node.name) }
            }
        }
        return laid
    }

    /// Makes them the model's.
    package func keep(_ built: Built) {
        kept = built
        building.finish()
    }

    /// Makes and initialises parameters and statistics, where there are none yet: of several threads one does.
    ///
    /// - Parameter use: what is done with them; where that throws, those that are new are not the model's.
    @discardableResult
    package func build(_ use: (Built) throws(MartletError) -> Void = { _ in }) throws(MartletError) -> Built {
        var fresh: Built?
        try building.perform { () throws(MartletError) in
            let built = try made()
            try use(built)
            (kept, fresh) = (built, built)
        }
        if let fresh { return fresh }
        let built = try made()
        try use(built)
        return built
    }

    /// Parameters and statistics as in the beginning, and nothing left of training but its settings.
    public func reset() throws(MartletError) {
        guard let built else { return }
        let fresh = try trainer.map { trainer throws(MartletError) in
            try Trainer(self, built, trainer.settings, trainer.groups)
        }
        let execution = try unsafe Execution(mode: .exact)
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

    /// Elements of a node's own parameters and statistics.
    package func elementCounts(of node: Node) -> (parameters: Int, statistics: Int) {
        var counts = (parameters: 0, statistics: 0)
        if node.first != nil { return counts }
        for step in node.operations {
            for array in graph.steps[step].operation.parameters { counts.parameters += array.shape.elementCount }
            for array in graph.steps[step].operation.statistics { counts.statistics += array.shape.elementCount }
        }
        return counts
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

/// A layer, or an input, in its place: an object, so that no list of nodes is a large allocation.
package final class Node {
    package let name: OwnedText
    package let layer: Layer
    package let inputs: [Int]
    private let inputNumbers: ZeroedMemory
    package let output: Shape
    /// The value that it gives, among those of the graph.
    let value: Int
    let operations: Range<Int>
    /// The node whose layer this is once more; nil: its own.
    package let first: Int?

    init(
        name: OwnedText, layer: Layer, inputs: [Int], _ numbers: consuming ZeroedMemory, output: Shape, value: Int,
        operations: Range<Int>, first: Int? = nil
    ) {
        self.name = name
        inputNumbers = numbers
        self.layer = layer
        self.inputs = inputs
        self.output = output
        self.value = value
        self.operations = operations
        self.first = first
    }
    /// The nodes that it reads, as C has them; valid as long as the node.
    package var inputList: UnsafeMutablePointer<Int32> {
        unsafe inputNumbers.base.assumingMemoryBound(to: Int32.self)
    }

    /// Memory with these in it. Throws `.memory`.
    static func numbers(_ inputs: [Int]) throws(MartletError) -> ZeroedMemory {
        let memory = try ZeroedMemory(count: inputs.count, stride: MemoryLayout<Int32>.stride)
        let list = unsafe memory.base.assumingMemoryBound(to: Int32.self)
        for (place, input) in inputs.enumerated() { unsafe list[place] = Int32(input) }
        return memory
    }
}
