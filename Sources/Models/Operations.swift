// Which operations a layer is made of: the one place that names them all.
import MartletKernelInterface
import MartletPlatform

extension Layer {
    /// One operation, or two, and where the layer ends in an activation another. `subject` is what messages call the
    /// layer, `stream` its number in the model, and `isMasked` says whether the last input is a mask; `table` is what has the
    /// table that the layer shares; of a model of one step, `course` says how far sequences are.
    func operations(
        on inputs: [Shape], isMasked: Bool, table: Operation?, stream: Int, along course: Course?, _ subject: String
    ) throws(MartletError) -> [Operation] {
        let input = inputs[0]
        let main: Operation
        switch kind {
        case .input: throw MartletError(.argument, "layer.kind is MARTLET_LAYER_INPUT; expected a layer")
        case .dense: main = try Dense(self, input: input, subject)
        case .tiedDense:
            let product = try TiedDense(reading: table, input: input, subject)
            if flags.contains(.noBias) { return [product] + activating(product.output) }
            return try [product, Shifting(self, input: product.output, subject)] + activating(product.output)
        case .conv1D, .conv2D: main = try Convolution(self, input: input, subject)
        case .maxPool1D, .maxPool2D, .globalMaxPool1D, .globalMaxPool2D:
            main = try MaxPooling(self, input: input, subject)
        case .averagePool1D, .averagePool2D: main = try AveragePooling(self, input: input, subject)
        case .globalAveragePool1D, .globalAveragePool2D:
            main =
                inputs.count > 1
                ? try MaskedAverage(inputs: inputs, subject) : try GlobalAveragePooling(self, input: input, subject)
        case .flatten, .reshape: main = try Reshaping(self, input: input, subject)
        case .permute: main = try Permutation(self, input: input, subject)
        case .dropout: main = Dropout(self, input: input, stream: stream)
        case .gaussianNoise: main = GaussianNoise(self, input: input, stream: stream)
        case .randomTranslation where (0..<4).contains { pads[$0] != 0 }:
            main = try Translating(self, input: input, stream: stream, subject)
        case .zeroPadding2D, .randomFlip, .randomCrop, .randomTranslation:
            main = try Framing(self, input: input, stream: stream, subject)
        case .upSampling2D: main = try UpSampling(self, input: input, subject)
        case .rescaling: main = Rescaling(self, input: input)
        case .batchNorm: main = try BatchNorm(self, input: input, subject)
        case .groupNorm: main = try GroupNorm(self, input: input, subject)
        case .depthwiseConv2D: main = try DepthwiseConvolution(self, input: input, subject)
        case .conv2DTranspose: main = try TransposedConvolution(self, input: input, subject)
        case .layerNorm, .rmsNorm: main = try LayerNorm(self, input: input, subject)
        case .normalization: main = try Normalization(input: input, subject)
        case .activation: return [Activating(activation, slope: slope, input: input, isDoneBefore: false)]
        case .add: main = try Adding(inputs, subject)
        case .multiply: main = try Multiplying(inputs, subject)
        case .concatenate: main = try Concatenating(self, inputs: inputs, subject)
        case .embedding: main = try Embedding(self, input: input, subject)
        case .lstm:
            main = try Recurrent(
                .lstm, self, inputs: inputs, isMasked: isMasked, stream: stream, along: course, subject)
        case .gru:
            let cell: RecurrentCell = flags.contains(.resetFirst) ? .gruFirst : .gru
            main = try Recurrent(
                cell, self, inputs: inputs, isMasked: isMasked, stream: stream, along: course, subject)
        case .simpleRNN:
            main = try Recurrent(
                .simple, self, inputs: inputs, isMasked: isMasked, stream: stream, along: course, subject)
        case .masking: main = Hiding(inputs: inputs)
        case .attention:
            if let course {
                main = try RecallingAttention(self, inputs: inputs, course, subject)
            } else {
                main = try Attending(self, inputs: inputs, stream: stream, subject)
            }
        case .position: main = try Position(self, input: input, along: course, subject)
        case .cropping1D: main = try Cropping(self, input: input, subject)
        case .own: main = try Own(self, inputs: inputs, subject)
        }
        let isFused = activation != .linear && kind.hasActivation && main.fuse(activation)
        return [main] + activating(main.output, isDoneBefore: isFused)
    }

    /// The activation that a layer ends in, where it does.
    private func activating(_ input: Shape, isDoneBefore: Bool = false) -> [Operation] {
        if activation == .linear || !kind.hasActivation { return [] }
        return [Activating(activation, slope: slope, input: input, isDoneBefore: isDoneBefore)]
    }
}
