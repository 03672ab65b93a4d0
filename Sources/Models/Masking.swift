// Which steps of a sequence count: a value of 1 or 0 for each, which layers that know of masks read beside the sequence.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// 1 for each step that is seen: of rows of a table those whose number is not 0, of features those that are not all some
/// number.
final class MaskMaking: Operation {
    private let isOfRows: Bool
    private let hidden: Float

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        isOfRows = layer.kind == .embedding
        hidden = Float(layer.offset)
        guard input.rank == (isOfRows ? 1 : 2) else {
            throw MartletError(.shape, "\(subject)'s input is \(input); expected a sequence, which a mask is of")
        }
        super.init(inputs: [input], output: try Shape([input[0]], subject))
    }

    override var reads: ValueKind { isOfRows ? .indices : .numbers }
    override var stopsGradient: Bool { true }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        isOfRows
            ? [CCall(.maskRows, [input[0]])] : [CCall(.maskSteps, [input[0], input[1]], [CArray([hidden])])]
    }

    override func forward(_ pass: ForwardPass) {
        let steps = unsafe pass.batch * output.elementCount
        if isOfRows {
            for step in 0..<steps { unsafe pass.output[step] = unsafe pass.indices[step] == 0 ? 0 : 1 }
            return
        }
        for step in 0..<steps {
            let features = unsafe pass.input + step * input[1]
            var feature = 0
            while feature < input[1], unsafe features[feature] == hidden { feature += 1 }
            unsafe pass.output[step] = feature < input[1] ? 1 : 0
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

extension Layer {
    /// Whether it says which steps of a sequence are seen.
    var makesMask: Bool { kind == .masking || (kind == .embedding && flags.contains(.maskZero)) }
}

extension LayerKind {
    /// What becomes of a mask that comes with what a layer reads.
    enum MaskUse {
        /// Read and handed on; handed on; of several handed on where it is the same, and dropped where one
        /// has none; of keys and values read, and of queries
        /// handed on; read and dropped; dropped, as by Keras's layer; and what Keras's layer does with it is not there.
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
            return (nil, layer.pads[0] == 0 && kept == graph.values[mask].shape[0] ? mask : nil)
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
