// A batch's labels or targets, gathered and checked, and the score of one of the model's outputs against them.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

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

    /// Whether yes is right, of a row of one output.
    func isYes(_ row: Int) -> Bool {
        switch unsafe self {
        case .labels(let labels): unsafe labels[row] == 1
        case .targets(let targets): unsafe targets[row] > 0.5
        }
    }
}

/// Memory to gather the labels or targets of one batch of one output, and its weights, and to score each row.
@safe final class BatchScores {
    /// The most samples.
    let batch: Int
    private let scoring: Scoring
    private let targets: FlatBuffer
    private let rows: FlatBuffer
    /// What each of the loss's rows is multiplied by, where samples have weights.
    private let weights: FlatBuffer
    private var hasWeights = false
    private var hasLabels = false
    /// Whether there is anything to hold the batch's output against.
    private(set) var isScored = true

    /// Throws `.memory`, also where sizes overflow.
    init(_ scoring: Scoring, batch: Int) throws(MartletError) {
        self.batch = batch
        self.scoring = scoring
        let (outputCount, overflow) = scoring.shape.elementCount.multipliedReportingOverflow(by: batch)
        guard !overflow else {
            throw MartletError(.memory, "a batch of \(batch) samples is beyond what a machine can address")
        }
        targets = try FlatBuffer(count: outputCount)
        rows = try FlatBuffer(count: max(scoring.rows, scoring.accuracyRows) * batch)
        weights = try FlatBuffer(count: scoring.rows * batch)
    }

    /// What the batch's output is held against, as it was taken.
    private var expected: Expected {
        hasLabels
            ? unsafe .labels(UnsafeRawPointer(targets.base).assumingMemoryBound(to: Int32.self))
            : unsafe .targets(targets.base)
    }

    /// Takes the batch's labels or targets of an output, and weights. Throws `.argument` for one out of range.
    func take(
        _ data: LabelledSamples, output: Int, _ rows: Rows, _ execution: Execution
    ) throws(MartletError) {
        try unsafe takeWeights(data, output: output, rows)
        let y = unsafe data.y[output]
        isScored = unsafe y.count > 0
        if !isScored { return }
        hasLabels = unsafe y.type != .fp32
        guard let base = unsafe y.base else { return }
        if !hasLabels {
            let bytes = scoring.shape.elementCount * 4
            return unsafe rows.gather(base, bytesPerRow: bytes, to: targets.base, execution)
        }
        let labels = unsafe UnsafeMutableRawPointer(targets.base).assumingMemoryBound(to: Int32.self)
        let perSample = scoring.rows
        for index in unsafe 0..<rows.count {
            let first = unsafe rows.place(index) * perSample
            for row in 0..<perSample {
                unsafe labels[index * perSample + row] = Int32(
                    try unsafe data.label(first + row, y, output: output, scoring))
            }
        }
    }

    private func takeWeights(_ data: LabelledSamples, output: Int, _ rows: Rows) throws(MartletError) {
        hasWeights = unsafe data.weights != nil
        if !hasWeights { return }
        for index in unsafe 0..<rows.count {
            let weight = try unsafe data.weight(rows.place(index), output: output)
            for row in 0..<scoring.rows { unsafe weights.base[index * scoring.rows + row] = weight }
        }
    }

    /// Steps of a batch that count.
    private func seenCount(_ mask: UnsafePointer<Float>, batch: Int) -> Int {
        var count = 0
        for step in 0..<batch * scoring.steps where unsafe mask[step] != 0 { count += 1 }
        return count
    }

    /// Weights by which the mean over all of the loss's rows is that over the steps that count.
    private func weigh(by mask: UnsafePointer<Float>, batch: Int) {
        let (seen, each) = unsafe (seenCount(mask, batch: batch), scoring.rows / scoring.steps)
        let share = seen == 0 ? 0 : Float(batch * scoring.steps) / Float(seen)
        for row in 0..<batch * scoring.rows {
            let own = unsafe hasWeights ? weights.base[row] : 1
            unsafe weights.base[row] = unsafe mask[row / each] == 0 ? 0 : own * share
        }
    }

    /// A batch's mean loss, without the output's weight; `value` is what ``Scoring/value`` says. Writes its gradient, times
    /// that weight, where one is wanted.
    ///
    /// - Parameter mask: which steps count; nil: all.
    func loss(
        _ value: UnsafePointer<Float>, mask: UnsafePointer<Float>?, batch: Int, gradient: UnsafeMutablePointer<Float>?,
        _ execution: Execution
    ) -> Double {
        let (settings, expected) = (scoring.settings, unsafe self.expected)
        let count = batch * scoring.rows
        if let mask = unsafe mask { unsafe weigh(by: mask, batch: batch) }
        let isWeighed = unsafe hasWeights || mask != nil
        unsafe execution.run(
            LossRequest(
                scoring.kernel, rows: count, columns: scoring.columns, output: value, labels: expected.labels,
                targets: expected.targets, settings.numbers, weights: isWeighed ? UnsafePointer(weights.base) : nil,
                rowLoss: rows.base, gradient: gradient))
        return unsafe execution.sum(count: count, x: rows.base) / Double(count)
    }

    /// Adds a batch's metrics to a tally. Throws `.memory`, and not within the samples that its walk began with.
    ///
    /// - Parameter mask: which steps count; nil: all.
    func measure(
        _ output: UnsafePointer<Float>, mask: UnsafePointer<Float>?, batch: Int, into tally: Tally,
        _ execution: Execution
    ) throws(MartletError) {
        let (settings, expected) = (scoring.settings, unsafe self.expected)
        if settings.metrics.isEmpty { return }
        let seen = unsafe mask.map { unsafe seenCount($0, batch: batch) } ?? batch
        let weight = Double(seen)
        tally.count(weight)
        for metric in [Metric.accuracy, .topAccuracy] where settings.metrics.has(metric) {
            let count = batch * scoring.accuracyRows
            unsafe execution.run(
                RowAccuracyRequest(
                    rows: count, columns: scoring.accuracyColumns, output: output, labels: expected.labels,
                    targets: expected.targets, top: metric == .accuracy ? 1 : settings.top,
                    threshold: scoring.threshold, out: rows.base))
            unsafe tally.add(metric, mean: mean(count, mask, seen, batch, execution), weight: weight)
        }
        if let targets = unsafe expected.targets {
            for metric in [Metric.mse, .mae] where settings.metrics.needs(metric) {
                unsafe execution.run(
                    RowErrorsRequest(
                        rows: batch * scoring.steps, columns: scoring.shape.elementCount / scoring.steps,
                        output: output, targets: targets,
                        squared: metric == .mse, out: rows.base))
                unsafe tally.add(
                    metric, mean: mean(batch * scoring.steps, mask, seen, batch, execution), weight: weight)
            }
        }
        try unsafe tally.add(output, expected, mask, samples: batch)
    }

    /// The mean of the first rows: of those whose steps count, of which so many do.
    private func mean(
        _ count: Int, _ mask: UnsafePointer<Float>?, _ seen: Int, _ batch: Int, _ execution: Execution
    ) -> Double {
        var counted = count
        if let mask = unsafe mask {
            let each = count / (batch * scoring.steps)
            for row in 0..<count where unsafe mask[row / each] == 0 { unsafe rows.base[row] = 0 }
            counted = max(seen * each, 1)
        }
        return unsafe execution.sum(count: count, x: rows.base) / Double(counted)
    }
}

extension Metrics {
    /// Whether a mean has to be taken: that of the squares also for their root.
    fileprivate func needs(_ metric: Metric) -> Bool { has(metric) || (metric == .mse && has(.rmse)) }
}

extension Training {
    /// What the loss's arithmetic is told.
    fileprivate var numbers: LossNumbers {
        LossNumbers(
            smoothing: Float(labelSmoothing), delta: Float(delta), gamma: Float(gamma), alpha: Float(alpha),
            weight: Float(weight))
    }
}
