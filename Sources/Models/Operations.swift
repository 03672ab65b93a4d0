// Which operations a layer is made of: the one place that names them all.
import MartletKernelInterface
import MartletPlatform

extension Layer {
    /// One operation, and where the layer ends in an activation a second one. `subject` is what messages call the
    /// layer, `stream` its number in the model.
    func operations(on input: Shape, stream: Int, _ subject: String) throws(MartletError) -> [Operation] {
        let main: Operation
        switch kind {
        case .input: throw MartletError(.argument, "layer.kind is MARTLET_LAYER_INPUT; expected a layer to add")
        case .dense: main = try Dense(self, input: input, subject)
        case .conv2D: main = try Convolution(self, input: input, subject)
        case .maxPool2D: main = try MaxPooling(self, input: input, subject)
        case .averagePool2D: main = try AveragePooling(self, input: input, subject)
        case .globalAveragePool2D: main = try GlobalAveragePooling(input: input, subject)
        case .flatten, .reshape: main = try Reshaping(self, input: input, subject)
        case .permute: main = try Permutation(self, input: input, subject)
        case .dropout: main = Dropout(self, input: input, stream: stream)
        case .batchNorm: main = try BatchNorm(self, input: input, subject)
        case .normalization: main = try Normalization(input: input, subject)
        case .activation: return [Activating(activation, slope: slope, input: input, isDoneBefore: false)]
        }
        if activation == .linear || !hasActivation { return [main] }
        let isFused = main.fuse(activation)
        return [main, Activating(activation, slope: slope, input: main.output, isDoneBefore: isFused)]
    }

    /// Whether the kind reads `activation`.
    var hasActivation: Bool {
        switch kind {
        case .dense, .conv2D, .batchNorm, .activation: true
        default: false
        }
    }
}
