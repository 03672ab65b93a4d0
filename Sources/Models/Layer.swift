// What a user says of a layer: its numbers, and whether they are possible. Kinds are in LayerKind.swift, flags in
// LayerFlags.swift; what a layer computes is in one file for each family (Dense.swift, ...); how it starts is in
// Initializer.swift.
import MartletKernelInterface
import MartletPlatform

/// What stands around an image; the raw values are those of martlet.h.
@frozen
public enum Padding: Int32, Sendable, CaseIterable {
    case valid = 0
    case same = 1
    case explicit = 2
}

/// Height and width.
@frozen
public struct Pair: Sendable, Equatable {
    public var height: Int
    public var width: Int
    public init(_ height: Int, _ width: Int) { (self.height, self.width) = (height, width) }
    var list: [Int] { [height, width] }
}

/// A layer's description, with the fields of `martlet_layer`; fields that its kind does not read keep their defaults.
public struct Layer: Sendable {
    public let kind: LayerKind
    public var activation = Activation.linear
    public var flags: LayerFlags = []
    public var units = 0
    public var kernel = Pair(0, 0)
    public var stride = Pair(1, 1)
    public var dilation = Pair(1, 1)
    /// Top, bottom, left, right; CROPPING1D: steps before and after.
    public var pads: InlineArray<4, Int> = [0, 0, 0, 0]
    public var groups = 1
    public var padding = Padding.valid
    /// INPUT: a sample's sizes; RESHAPE, OWN: the output's; PERMUTE: the input's dimensions in the output's order.
    public var sizes: [Int] = []
    /// EMBEDDING: the rows of its table.
    public var vocabulary = 0
    /// EMBEDDING: the row that has no gradient; -1: none.
    public var stillRow = -1
    /// TIED_DENSE: the node of the EMBEDDING whose table it reads.
    public var table = 0
    /// CONCATENATE: the dimension that grows; from the last, where it is negative.
    public var axis = -1
    /// RESCALING: the factor, and what is added; MASKING: what hidden steps hold.
    public var scale = 1.0
    public var offset = 0.0
    /// CONV2D_TRANSPOSE: rows and columns more than the output has; -1: as many as Keras takes.
    public var outputPadding = Pair(-1, -1)
    /// Penalties on the kernel, or table, that are part of the loss: l1 sum |w| + l2 sum w^2.
    public var l1 = 0.0
    public var l2 = 0.0
    public var rate = 0.5
    public var slope = 0.01
    public var momentum = 0.99
    public var epsilon = 1e-3
    public var kernelInitializer = Initializer.glorotUniform
    public var biasInitializer = Initializer.zeros
    public var kernelValue = 0.0
    public var biasValue = 0.0
    /// LSTM, GRU: what is applied to gates; and SIMPLE_RNN: how the kernel of the state before starts.
    public var recurrentActivation = Activation.linear
    public var recurrentInitializer = Initializer.zeros
    public var recurrentValue = 0.0
    /// The same: the part of the states that training drops, as `rate` of what they read.
    public var recurrentRate = 0.0
    /// nil: the kind and a number.
    public var name: String?

    /// A kind with its defaults.
    public init(_ kind: LayerKind) {
        self.kind = kind
        if kind.isPool { (kernel, stride) = (Pair(2, 2), Pair(0, 0)) }
        if kind == .upSampling2D { kernel = Pair(2, 2) }
        if kind == .depthwiseConv2D { units = 1 }
        if kind == .groupNorm { groups = 32 }
        if kind == .rmsNorm { epsilon = 1e-6 }
        if kind == .randomFlip { flags = [.flipHorizontal, .flipVertical] }
        if kind == .embedding { (kernelInitializer, kernelValue) = (.uniform, 0.05) }
        if kind.isRecurrent {
            (activation, recurrentActivation) = (.tanh, .sigmoid)
            (recurrentInitializer, recurrentValue, rate) = (.orthogonal, 1, 0)
        }
        if kind == .lstm { flags = .unitForgetBias }
        if kind == .attention { rate = 0 }
    }

    public static func dense(_ units: Int, activation: Activation = .linear) -> Layer {
        var layer = Layer(.dense)
        layer.units = units
        layer.activation = activation
        return layer
    }

    public static func conv2D(
        _ filters: Int, _ kernel: Pair, padding: Padding = .valid, activation: Activation = .linear
    ) -> Layer {
        var layer = Layer(.conv2D)
        layer.units = filters
        layer.kernel = kernel
        layer.padding = padding
        layer.activation = activation
        return layer
    }

    /// Rows of a table of so many, each of so many units.
    public static func embedding(_ vocabulary: Int, _ units: Int) -> Layer {
        var layer = Layer(.embedding)
        (layer.vocabulary, layer.units) = (vocabulary, units)
        return layer
    }

    // MARK: - Checks

    /// The longest name of a layer, in bytes: its views' names add to it.
    public static var longestName: Int { 200 }

    /// Throws where a number is out of range, whatever the input will be. `prefix` stands before a field's name.
    package func check(_ prefix: String) throws(MartletError) {
        func refuse(_ field: String, _ value: some CustomStringConvertible, _ expected: String) -> MartletError {
            MartletError(.argument, "\(prefix)\(field) is \(value); expected \(expected)")
        }
        func require(_ pair: Pair, _ field: String, atLeast least: Int) throws(MartletError) {
            for (place, size) in pair.list.prefix(kind.isOneDimensional ? 1 : 2).enumerated()
            where size < least || size > 1 << 20 {
                throw refuse("\(field)[\(place)]", size, "\(least) to 2^20")
            }
        }
        try checkUnread(prefix)
        if kind.hasKernel {
            guard units >= 1 && units <= 1 << 30 else { throw refuse("units", units, "1 to 2^30") }
            try kernelInitializer.check(kernelValue, prefix + "kernel_value")
        }
        if kind == .position { try kernelInitializer.check(kernelValue, prefix + "kernel_value") }
        if kind.hasBias {
            try biasInitializer.check(biasValue, prefix + "bias_value")
            guard biasInitializer != .orthogonal else {
                throw refuse("bias_initializer", "orthogonal", "one that takes a row of numbers")
            }
        }
        if kind.isRecurrent {
            try recurrentInitializer.check(recurrentValue, prefix + "recurrent_value")
            for (field, activation) in [("activation", activation), ("recurrent_activation", recurrentActivation)] {
                guard activation.derivesFromOutput && activation != .softmax else {
                    throw MartletError(
                        .unsupported,
                        "\(prefix)\(field) is \(activation); expected one whose slope is a function of what it gives")
                }
            }
        }
        for (field, penalty) in [("l1", l1), ("l2", l2)] {
            // Twice the second is a factor of fp32.
            guard penalty >= 0 && Float(2 * penalty).isFinite && (penalty == 0 || kind.hasKernel) else {
                let most = "a finite number of fp32, 0 or more"
                throw refuse(field, penalty, kind.hasKernel ? most : "0: \(kind.name) has no kernel")
            }
        }
        if kind == .own || kind == .position || kind == .cropping1D, units < 0 || units > 1 << 30 {
            throw refuse("units", units, "0 to 2^30")
        }
        if kind == .embedding {
            guard vocabulary >= 1 && vocabulary <= 1 << 30 else { throw refuse("vocabulary", vocabulary, "1 to 2^30") }
            guard stillRow >= -1 && stillRow < vocabulary else {
                throw refuse("still_row", stillRow, "-1 or a row of the table, 0 ..< \(vocabulary)")
            }
            guard stillRow < 0 || !flags.contains(.sparse) else {
                throw refuse("still_row", stillRow, "-1 of a sparse table, whose rows are stepped that are named")
            }
            for (field, penalty) in [("l1", l1), ("l2", l2)] where penalty != 0 && flags.contains(.sparse) {
                throw refuse(field, penalty, "0 of a sparse table: a penalty moves every row")
            }
        }
        if let least = kind.leastKernel { try require(kernel, "kernel", atLeast: least) }
        if kind == .zeroPadding2D || kind == .cropping1D {
            for place in 0..<4 where pads[place] < 0 || pads[place] > 1 << 20 {
                throw refuse("pads[\(place)]", pads[place], "0 to 2^20")
            }
        }
        if kind == .randomTranslation {
            for place in 0..<4 {
                let low = place & 1 == 0 ? -(1 << 36) : pads[place - 1]
                guard pads[place] >= low && pads[place] <= 1 << 36 else {
                    throw refuse("pads[\(place)]", pads[place], "\(low) to 2^36, in 65,536ths of a pixel")
                }
            }
            let fills: LayerFlags = [.fillReflected, .fillWrapped, .fillNearest]
            guard flags.intersection(fills).rawValue.nonzeroBitCount <= 1 else {
                throw refuse("flags", flags.rawValue, "one MARTLET_FILL_... at most")
            }
        }
        if kind.slidesWindow {
            try require(stride, "stride", atLeast: kind.isConvolution ? 1 : 0)
            try require(dilation, "dilation", atLeast: 1)
            for place in 0..<(kind.isOneDimensional ? 2 : 4) where padding == .explicit {
                let reach =
                    place < 2 ? (kernel.height - 1) * dilation.height : (kernel.width - 1) * dilation.width
                guard pads[place] >= 0 && pads[place] <= reach else {
                    throw refuse("pads[\(place)]", pads[place], "0 to \(reach), less than the window spans")
                }
            }
            guard kind.isConvolution || dilation == Pair(1, 1) else {
                throw MartletError(.unsupported, "\(prefix)dilation is set; expected 1, 1 for \(kind.name)")
            }
        }
        if kind == .conv2DTranspose {
            for (place, size) in outputPadding.list.enumerated() where size < -1 || size > 1 << 20 {
                throw refuse("output_padding[\(place)]", size, "-1 to 2^20")
            }
        }
        if kind == .groupNorm || kind == .attention, groups < 1 || groups > ChannelGroups.most {
            throw refuse("groups", groups, "1 to \(ChannelGroups.most)")
        }
        if flags.contains(.stateful), groups < 1 || groups > StateKeeper.most {
            throw refuse("groups", groups, "1 to \(StateKeeper.most), the samples of a batch, whose states are kept")
        }
        if kind.isGrouped, groups < 1 || units % groups != 0 {
            throw refuse("groups", groups, "1 or more, and a divisor of units, which is \(units)")
        }
        // In fp32, which they are used in.
        let drops = kind == .dropout || kind == .attention || kind.isRecurrent
        for (field, rate) in [("rate", rate), ("recurrent_rate", recurrentRate)]
        where drops && !(rate >= 0 && Float(rate) < 1) {
            throw refuse(field, rate, "0 or more and less than 1")
        }
        if kind == .gaussianNoise, !(rate >= 0 && Float(rate).isFinite) {
            throw refuse("rate", rate, "a finite number of fp32, 0 or more")
        }
        if flags.contains(.inputOrder), !flags.isSuperset(of: [.returnSequences, .goBackwards]) {
            throw refuse("flags", flags.rawValue, "RETURN_SEQUENCES and GO_BACKWARDS beside INPUT_ORDER")
        }
        if flags.contains(.zeroHidden), !flags.contains(.returnSequences) {
            throw refuse("flags", flags.rawValue, "RETURN_SEQUENCES beside ZERO_HIDDEN")
        }
        if kind == .masking, !Float(offset).isFinite {
            throw refuse("offset", offset, "a finite number of fp32")
        }
        if kind == .rescaling || kind == .randomTranslation {
            guard Float(scale).isFinite else { throw refuse("scale", scale, "a finite number of fp32") }
            guard Float(offset).isFinite else { throw refuse("offset", offset, "a finite number of fp32") }
        }
        if activation == .leakyReLU || recurrentActivation == .leakyReLU, !(slope >= 0 && Float(slope).isFinite) {
            throw refuse("slope", slope, "a finite number of fp32, 0 or more")
        }
        if kind == .batchNorm {
            guard momentum >= 0 && momentum <= 1 else { throw refuse("momentum", momentum, "0 to 1") }
        }
        if kind == .batchNorm || kind == .layerNorm || kind == .rmsNorm || kind == .groupNorm {
            guard Float(epsilon) >= .leastNormalMagnitude && Float(epsilon).isFinite else {
                throw refuse("epsilon", epsilon, "a finite number of fp32 over 0")
            }
        }
        if let name { try Layer.check(name: name, prefix) }
    }

    /// Throws where a choice is made that the kind would pass over: an activation, flags, or pads.
    private func checkUnread(_ prefix: String) throws(MartletError) {
        guard kind.readsActivation || activation == .linear else {
            throw MartletError(
                .argument, "\(prefix)activation is \(activation); expected linear: \(kind.name) reads none")
        }
        guard kind.flagsRead.isSuperset(of: flags) else {
            throw MartletError(
                .argument,
                "\(prefix)flags is \(flags.rawValue); expected bits of \(kind.flagsRead.rawValue), as \(kind.name) reads"
            )
        }
        let readsPads =
            kind == .zeroPadding2D || kind == .randomTranslation || (kind.slidesWindow && padding == .explicit)
        let read = kind == .cropping1D || (readsPads && kind.isOneDimensional) ? 2 : readsPads ? 4 : 0
        for place in read..<4 where pads[place] != 0 {
            throw MartletError(
                .argument,
                "\(prefix)pads[\(place)] is \(pads[place]); expected 0: "
                    + (kind.slidesWindow && padding != .explicit
                        ? "padding is not explicit" : "\(kind.name) reads none"))
        }
    }

    private static func check(name: String, _ prefix: String) throws(MartletError) {
        let count = name.utf8.count
        let isWhole = !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
        guard count >= 1 && count <= longestName && isWhole else {
            throw MartletError(
                .argument,
                "\(prefix)name is \"\(name.prefix(80))\"; expected 1 to \(longestName) bytes without '/' and NUL")
        }
    }
}
