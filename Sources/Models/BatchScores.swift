// A batch's labels or targets, gathered and checked, and the score of the model's output against them.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// Samples, and what each should give: as many of both, of shapes that suit the model.
@unsafe struct LabelledSamples {
    let x: Inputs
    let y: Samples
    /// A number of fp32 for each, which its loss is multiplied by; nil: ones.
    let weights: Samples?
    /// How many.
    let count: Int
    /// What messages call `y`, and what stands before "weights" in them.
    private let name: String
    private let prefix: String

    /// Throws `.type`, `.shape`, `.unsupported`, `.null` and `.alignment`. Labels' values are looked at when they are used.
    init(
        _ x: Inputs, _ y: Samples, _ weights: Samples?, _ model: Model, _ scoring: Scoring, _ prefix: String = "",
        _ name: String = "y"
    ) throws(MartletError) {
        unsafe self.x = x
        unsafe self.y = unsafe y
        unsafe self.weights = unsafe weights
        unsafe (self.name, self.prefix) = (name, prefix)
        let count = try x.sampleCount(of: model)
        unsafe self.count = count
        if let weights = unsafe weights { try unsafe Self.check(weights, count, "\(prefix)weights") }
        if unsafe y.type == .fp32 {
            let targets = try unsafe y.sampleCount(of: model.output, name)
            guard targets == count else {
                throw MartletError(
                    .shape, "\(name) has \(targets) samples; expected \(count), as many as \(x.name)")
            }
            return
        }
        guard scoring.takesLabels else {
            throw unsafe MartletError(
                .type,
                "\(name).dtype is \(y.type); expected fp32: the loss takes targets of the output's shape "
                    + "\(model.output)")
        }
        guard scoring.classes <= Int(Int32.max) else {
            throw unsafe MartletError(
                .unsupported,
                "\(name).dtype is \(y.type); expected fp32: the output has \(scoring.classes) classes, and labels "
                    + "are served up to 2^31 - 1 of them")
        }
        guard scoring.settings.metrics.isDisjoint(with: [.mse, .mae]) else {
            throw unsafe MartletError(
                .type, "\(name).dtype is \(y.type); expected fp32: the metrics MSE and MAE take targets")
        }
        let (wanted, isBeyond) = count.multipliedReportingOverflow(by: scoring.rows)
        guard unsafe !isBeyond && y.count == wanted else {
            throw unsafe MartletError(
                .shape, "\(name) has \(y.count) labels; expected \(scoring.rows) for each of \(count) samples")
        }
        if let sizes = unsafe y.sizes, unsafe y.rank > 0, unsafe Int(sizes[0]) != count {
            throw unsafe MartletError(
                .shape, "\(name).sizes[0] is \(sizes[0]); expected \(count), the samples of \(x.name)")
        }
        try unsafe y.checkMemory(name)
    }

    /// Throws where these are no weights of so many samples. Their values are looked at when they are used.
    private static func check(_ weights: Samples, _ count: Int, _ name: @autoclosure () -> String) throws(MartletError)
    {
        guard unsafe weights.type == .fp32 else {
            throw unsafe MartletError(.type, "\(name()).dtype is \(weights.type); expected fp32")
        }
        guard unsafe weights.count == count && (weights.rank <= 1) else {
            throw unsafe MartletError(
                .shape, "\(name()) has \(weights.count) elements; expected \(count), a number for each sample")
        }
        try unsafe weights.checkMemory(name())
    }

    /// The weight of a sample; 1 where they have none. Throws `.argument` where it is no finite number, 0 or more.
    func weight(_ place: Int) throws(MartletError) -> Float {
        guard let base = unsafe weights?.base else { return 1 }
        let weight = unsafe base.assumingMemoryBound(to: Float.self)[place]
        guard weight >= 0 && weight.isFinite else {
            throw unsafe MartletError(
                .argument, "\(prefix)weights[\(place)] is \(weight); expected a finite number, 0 or more")
        }
        return weight
    }

    /// The label at a place. Throws `.argument` where it is none of the output's classes.
    func label(_ place: Int, _ scoring: Scoring) throws(MartletError) -> Int {
        let label = unsafe y.integer(place)
        guard label >= 0 && label < scoring.classes else {
            throw unsafe MartletError(
                .argument,
                "\(name)[\(place)] is \(label); expected 0 ..< \(scoring.classes), a class of the output")
        }
        return label
    }

    /// Throws `.overlap` where some of them lie in what training writes.
    func checkApart(from model: Model, _ trainer: Trainer) throws(MartletError) {
        try unsafe x.checkApart(from: model, trainer)
        try unsafe model.checkApart(y, name, trainer)
        if let weights = unsafe weights { try unsafe model.checkApart(weights, "\(prefix)weights", trainer) }
    }

    /// Throws `.argument` where a label is none of the output's classes, or a row none of its table's.
    func check(_ model: Model, _ scoring: Scoring) throws(MartletError) {
        try unsafe x.checkIndices(model)
        if unsafe weights != nil { for place in unsafe 0..<count { _ = try unsafe weight(place) } }
        if unsafe y.type == .fp32 { return }
        for place in unsafe 0..<y.count { _ = try unsafe label(place, scoring) }
    }
}

/// What a batch's output is held against.
@unsafe enum Expected {
    case labels(UnsafePointer<Int32>)
    case targets(UnsafePointer<Float>)

    var labels: UnsafePointer<Int32>? {
        if case .labels(let labels) = unsafe self { unsafe labels } else { nil }
    }

    var targets: UnsafePointer<Float>? {
        if case .targets(let targets) = unsafe self { unsafe targets } else { nil }
    }
}

/// Memory to gather the labels or targets of one batch, and its weights, and to score each row.
final class BatchScores {
    /// The most samples.
    let batch: Int
    private let targets: FlatBuffer
    private let rows: FlatBuffer
    /// What each of the loss's rows is multiplied by, where samples have weights.
    private let weights: FlatBuffer
    private var hasWeights = false
    private let outputElements: Int

    /// Throws `.memory`, also where sizes overflow.
    init(_ model: Model, _ scoring: Scoring, batch: Int) throws(MartletError) {
        self.batch = batch
        outputElements = model.output.elementCount
        let (outputCount, overflow) = outputElements.multipliedReportingOverflow(by: batch)
        guard !overflow else {
            throw MartletError(.memory, "a batch of \(batch) samples is beyond what a machine can address")
        }
        targets = try FlatBuffer(count: outputCount)
        rows = try FlatBuffer(count: max(scoring.rows, scoring.accuracyRows) * batch)
        weights = try FlatBuffer(count: scoring.rows * batch)
    }

    /// The batch's labels or targets, and weights. Throws `.argument` for one out of range.
    func take(
        _ data: LabelledSamples, _ rows: Rows, _ scoring: Scoring, _ execution: Execution
    ) throws(MartletError) -> Expected {
        try unsafe takeWeights(data, rows, scoring)
        guard let base = unsafe data.y.base else { return unsafe .targets(targets.base) }
        if unsafe data.y.type == .fp32 {
            unsafe rows.gather(base, bytesPerRow: outputElements * 4, to: targets.base, execution)
            return unsafe .targets(targets.base)
        }
        let labels = unsafe UnsafeMutableRawPointer(targets.base).assumingMemoryBound(to: Int32.self)
        let perSample = scoring.rows
        for index in unsafe 0..<rows.count {
            let first = unsafe rows.place(index) * perSample
            for row in 0..<perSample {
                unsafe labels[index * perSample + row] = Int32(try unsafe data.label(first + row, scoring))
            }
        }
        return unsafe .labels(labels)
    }

    private func takeWeights(_ data: LabelledSamples, _ rows: Rows, _ scoring: Scoring) throws(MartletError) {
        hasWeights = unsafe data.weights != nil
        if !hasWeights { return }
        for index in unsafe 0..<rows.count {
            let weight = try unsafe data.weight(rows.place(index))
            for row in 0..<scoring.rows { unsafe weights.base[index * scoring.rows + row] = weight }
        }
    }

    /// A batch's mean loss; `value` is what ``Scoring/value`` says. Writes its gradient where one is wanted.
    func loss(
        _ value: UnsafePointer<Float>, _ expected: Expected, batch: Int, gradient: UnsafeMutablePointer<Float>?,
        _ scoring: Scoring, _ execution: Execution
    ) -> Double {
        let settings = scoring.settings
        let count = batch * scoring.rows
        unsafe execution.run(
            LossRequest(
                scoring.kernel, rows: count, columns: scoring.columns, output: value, labels: expected.labels,
                targets: expected.targets, smoothing: Float(settings.labelSmoothing), delta: Float(settings.delta),
                weights: hasWeights ? UnsafePointer(weights.base) : nil, rowLoss: rows.base, gradient: gradient))
        return unsafe execution.sum(count: count, x: rows.base) / Double(count)
    }

    /// A batch's metrics, in the order of the bits of `Metrics`; 0 for those that are not asked for.
    func metrics(
        _ output: UnsafePointer<Float>, _ expected: Expected, batch: Int, _ scoring: Scoring, _ execution: Execution
    ) -> InlineArray<4, Double> {
        let settings = scoring.settings
        var metrics: InlineArray<4, Double> = [0, 0, 0, 0]
        func keepMean(_ place: Int, _ rows: Int) {
            unsafe metrics[place] = execution.sum(count: rows, x: self.rows.base) / Double(rows)
        }
        for place in 0..<2 where settings.metrics.contains(place == 0 ? .accuracy : .topAccuracy) {
            unsafe execution.run(
                RowAccuracyRequest(
                    rows: batch * scoring.accuracyRows, columns: scoring.accuracyColumns, output: output,
                    labels: expected.labels, targets: expected.targets, top: place == 0 ? 1 : settings.top,
                    threshold: scoring.threshold, out: rows.base))
            keepMean(place, batch * scoring.accuracyRows)
        }
        guard let targets = unsafe expected.targets else { return metrics }
        for place in 2..<4 where settings.metrics.contains(place == 2 ? .mse : .mae) {
            unsafe execution.run(
                RowErrorsRequest(
                    rows: batch, columns: outputElements, output: output, targets: targets, squared: place == 2,
                    out: rows.base))
            keepMean(place, batch)
        }
        return metrics
    }
}
