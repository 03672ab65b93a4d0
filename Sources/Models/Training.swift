// What a model is trained for: the loss, the metrics and the largest batch, as the user says them.
import MartletKernelInterface
import MartletOptimizers
import MartletPlatform

/// The losses a user chooses from; the raw values are those of martlet.h. Whether a cross-entropy takes logits or
/// probabilities is a choice of its own (``OutputMeaning``).
@frozen
public enum LossKind: Int32, Sendable, CaseIterable {
    case crossEntropy = 1
    case nll = 2
    case binaryCrossEntropy = 3
    case mse = 4
    case mae = 5
    case huber = 6
    case kullbackLeibler = 7
    case hinge = 8
    case logCosh = 9
    case poisson = 10
    case cosine = 11
}

extension LossKind {
    /// Whether it is of whole rows, the last size; else of single elements.
    var looksAtRows: Bool {
        switch self {
        case .crossEntropy, .nll, .kullbackLeibler, .cosine: true
        default: false
        }
    }

    /// Whether each output says yes or no.
    var isBinary: Bool { self == .binaryCrossEntropy || self == .hinge }
}

/// What the model's output is to a cross-entropy; the raw values are those of martlet.h.
@frozen
public enum OutputMeaning: Int32, Sendable, CaseIterable {
    case auto = 0
    case logits = 1
    case probabilities = 2
}

/// Metrics; the raw values are those of martlet.h.
@frozen
public struct Metrics: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let accuracy = Metrics(rawValue: 1)
    public static let topAccuracy = Metrics(rawValue: 2)
    public static let mse = Metrics(rawValue: 4)
    public static let mae = Metrics(rawValue: 8)
    package static let all = Metrics(rawValue: 15)
}

/// Everything that `compile` is told but the optimizer.
public struct Training: Sendable {
    public var loss: LossKind
    public var from = OutputMeaning.auto
    public var metrics: Metrics = []
    /// The samples of a training step that memory is planned for; a larger one plans anew.
    public var batchSize = 32
    /// Of top-k accuracy.
    public var top = 5
    public var labelSmoothing = 0.0
    public var delta = 1.0
    /// What moments are kept in: `.fp32`, `.bf16`, `.fp16`, or `.float8` and `.float4` for each slot's type of so many bits,
    /// where it has one and the parameter is large enough.
    public var stateType = StateType.fp32

    public init(_ loss: LossKind) { self.loss = loss }

    /// The most samples of any batch.
    static var mostSamples: Int { 1 << 31 }

    /// Throws where a number is out of range; `prefix` stands before a field's name.
    package func check(_ prefix: String) throws(MartletError) {
        guard batchSize >= 1 && batchSize <= Training.mostSamples else {
            throw MartletError(.argument, "\(prefix)batch_size is \(batchSize); expected 1 to 2^31")
        }
        guard top >= 1 else { throw MartletError(.argument, "\(prefix)top is \(top); expected 1 or more") }
        guard labelSmoothing >= 0 && Float(labelSmoothing) < 1 else {
            throw MartletError(
                .argument, "\(prefix)label_smoothing is \(labelSmoothing); expected 0 or more and less than 1")
        }
        guard labelSmoothing == 0 || loss == .crossEntropy || loss == .binaryCrossEntropy else {
            throw MartletError(
                .argument, "\(prefix)label_smoothing is \(labelSmoothing); expected 0: only cross-entropies read it")
        }
        guard from == .auto || loss == .crossEntropy || loss == .binaryCrossEntropy else {
            throw MartletError(
                .argument,
                "\(prefix)from is \(from); expected auto: only CROSS_ENTROPY and BINARY_CROSS_ENTROPY read it")
        }
        guard Float(delta) >= .leastNormalMagnitude && Float(delta).isFinite else {
            throw MartletError(.argument, "\(prefix)delta is \(delta); expected a finite number of fp32 over 0")
        }
        guard [.fp32, .bf16, .fp16, .float8, .float4].contains(stateType) else {
            throw MartletError(
                .type, "\(prefix)state_dtype is \(stateType.name); expected fp32, bf16, fp16, float8 or float4")
        }
        guard delta == 1 || loss == .huber else {
            throw MartletError(.argument, "\(prefix)delta is \(delta); expected 1, the default: only HUBER reads it")
        }
    }
}

/// How one model's output is scored: rows of columns, by the loss's own kernel.
struct Scoring {
    let settings: Training
    let kernel: Loss
    /// The value that the loss reads: the output, or where that is a softmax or sigmoid under its own cross-entropy, what
    /// the activation is applied to. The logarithm of both together is exact however far one class leads, and its
    /// gradient never vanishes while the answer is wrong.
    let value: Int
    /// The loss's rows in one sample, and elements in each.
    let rows: Int
    let columns: Int
    /// The same for accuracy.
    let accuracyRows: Int
    let accuracyColumns: Int
    /// What a single output must exceed to say yes.
    let threshold: Float

    init(_ settings: Training, _ model: Model) {
        self.settings = settings
        let (output, lastActivation) = (model.output, model.lastActivation)
        let isProbability =
            settings.from == .auto
            ? lastActivation == .softmax || lastActivation == .sigmoid : settings.from == .probabilities
        columns = settings.loss.looksAtRows ? output.last : output.elementCount
        rows = output.elementCount / columns
        let logits = isProbability ? Scoring.logits(settings.loss, columns, model.graph) : nil
        value = logits ?? model.graph.outputs[0]
        let takesProbability = isProbability && logits == nil
        kernel =
            switch settings.loss {
            case .crossEntropy: takesProbability ? .crossEntropyFromProbabilities : .crossEntropy
            case .nll: .nll
            case .binaryCrossEntropy: takesProbability ? .binaryCrossEntropyFromProbabilities : .binaryCrossEntropy
            case .mse: .mse
            case .mae: .mae
            case .huber: .huber
            case .kullbackLeibler: .kullbackLeibler
            case .hinge: .hinge
            case .logCosh: .logCosh
            case .poisson: .poisson
            case .cosine: .cosine
            }
        let isBinary = settings.loss.isBinary
        accuracyColumns = isBinary ? 1 : output.last
        accuracyRows = output.elementCount / accuracyColumns
        threshold = settings.loss == .hinge || (isBinary && !isProbability) ? 0 : 0.5
    }

    /// The value whose softmax or sigmoid the loss takes the logarithm of, row by row of so many columns. A row may be a
    /// part of one that softmax was applied to: divided by its sum, it is the softmax of that part.
    private static func logits(_ loss: LossKind, _ columns: Int, _ graph: Graph) -> Int? {
        switch loss {
        case .crossEntropy:
            guard let (value, shape) = graph.input(of: .softmax, giving: graph.outputs[0]), shape.last % columns == 0 else { return nil }
            return value
        case .binaryCrossEntropy: return graph.input(of: .sigmoid, giving: graph.outputs[0])?.value
        default: return nil
        }
    }

    /// Whether labels may stand for targets: one for each row; for the binary loss, of one output, 0 or 1.
    var takesLabels: Bool {
        settings.loss == .crossEntropy || settings.loss == .nll || (settings.loss.isBinary && columns == 1)
    }

    /// The number of classes that a label may be of.
    var classes: Int { settings.loss.isBinary ? 2 : columns }
}

/// Sums over samples, and the means that they give.
public struct Score: Sendable {
    public private(set) var samples = 0
    public private(set) var batches = 0
    private var loss = 0.0
    /// In the order of the bits of `Metrics`.
    private var sums: InlineArray<4, Double> = [0, 0, 0, 0]
    private var metrics: Metrics

    init(_ metrics: Metrics) { self.metrics = metrics }

    mutating func add(samples: Int, loss: Double, metrics: InlineArray<4, Double>) {
        self.samples += samples
        batches += 1
        self.loss += loss * Double(samples)
        for index in 0..<4 { sums[index] += metrics[index] * Double(samples) }
    }

    public var meanLoss: Double { loss / Double(samples) }
    public var accuracy: Double { mean(0) }
    public var topAccuracy: Double { mean(1) }
    public var mse: Double { mean(2) }
    public var mae: Double { mean(3) }

    private func mean(_ index: Int) -> Double {
        metrics.rawValue & 1 << UInt32(index) == 0 ? .nan : sums[index] / Double(samples)
    }
}
