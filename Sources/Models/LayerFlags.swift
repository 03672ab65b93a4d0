// Switches of a layer.

/// Switches of a layer; the raw values are those of martlet.h.
@frozen
public struct LayerFlags: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let noBias = LayerFlags(rawValue: 1)
    public static let noScale = LayerFlags(rawValue: 2)
    public static let unbiasedVariance = LayerFlags(rawValue: 4)
    public static let countPadding = LayerFlags(rawValue: 8)
    /// Training leaves the layer's parameters as they are; BATCH_NORM takes its moving statistics then, and keeps them.
    public static let frozen = LayerFlags(rawValue: 16)
    /// RANDOM_FLIP: left and right, and top and bottom, change places.
    public static let flipHorizontal = LayerFlags(rawValue: 32)
    public static let flipVertical = LayerFlags(rawValue: 64)
    /// EMBEDDING: the table's gradient is of the rows that a batch names, and the optimizer steps these alone.
    public static let sparse = LayerFlags(rawValue: 1024)
    /// LSTM, GRU, SIMPLE_RNN: the states behind all steps come out, not the last one alone; steps are read from the last to
    /// the first.
    public static let returnSequences = LayerFlags(rawValue: 128)
    public static let goBackwards = LayerFlags(rawValue: 256)
    /// LSTM: the biases of the gate that forgets start as 1.
    public static let unitForgetBias = LayerFlags(rawValue: 512)
    /// RANDOM_TRANSLATION: between pixels, both count, by how near they are; and what stands around the image.
    public static let bilinear = LayerFlags(rawValue: 2048)
    public static let fillReflected = LayerFlags(rawValue: 4096)
    public static let fillWrapped = LayerFlags(rawValue: 8192)
    public static let fillNearest = LayerFlags(rawValue: 16384)
    /// EMBEDDING: row 0 stands for no step.
    public static let maskZero = LayerFlags(rawValue: 32768)
    /// LSTM with both of the others: the states come out in the order of x.
    public static let inputOrder = LayerFlags(rawValue: 65536)
    /// LSTM with returnSequences: zeros come out of steps that a mask hides.
    public static let zeroHidden = LayerFlags(rawValue: 131_072)
    /// ATTENTION: a place sees none behind its own.
    public static let causal = LayerFlags(rawValue: 262_144)
    /// LSTM, GRU, SIMPLE_RNN: the last states come out as further rows.
    public static let returnState = LayerFlags(rawValue: 524_288)
    /// LSTM, GRU, SIMPLE_RNN: a batch begins with the states that the one before has left, of as many samples as groups say.
    public static let stateful = LayerFlags(rawValue: 1_048_576)
    /// GRU: the gate that resets comes before the product with the state.
    public static let resetFirst = LayerFlags(rawValue: 2_097_152)
    /// MASKING: the second node says how many steps are seen.
    public static let lengths = LayerFlags(rawValue: 4_194_304)
    package static let all = LayerFlags(rawValue: 8_388_607)

    /// Those that layers read which go step by step.
    static let recurrent: LayerFlags = [
        .noBias, .frozen, .returnSequences, .goBackwards, .inputOrder, .zeroHidden, .returnState, .stateful,
    ]
}
