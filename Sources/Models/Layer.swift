// What a user says of a layer: its kind and its numbers, and whether they are possible. What a layer computes is in one
// file for each kind (Dense.swift, ...); how it starts is in Initializer.swift.
import MartletKernelInterface
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
        }
    }
}

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
}

/// Switches of a layer; the raw values are those of martlet.h.
@frozen
public struct LayerFlags: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let noBias = LayerFlags(rawValue: 1)
    public static let noScale = LayerFlags(rawValue: 2)
    public static let unbiasedVariance = LayerFlags(rawValue: 4)
    public static let countPadding = LayerFlags(rawValue: 8)
    package static let all = LayerFlags(rawValue: 15)
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
    /// Top, bottom, left, right.
    public var pads: InlineArray<4, Int> = [0, 0, 0, 0]
    public var groups = 1
    public var padding = Padding.valid
    /// RESHAPE: the output's sizes; PERMUTE: the input's dimensions in the output's order.
    public var sizes: [Int] = []
    public var rate = 0.5
    public var slope = 0.01
    public var momentum = 0.99
    public var epsilon = 1e-3
    public var kernelInitializer = Initializer.glorotUniform
    public var biasInitializer = Initializer.zeros
    public var kernelValue = 0.0
    public var biasValue = 0.0
    /// nil: the kind and a number.
    public var name: String?

    /// A kind with its defaults.
    public init(_ kind: LayerKind) {
        self.kind = kind
        if kind == .maxPool2D || kind == .averagePool2D {
            kernel = Pair(2, 2)
            stride = Pair(0, 0)
        }
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

    // MARK: - Checks

    /// The longest name of a layer, in bytes: its views' names add to it.
    public static var longestName: Int { 200 }

    /// Throws where a number is out of range, whatever the input will be. `prefix` stands before a field's name.
    package func check(_ prefix: String) throws(MartletError) {
        func refuse(_ field: String, _ value: some CustomStringConvertible, _ expected: String) -> MartletError {
            MartletError(.argument, "\(prefix)\(field) is \(value); expected \(expected)")
        }
        func require(_ pair: Pair, _ field: String, atLeast least: Int) throws(MartletError) {
            for (place, size) in [pair.height, pair.width].enumerated() where size < least || size > 1 << 20 {
                throw refuse("\(field)[\(place)]", size, "\(least) to 2^20")
            }
        }
        try checkUnread(prefix)
        if kind == .dense || kind == .conv2D {
            guard units >= 1 && units <= 1 << 30 else { throw refuse("units", units, "1 to 2^30") }
            try kernelInitializer.check(kernelValue, prefix + "kernel_value")
            try biasInitializer.check(biasValue, prefix + "bias_value")
        }
        if slidesWindow {
            try require(kernel, "kernel", atLeast: 1)
            try require(stride, "stride", atLeast: kind == .conv2D ? 1 : 0)
            try require(dilation, "dilation", atLeast: 1)
            for place in 0..<4 where padding == .explicit {
                let reach =
                    place < 2 ? (kernel.height - 1) * dilation.height : (kernel.width - 1) * dilation.width
                guard pads[place] >= 0 && pads[place] <= reach else {
                    throw refuse("pads[\(place)]", pads[place], "0 to \(reach), less than the window spans")
                }
            }
            guard kind == .conv2D || dilation == Pair(1, 1) else {
                throw MartletError(.unsupported, "\(prefix)dilation is set; expected 1, 1 for \(kind.name)")
            }
        }
        if kind == .conv2D, groups < 1 || units % groups != 0 {
            throw refuse("groups", groups, "1 or more, and a divisor of units, which is \(units)")
        }
        // In fp32, which they are used in.
        if kind == .dropout, !(rate >= 0 && Float(rate) < 1) { throw refuse("rate", rate, "0 or more and less than 1") }
        if activation == .leakyReLU, !(slope >= 0 && Float(slope).isFinite) {
            throw refuse("slope", slope, "a finite number of fp32, 0 or more")
        }
        if kind == .batchNorm {
            guard momentum >= 0 && momentum <= 1 else { throw refuse("momentum", momentum, "0 to 1") }
            guard Float(epsilon) >= .leastNormalMagnitude && Float(epsilon).isFinite else {
                throw refuse("epsilon", epsilon, "a finite number of fp32 over 0")
            }
        }
        if let name { try Layer.check(name: name, prefix) }
    }

    /// Whether the kind reads a window, and how an image is padded for it.
    private var slidesWindow: Bool { kind == .conv2D || kind == .maxPool2D || kind == .averagePool2D }

    /// The flags that the kind reads.
    private var flagsRead: LayerFlags {
        switch kind {
        case .dense, .conv2D: .noBias
        case .batchNorm: [.noBias, .noScale, .unbiasedVariance]
        case .averagePool2D: .countPadding
        default: []
        }
    }

    /// Throws where a choice is made that the kind would pass over: an activation, flags, or pads.
    private func checkUnread(_ prefix: String) throws(MartletError) {
        guard hasActivation || activation == .linear else {
            throw MartletError(
                .argument, "\(prefix)activation is \(activation); expected linear: \(kind.name) reads none")
        }
        guard flagsRead.isSuperset(of: flags) else {
            throw MartletError(
                .argument,
                "\(prefix)flags is \(flags.rawValue); expected bits of \(flagsRead.rawValue), as \(kind.name) reads"
            )
        }
        for place in 0..<4 where !(slidesWindow && padding == .explicit) && pads[place] != 0 {
            throw MartletError(
                .argument,
                "\(prefix)pads[\(place)] is \(pads[place]); expected 0: "
                    + (slidesWindow ? "padding is not explicit" : "\(kind.name) reads none"))
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
