// The kinds of layers, their names, and what each reads of a layer's fields.
import MartletPlatform

/// The kinds of layers; the raw values are those of martlet.h.
@frozen
public enum LayerKind: Int32, Sendable, CaseIterable {
    case input = 0
    case dense = 1
    case conv2D = 2
    case maxPool2D = 3
    case averagePool2D = 4
    case globalAveragePool2D = 5
    case flatten = 6
    case reshape = 7
    case permute = 8
    case dropout = 9
    case batchNorm = 10
    case normalization = 11
    case activation = 12
    case add = 13
    case multiply = 14
    case concatenate = 15
    case embedding = 16
    case conv1D = 17
    case maxPool1D = 18
    case averagePool1D = 19
    case globalAveragePool1D = 20
    case globalMaxPool1D = 21
    case globalMaxPool2D = 22
    case layerNorm = 23
    case zeroPadding2D = 24
    case upSampling2D = 25
    case rescaling = 26
    case gaussianNoise = 27
    case randomFlip = 28
    case randomCrop = 29
    case randomTranslation = 30
    case groupNorm = 31
    case depthwiseConv2D = 32
    case conv2DTranspose = 33
    case lstm = 34
    case gru = 35
    case simpleRNN = 36
    case masking = 37
    case rmsNorm = 38
    case attention = 39
    case own = 40
    case position = 41
    case cropping1D = 42
    case tiedDense = 43

    /// The name that a layer has, with a number behind it, where the user gives none.
    public var name: StaticString {
        switch self {
        case .input: "input"
        case .dense: "dense"
        case .conv2D: "conv2d"
        case .maxPool2D: "max_pool2d"
        case .averagePool2D: "average_pool2d"
        case .globalAveragePool2D: "global_average_pool2d"
        case .flatten: "flatten"
        case .reshape: "reshape"
        case .permute: "permute"
        case .dropout: "dropout"
        case .batchNorm: "batch_norm"
        case .normalization: "normalization"
        case .activation: "activation"
        case .add: "add"
        case .multiply: "multiply"
        case .concatenate: "concatenate"
        case .embedding: "embedding"
        case .conv1D: "conv1d"
        case .maxPool1D: "max_pool1d"
        case .averagePool1D: "average_pool1d"
        case .globalAveragePool1D: "global_average_pool1d"
        case .globalMaxPool1D: "global_max_pool1d"
        case .globalMaxPool2D: "global_max_pool2d"
        case .layerNorm: "layer_norm"
        case .zeroPadding2D: "zero_padding2d"
        case .upSampling2D: "up_sampling2d"
        case .rescaling: "rescaling"
        case .gaussianNoise: "gaussian_noise"
        case .randomFlip: "random_flip"
        case .randomCrop: "random_crop"
        case .randomTranslation: "random_translation"
        case .groupNorm: "group_norm"
        case .depthwiseConv2D: "depthwise_conv2d"
        case .conv2DTranspose: "conv2d_transpose"
        case .lstm: "lstm"
        case .gru: "gru"
        case .simpleRNN: "simple_rnn"
        case .own: "own"
        case .masking: "masking"
        case .rmsNorm: "rms_norm"
        case .attention: "attention"
        case .position: "position"
        case .cropping1D: "cropping1d"
        case .tiedDense: "tied_dense"
        }
    }

    /// How many nodes it may read.
    var inputCounts: ClosedRange<Int> {
        switch self {
        case .input: 0...0
        case .add, .multiply, .concatenate: 2...Model.mostNodes
        case .own: 1...Own.mostInputs
        case .attention: 3...3
        case .lstm: 1...3
        case .gru, .simpleRNN, .masking: 1...2
        default: 1...1
        }
    }

    /// Whether it has a kernel, or a table, of its own.
    var hasKernel: Bool { isConvolution || self == .dense || isRecurrent || self == .embedding }
    var hasBias: Bool { isConvolution || self == .dense || isRecurrent || self == .tiedDense }
    /// Whether it reads sequences step by step, with a second kernel for the state before.
    var isRecurrent: Bool { self == .lstm || self == .gru || self == .simpleRNN }
    var isConvolution: Bool { isGrouped || self == .depthwiseConv2D || self == .conv2DTranspose }
    /// Whether it is a convolution that reads `groups`.
    var isGrouped: Bool { self == .conv1D || self == .conv2D }

    /// Whether it reads a window that slides over images or sequences.
    var slidesWindow: Bool { isConvolution || isPool }
    var isPool: Bool {
        switch self {
        case .maxPool1D, .averagePool1D, .maxPool2D, .averagePool2D: true
        default: false
        }
    }

    /// The least that each number of `kernel` may be, of kinds that read it.
    var leastKernel: Int? {
        switch self {
        case .upSampling2D, .randomCrop: 1
        case .randomTranslation: 0
        default: slidesWindow ? 1 : nil
        }
    }

    /// Whether it reads sequences, (length, channels), and of each pair of numbers the first.
    var isOneDimensional: Bool {
        switch self {
        case .conv1D, .maxPool1D, .averagePool1D, .globalAveragePool1D, .globalMaxPool1D: true
        default: false
        }
    }

    /// Whether the kind reads `activation`, and whether it is the last that it does.
    var readsActivation: Bool { hasBias || self == .batchNorm || self == .activation }
    var hasActivation: Bool { readsActivation && !isRecurrent }

    /// Whether it only moves elements, drops some, or pools them, which makes probabilities nothing else.
    var keepsProbabilities: Bool {
        switch self {
        case .flatten, .reshape, .permute, .dropout, .globalAveragePool1D, .globalAveragePool2D, .globalMaxPool1D,
            .globalMaxPool2D, .upSampling2D, .randomFlip, .randomCrop:
            true
        default: isPool
        }
    }

    /// The flags that it reads.
    var flagsRead: LayerFlags {
        switch self {
        case .dense, .tiedDense, .conv1D, .conv2D, .depthwiseConv2D, .conv2DTranspose: [.noBias, .frozen]
        case .lstm: LayerFlags.recurrent.union(.unitForgetBias)
        case .gru: LayerFlags.recurrent.union(.resetFirst)
        case .simpleRNN: .recurrent
        case .batchNorm: [.noBias, .noScale, .unbiasedVariance, .frozen]
        case .layerNorm, .groupNorm: [.noBias, .noScale, .frozen]
        case .rmsNorm: [.noScale, .frozen]
        case .attention: .causal
        case .masking: .lengths
        case .position, .own: .frozen
        case .embedding: [.frozen, .sparse, .maskZero]
        case .averagePool1D, .averagePool2D: .countPadding
        case .randomFlip: [.flipHorizontal, .flipVertical]
        case .randomTranslation: [.bilinear, .fillReflected, .fillWrapped, .fillNearest]
        default: []
        }
    }
}
