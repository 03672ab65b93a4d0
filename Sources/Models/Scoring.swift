// How one of a model's outputs is scored: which value its loss reads, as rows of columns, and by which kernel.
import MartletKernelInterface
import MartletPlatform

struct Scoring {
    let settings: Training
    let kernel: Loss
    /// The output, among the graph's values.
    let output: Int
    let shape: Shape
    /// The value that the loss reads: the output, or where that is a softmax or sigmoid under its own cross-entropy, what
    /// the activation is applied to. The logarithm of both together is exact however far one class leads, and its
    /// gradient never vanishes while the answer is wrong.
    let value: Int
    /// The value that says which steps of a sample count, and how many there are; nil: the sample counts as a whole.
    let mask: Int?
    let steps: Int
    /// The loss's rows in one sample, and elements in each.
    let rows: Int
    let columns: Int
    /// The same for accuracy.
    let accuracyRows: Int
    let accuracyColumns: Int
    /// What a single output must exceed to say yes.
    let threshold: Float

    /// That of an output of a model's, by number. Throws `.argument` and `.unsupported` where a metric does not suit it.
    init(_ settings: Training, _ model: Model, output number: Int, _ prefix: String) throws(MartletError) {
        self.settings = settings
        output = model.graph.outputs[number]
        shape = model.outputShape(number)
        let lastActivation = model.lastActivation(number)
        let isProbability =
            settings.from == .auto
            ? lastActivation == .softmax || lastActivation == .sigmoid : settings.from == .probabilities
        mask = model.nodes[model.outputNodes[number]].mask
        steps = mask.map { model.graph.values[$0].shape[0] } ?? 1
        // Behind a layer's steps there may be its last states.
        guard mask == nil || shape[0] == steps else {
            throw MartletError(
                .unsupported,
                "\(prefix)output is a sequence with a mask and states behind it; expected the sequence alone, by CROPPING1D"
            )
        }
        columns = settings.loss.looksAtRows || mask != nil ? shape.last : shape.elementCount
        rows = shape.elementCount / columns
        let logits = isProbability ? Scoring.logits(settings.loss, columns, model.graph, output) : nil
        value = logits ?? output
        kernel = settings.loss.kernel(takesProbability: isProbability && logits == nil)
        let isBinary = settings.loss.isBinary
        accuracyColumns = isBinary ? 1 : shape.last
        accuracyRows = shape.elementCount / accuracyColumns
        threshold = settings.loss == .hinge || (isBinary && !isProbability) ? 0 : 0.5
        try checkMetrics(prefix)
    }

    /// The value whose softmax or sigmoid the loss takes the logarithm of, row by row of so many columns. A row may be a
    /// part of one that softmax was applied to: divided by its sum, it is the softmax of that part.
    private static func logits(_ loss: LossKind, _ columns: Int, _ graph: Graph, _ output: Int) -> Int? {
        switch loss {
        case .crossEntropy, .focal:
            guard let (value, shape) = graph.input(of: .softmax, giving: output), shape.last % columns == 0 else {
                return nil
            }
            return value
        case .binaryCrossEntropy, .binaryFocal: return graph.input(of: .sigmoid, giving: output)?.value
        default: return nil
        }
    }

    private func checkMetrics(_ prefix: String) throws(MartletError) {
        let metrics = settings.metrics
        guard settings.top <= accuracyColumns || !metrics.has(.topAccuracy) else {
            throw MartletError(
                .argument, "\(prefix)top is \(settings.top); expected \(accuracyColumns) at most, the model's outputs")
        }
        guard !metrics.has(.auc) || accuracyColumns == 1 else {
            throw MartletError(
                .argument,
                "\(prefix)metrics has AUC; expected outputs that each say yes or no, and not the largest of "
                    + "\(accuracyColumns)")
        }
        guard !metrics.has(.perplexity) || settings.loss == .crossEntropy || settings.loss == .nll else {
            throw MartletError(
                .argument, "\(prefix)metrics has PERPLEXITY; expected the loss CROSS_ENTROPY or NLL, whose power it is")
        }
        guard !metrics.has(.r2) || mask == nil else {
            throw MartletError(
                .unsupported, "\(prefix)metrics has R2, and the output has a mask; expected other metrics, or no mask")
        }
        guard !metrics.needCounts || classCount <= Tally.mostClasses else {
            throw MartletError(
                .unsupported,
                "\(prefix)metrics has PRECISION, RECALL or F1 of \(classCount) classes; expected \(Tally.mostClasses) "
                    + "at most")
        }
    }

    /// Whether labels may stand for targets: one for each row; for the binary loss, of one output, 0 or 1.
    var takesLabels: Bool {
        switch settings.loss {
        case .crossEntropy, .nll, .focal: true
        case .binaryCrossEntropy, .binaryFocal, .hinge: columns == 1
        default: false
        }
    }

    /// The number of classes that a label may be of.
    var classes: Int { settings.loss.isBinary ? 2 : columns }

    /// The number of classes that are counted: yes and no, where there is one output.
    var classCount: Int { accuracyColumns == 1 ? 2 : accuracyColumns }
}

extension LossKind {
    fileprivate func kernel(takesProbability: Bool) -> Loss {
        switch self {
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
        case .focal: takesProbability ? .focalFromProbabilities : .focal
        case .binaryFocal: takesProbability ? .binaryFocalFromProbabilities : .binaryFocal
        }
    }
}
