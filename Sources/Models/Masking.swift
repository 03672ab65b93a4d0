// Which steps of a sequence count: a value of 1 or 0 for each, which layers that know of masks read beside the sequence.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// 1 for each step that is seen: by a whole number for each, or its features, that are not all some number, or by how many
/// are seen from the first on.
final class MaskMaking: Operation {
    private enum Source { case features, rows, count }
    private let source: Source
    private let hidden: Double

    /// - Parameter inputs: of the sequence, or of rows of a table; and where there is one of what says which steps are hidden.
    init(_ layer: Layer, inputs: [Shape], _ subject: String) throws(MartletError) {
        let isTable = layer.kind == .embedding
        hidden = isTable ? 0 : layer.offset
        guard inputs[0].rank == (isTable ? 1 : 2) else {
            throw MartletError(.shape, "\(subject)'s input is \(inputs[0]); expected a sequence, which a mask is of")
        }
        let counts = layer.flags.contains(.lengths)
        guard inputs.count == 2 || !counts else {
            throw MartletError(
                .argument, "inputs has 1 nodes; expected 2, a sequence and, for MARTLET_LENGTHS, how many steps it has")
        }
        source = counts ? .count : isTable || inputs.count == 2 ? .rows : .features
        let steps = inputs[0][0]
        let wanted = try Shape([counts ? 1 : steps], subject)
        if inputs.count == 2 && inputs[1] != wanted {
            throw MartletError(
                .shape,
                "\(subject)'s inputs[1] is \(inputs[1]); expected \(wanted), "
                    + (counts ? "how many steps are seen" : "which says of each step whether it is hidden"))
        }
        super.init(inputs: [inputs[inputs.count - 1]], output: try Shape([steps], subject))
    }

    /// Whether it says of a value what another one does.
    func isSame(_ other: MaskMaking) -> Bool {
        source == other.source && (source == .count || hidden == other.hidden) && output == other.output
    }

    override var reads: ValueKind { source == .features ? .numbers : .indices }
    override var stopsGradient: Bool { true }

    /// Which whole numbers it reads; nil where it reads others, and of a table's rows that says it too.
    func table(_ layer: String) -> Table? {
        switch source {
        case .features: nil
        case .rows: Table(rows: Int(Int32.max), what: "a number that may hide a step of", layer: layer)
        case .count: Table(rows: output[0] + 1, what: "how many steps are seen by", layer: layer)
        }
    }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        switch source {
        case .features: [CCall(.maskSteps, [input[0], input[1]], [CArray([Float(hidden)])])]
        case .rows: [CCall(.maskRows, [input[0], Int32(exactly: hidden).map(Int.init) ?? -1])]
        case .count: [CCall(.maskCount, [output[0]])]
        }
    }

    override func forward(_ pass: ForwardPass) {
        let steps = output[0]
        for sample in unsafe 0..<pass.batch {
            for step in 0..<steps {
                let place = sample * steps + step
                unsafe pass.output[place] = unsafe isSeen(pass, sample, step, place) ? 1 : 0
            }
        }
    }

    @inline(__always)
    private func isSeen(_ pass: ForwardPass, _ sample: Int, _ step: Int, _ place: Int) -> Bool {
        switch source {
        case .rows: return unsafe Double(pass.indices[place]) != hidden
        case .count: return unsafe step < Int(pass.indices[sample])
        case .features:
            let (features, number) = unsafe (pass.input + place * input[1], Float(hidden))
            var feature = 0
            while feature < input[1], unsafe features[feature] == number { feature += 1 }
            return feature < input[1]
        }
    }
}

/// A sequence with zeros where it is not seen.
final class Hiding: Operation {
    init(inputs: [Shape]) { super.init(inputs: inputs, output: inputs[0]) }

    override var needsInput: Bool { true }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        [CCall(.hide, reads: [0, 1], [output.outerCount, output.last])]
    }

    override func forward(_ pass: ForwardPass) { unsafe hide(pass, pass.input, pass.output) }

    override func backward(_ pass: BackwardPass) {
        if let out = unsafe pass.inputGradient { unsafe hide(pass.forward, UnsafePointer(pass.gradient), out) }
    }

    private func hide(_ pass: ForwardPass, _ from: UnsafePointer<Float>, _ to: UnsafeMutablePointer<Float>) {
        let (mask, width) = unsafe (pass.input(1), output.last)
        for step in unsafe 0..<pass.batch * output.outerCount {
            let (source, place) = unsafe (from + step * width, to + step * width)
            if unsafe mask[step] == 0 {
                unsafe place.update(repeating: 0, count: width)
            } else {
                unsafe place.update(from: source, count: width)
            }
        }
    }
}

extension Graph {
    /// The mask that is made of these values already, where one is: made twice it is one.
    func mask(like making: MaskMaking, of values: [Int]) -> Int? {
        steps.first { ($0.operation as? MaskMaking)?.isSame(making) == true && $0.inputs == values }?.output
    }
}

extension Layer {
    /// Whether it says which steps of a sequence are seen.
    var makesMask: Bool { kind == .masking || (kind == .embedding && flags.contains(.maskZero)) }
}

extension LayerKind {
    /// What becomes of a mask that comes with what a layer reads.
    enum MaskUse {
        /// Read and handed on; handed on; of several handed on where it is the same, and dropped where one has none; of keys
        /// and values read, and of queries handed on; read and dropped; dropped, as by Keras's layer; and what Keras's layer
        /// does with it is not there.
        case reads, passesOn, merges, attends, ends, drops, cannot
    }

    var maskUse: MaskUse {
        switch self {
        case .lstm, .gru, .simpleRNN, .masking: .reads
        case .attention: .attends
        case .globalAveragePool1D: .ends
        case .position, .dense, .activation, .dropout, .gaussianNoise, .layerNorm, .groupNorm, .rescaling,
            .normalization:
            .passesOn
        case .add, .multiply, .concatenate: .merges
        case .batchNorm: .cannot
        default: .drops
        }
    }
}

extension Model {
    /// The nodes that made the mask which a node reads, and that of the steps which it gives.
    package func maskMakers(of node: Node) -> (read: Int?, given: Int?) {
        func maker(_ value: Int) -> Int? {
            guard let step = graph.values[value].maker, graph.steps[step].operation is MaskMaking else { return nil }
            return nodes.firstIndex { $0.operations.contains(step) }
        }
        var read: Int?
        for step in node.operations {
            for value in graph.steps[step].inputs where read == nil { read = maker(value) }
        }
        return (read, node.mask.flatMap(maker))
    }

    /// The masks of what a layer reads: the one that it reads, and the one that it hands on. Throws `.unsupported` where
    /// Keras's layer does something with them that is not there.
    func masks(for layer: Layer, from inputs: [Int], _ subject: String) throws(MartletError) -> (
        read: Int?, given: Int?
    ) {
        // States that a recurrent layer begins with are no sequences.
        let masks = inputs.prefix(layer.kind.isRecurrent ? 1 : inputs.count).compactMap { nodes[$0].mask }
        guard let mask = masks.first else { return (nil, nil) }
        if layer.kind == .cropping1D {
            let kept = nodes[inputs[0]].output[0] - layer.pads[1]
            let isAll = layer.pads[0] == 0 && layer.units == 0
            return (nil, isAll && kept == graph.values[mask].shape[0] ? mask : nil)
        }
        // Behind a layer's steps there may be its last states.
        for node in inputs where layer.kind.maskUse != .drops {
            guard let mask = nodes[node].mask, nodes[node].output[0] != graph.values[mask].shape[0] else { continue }
            throw MartletError(
                .unsupported,
                "\(subject) reads a sequence with a mask and states behind it; expected the sequence alone, by CROPPING1D"
            )
        }
        let joinsSteps = layer.kind == .concatenate && (layer.axis == 0 || layer.axis == -nodes[inputs[0]].output.rank)
        switch layer.kind.maskUse {
        case .reads: return (mask, layer.kind.isRecurrent && !layer.flags.contains(.returnSequences) ? nil : mask)
        case .passesOn: return (nil, mask)
        case .attends:
            let (key, value) = (nodes[inputs[1]].mask, nodes[inputs[2]].mask)
            if key == nil || value == nil || key == value { return (value ?? key, nodes[inputs[0]].mask) }
        case .ends: return (mask, nil)
        case .drops: return (nil, nil)
        case .merges:
            let isSame = masks.count == inputs.count && masks.allSatisfy { $0 == mask }
            if isSame && !joinsSteps { return (nil, mask) }
            if masks.count < inputs.count && !joinsSteps { return (nil, nil) }
        case .cannot: break
        }
        throw MartletError(
            .unsupported,
            "\(subject) reads a sequence with a mask; expected none, or of what is put together one for all")
    }
}
