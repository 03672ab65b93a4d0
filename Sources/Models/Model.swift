// A model: a graph of nodes, and how it is put together. What comes in and out is in ModelEnds.swift, its parameters in
// ModelParameters.swift, how it trains in Trainer.swift and Fitting.swift, where a batch's numbers lie in Plan.swift, files in
// ModelFile.swift.
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

    /// What has been added. Every call reads it many times over, and who changes it is alone in the model, as its handle
    /// sees to: the runtime need not look at each time whether somebody does.
    @exclusivity(unchecked) private var laid = Laid()
    package var nodes: [Node] { @inline(__always) get { unsafe laid.nodes } }
    /// The nodes that are the outputs: the one added last, unless others were named.
    package var outputNodes: [Int] { @inline(__always) get { unsafe laid.outputNodes } }
    var graph: Graph { @inline(__always) get { unsafe laid.graph } }
    private var hasNamedOutputs = false
    package let seed: UInt64
    /// What ``build(_:)`` has made; read it as `built`.
    var kept: Built?
    let building: Once
    /// Parameters and statistics; nil until a call needs them.
    var built: Built? { building.isDone ? kept : nil }
    /// What training needs; nil until the model is compiled.
    var trainer: Trainer?
    /// Sequences that it is run along.
    var sequenceRun: SequenceRun?
    /// Of a model of one step: how far sequences are.
    let course: Course?
    /// Memory for the batches of predictions and evaluations: one for each that was under way at once.
    let workspaces: Spares<Workspace>
    /// What earlier calls read, for the next to fill.
    package let spareArrays: Spares<SampleArrays>
    package var notes = Notes()
    /// What layers keep from batch to batch; nil: nothing.
    var stateKeeper: StateKeeper?

    /// A model of one node, the first input. `seed` is that of initial values, dropout and the order of samples.
    public convenience init(input: Shape, seed: UInt64) throws(MartletError) {
        try self.init(input: input, seed: seed, along: nil)
    }

    init(input: Shape, seed: UInt64, along course: Course?) throws(MartletError) {
        (self.seed, self.course) = (seed, course)
        building = try Once()
        workspaces = try Spares()
        spareArrays = try Spares()
        let value = unsafe laid.graph.addInput(input)
        unsafe laid.nodes = [
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
        try checkGrowing()
        try layer.check(prefix)
        // Where a call has failed there may be some already, of fewer layers.
        workspaces.removeAll()
        // What messages call arguments that are a file's.
        let place = prefix == "layer." ? "" : prefix
        if let first { try checkOwner(first, of: layer, place) }
        if layer.kind == .input { return try addInput(layer, inputs: inputs ?? [], prefix) }
        let inputs = inputs ?? [nodes.count - 1]
        let table = try tableStep(of: layer, prefix)
        try check(inputs, of: layer, place)
        let name = try freeName(for: layer, prefix, isAgain: first != nil)
        let text = try OwnedText(name)
        let numbers = try Node.numbers(inputs)
        let subject = "layer \"\(name)\""
        var masks = try masks(for: layer, from: inputs, subject)
        var shapes = inputs.map { nodes[$0].output }
        let making = try layer.makesMask ? MaskMaking(layer, inputs: shapes, subject) : nil
        // Of MASKING's nodes the second says alone which steps are hidden.
        if layer.kind == .masking { shapes = [shapes[0]] }
        let mask = layer.kind == .masking ? making?.output : masks.read.map { graph.values[$0].shape }
        if let mask { shapes.append(mask) }
        let operations = try layer.operations(
            on: shapes, isMasked: mask != nil, table: table.map { graph.steps[$0].operation },
            stream: graph.steps.count, along: course, subject)
        for array in operations.flatMap(\.parameters) { try Initializer.check(array, subject) }
        if let first { try checkSame(operations, as: nodes[first], subject) }
        let values = inputs.map { nodes[$0].value }
        let (own, said) = (Array(values.prefix(shapes.count - (mask == nil ? 0 : 1))), [values[values.count - 1]])
        for operation in operations.prefix(1) { try check(operation, reading: own, subject) }
        if let making { try check(making, reading: said, subject) }
        try keepStates(of: layer, prefix, subject)
        let start = graph.steps.count
        if let making {
            masks.given =
                graph.mask(like: making, of: said)
                ?? (unsafe laid.graph.append(making, reading: said, isFrozen: true))
        }
        if layer.kind == .masking { masks.read = masks.given }
        // The operations of the layer's own node that these are once more, behind what may make its mask.
        let again = first.flatMap { nodes[$0].operations.first { !(graph.steps[$0].operation is MaskMaking) } }
        let value = lay(operations, of: layer, reading: own + (masks.read.map { [$0] } ?? []), table, again)
        if let table = operations.first as? Embedding {
            take(Table(rows: table.rows, what: "a row of", layer: name), of: values[0])
        } else if let table = making?.table(name) {
            take(table, of: said[0])
        }
        return append(
            Node(
                name: text, layer: layer, inputs: inputs, numbers, output: operations.last?.output ?? shapes[0],
                value: value, mask: masks.given, operations: start..<graph.steps.count, first: first))
    }

    /// Lays a layer's operations one behind another; returns what the last one gives.
    ///
    /// - Parameters:
    ///   - table: the operation whose array the first one reads; nil: its own.
    ///   - again: the operation that the first one is once more; nil: none.
    private func lay(
        _ operations: [Operation], of layer: Layer, reading values: [Int], _ table: Int?, _ again: Int?
    ) -> Int {
        var read = values
        for (place, operation) in operations.enumerated() {
            let table = place == 0 ? table : nil
            let isFrozen = table.map { graph.steps[$0].isFrozen } ?? layer.flags.contains(.frozen)
            let first = table ?? again.map { $0 + place }
            read = [unsafe laid.graph.append(operation, reading: read, isFrozen: isFrozen, first: first)]
        }
        return read[0]
    }

    /// Throws where no further node can be added.
    private func checkGrowing() throws(MartletError) {
        guard built == nil else {
            throw MartletError(.order, "the model's parameters have been made; expected layers to be added before")
        }
        guard nodes.count < Model.mostNodes else {
            throw MartletError(.argument, "the model has \(nodes.count) nodes; expected \(Model.mostNodes) at most")
        }
    }

    /// Throws where a layer reads what is no node, or too few or many.
    private func check(_ inputs: [Int], of layer: Layer, _ place: String) throws(MartletError) {
        for (number, node) in inputs.enumerated() where !nodes.indices.contains(node) {
            throw MartletError(
                .argument,
                "\(place)inputs[\(number)] is \(node); expected 0 ... \(nodes.count - 1), a node of the model")
        }
        guard layer.kind.inputCounts.contains(inputs.count) else {
            let range = layer.kind.inputCounts
            let wanted = range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
            throw MartletError(
                .argument, "\(place)inputs has \(inputs.count) nodes; expected \(wanted), as \(layer.kind.name) reads")
        }
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
        let value = unsafe laid.graph.addInput(shape)
        unsafe laid.tables.append(nil)
        let here = graph.steps.count
        return append(
            Node(
                name: text, layer: layer, inputs: [], numbers, output: shape, value: value, operations: here..<here))
    }

    private func append(_ node: Node) -> Int {
        unsafe laid.nodes.append(node)
        if !hasNamedOutputs { give([nodes.count - 1]) }
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
        give(chosen)
    }

    private func give(_ chosen: [Int]) {
        unsafe (laid.outputNodes, laid.graph.outputs) = (chosen, chosen.map { nodes[$0].value })
        unsafe laid.graph.masks = chosen.compactMap { nodes[$0].mask }
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
                        : "\(subject) reads an input of whole numbers, which another layer reads; expected numbers")
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
    func checkSame(_ operations: [Operation], as node: Node, _ subject: String) throws(MartletError) {
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

    private func take(_ table: Table, of value: Int) {
        guard let number = graph.inputs.firstIndex(of: value) else { return }
        if let known = self.table(ofInput: number), known.rows <= table.rows { return }
        unsafe laid.tables[number] = table
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

    /// Becomes what another model is, of the same nodes over inputs of other sizes.
    func takeSizes(of other: Model) {
        workspaces.removeAll()
        sequenceRun = nil
        for (node, new) in zip(nodes, other.nodes) { node.resize(new) }
        unsafe (laid.graph, laid.tables) = unsafe (other.laid.graph, other.laid.tables)
    }

    /// The table that an input names rows of; nil where it holds numbers.
    func table(ofInput number: Int) -> Table? { unsafe laid.tables[number] }
}

/// What a model is made of.
private struct Laid {
    var nodes: [Node] = []
    var outputNodes = [0]
    var graph = Graph()
    /// The table that each input names rows of; nil where it holds numbers.
    var tables: [Table?] = [nil]
}
