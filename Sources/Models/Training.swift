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
    case focal = 12
    case binaryFocal = 13
}

extension LossKind {
    /// Whether it is of whole rows, the last size; else of single elements.
    var looksAtRows: Bool {
        switch self {
        case .crossEntropy, .nll, .kullbackLeibler, .cosine, .focal: true
        default: false
        }
    }

    /// Whether each output says yes or no.
    var isBinary: Bool { self == .binaryCrossEntropy || self == .binaryFocal || self == .hinge }

    /// Whether it takes the logarithm of probabilities, or of what makes them.
    var isCrossEntropy: Bool { self == .crossEntropy || self == .binaryCrossEntropy || isFocal }

    var isFocal: Bool { self == .focal || self == .binaryFocal }
}

/// What the model's output is to a cross-entropy; the raw values are those of martlet.h.
@frozen
public enum OutputMeaning: Int32, Sendable, CaseIterable {
    case auto = 0
    case logits = 1
    case probabilities = 2
}

/// Everything that `compile` is told of an output but the optimizer.
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
    /// Of focal losses: the power of 1 - p, and what the loss is multiplied by; of the binary one, where yes is wanted, and 1
    /// less that where no is, but for a negative one, which does neither.
    public var gamma = 2.0
    public var alpha: Double
    /// What the output's loss is multiplied by in the sum of all outputs'.
    public var weight = 1.0
    /// What moments are kept in: `.fp32`, `.bf16`, `.fp16`, or `.float16`, `.float8` and `.float4` for each slot's type of so
    /// many bits, where it has one and the parameter is large enough. A square under 6e-8 is 0 in `.fp16`, and not in
    /// `.float16`.
    public var stateType = StateType.fp32

    public init(_ loss: LossKind) {
        self.loss = loss
        alpha = Self.alpha(of: loss)
    }

    /// The most samples of any batch.
    static var mostSamples: Int { 1 << 31 }

    private static func alpha(of loss: LossKind) -> Double { loss == .focal ? 0.25 : -1 }

    /// What stands before the fields of an output's in messages.
    package static func prefix(_ number: Int, of count: Int) -> String {
        count == 1 ? "training." : "training[\(number)]."
    }

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
        guard labelSmoothing == 0 || loss.isCrossEntropy else {
            throw MartletError(
                .argument,
                "\(prefix)label_smoothing is \(labelSmoothing); expected 0: only cross-entropies and focal losses read it"
            )
        }
        guard from == .auto || loss.isCrossEntropy else {
            throw MartletError(
                .argument, "\(prefix)from is \(from); expected auto: only cross-entropies and focal losses read it")
        }
        guard Float(delta) >= .leastNormalMagnitude && Float(delta).isFinite else {
            throw MartletError(.argument, "\(prefix)delta is \(delta); expected a finite number of fp32 over 0")
        }
        guard [.fp32, .bf16, .fp16, .float16, .float8, .float4].contains(stateType) else {
            throw MartletError(
                .type,
                "\(prefix)state_dtype is \(stateType.name); expected fp32, bf16, fp16, float16, float8 or float4")
        }
        guard delta == 1 || loss == .huber else {
            throw MartletError(.argument, "\(prefix)delta is \(delta); expected 1, the default: only HUBER reads it")
        }
        try checkFocal(prefix)
        guard weight >= 0 && Float(weight).isFinite else {
            throw MartletError(.argument, "\(prefix)weight is \(weight); expected a finite number of fp32, 0 or more")
        }
    }

    private func checkFocal(_ prefix: String) throws(MartletError) {
        guard loss.isFocal else {
            guard gamma == 2 && alpha == Self.alpha(of: loss) else {
                let (field, value, standard) = gamma == 2 ? ("alpha", alpha, "-1") : ("gamma", gamma, "2")
                throw MartletError(
                    .argument,
                    "\(prefix)\(field) is \(value); expected \(standard), the default: only focal losses read it")
            }
            return
        }
        guard gamma >= 0 && gamma <= 100 else {
            throw MartletError(.argument, "\(prefix)gamma is \(gamma); expected 0 to 100")
        }
        let isRight = loss == .binaryFocal ? alpha >= -1 && alpha <= 1 : alpha >= 0 && Float(alpha).isFinite
        guard isRight else {
            throw MartletError(
                .argument,
                "\(prefix)alpha is \(alpha); expected "
                    + (loss == .binaryFocal ? "0 to 1, or -1 for no weights" : "a finite number of fp32, 0 or more"))
        }
    }
}
