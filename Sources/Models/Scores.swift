// What a walk over samples comes to: the loss and metrics of each output, and where they are read.
import MartletOptimizers
import MartletPlatform

extension Model {
    /// From here on each call that trains on a batch, or each that evaluates, adds to one tally, which begins empty: what it
    /// gives is of all samples since, but for AUC, which ``score(ofOutput:in:)`` has. False: each call's own, as in the
    /// beginning, and as in each epoch of fit. Throws `.order` before compile.
    public func setTally(in mode: OptimizerMode, keeps: Bool) throws(MartletError) {
        try compiled().tallies(in: mode).reset(keeps: keeps)
    }

    /// The loss, without its weight, and metrics of one output: of the training under way or the last, or of the last
    /// evaluation, that of samples held back from fit too. NaN before the first. Throws `.order` before compile.
    public func score(ofOutput number: Int, in mode: OptimizerMode) throws(MartletError) -> Score {
        let tallies = try compiled().tallies(in: mode)
        try tallies.outputs[number].sort()
        return Score(tallies, output: number)
    }

    /// How often each class was taken for each: a row for each class that was right, a column for each that was said. Throws
    /// `.order` before compile, and where no metric counts that.
    public func confusion(ofOutput number: Int, in mode: OptimizerMode) throws(MartletError) -> [Int64] {
        let tally = try compiled().tallies(in: mode).outputs[number]
        let classes = tally.classCount
        var counts: [Int64] = []
        for right in 0..<classes {
            for said in 0..<classes {
                guard let count = tally.count(right: right, said: said) else {
                    throw MartletError(
                        .order, "nothing is counted; expected a metric PRECISION, RECALL or F1 in compile")
                }
                counts.append(count)
            }
        }
        return counts
    }
}

extension Trainer {
    fileprivate func tallies(in mode: OptimizerMode) -> Tallies { mode == .training ? training : evaluation }
}

/// Means over samples.
public struct Score: Sendable {
    public let samples: Int
    public let batches: Int
    public let meanLoss: Double
    private var values: InlineArray<11, Double>

    init(_ tallies: Tallies, _ tally: Tally, loss: Double, _ isWhole: Bool) {
        (samples, batches, meanLoss) = (tallies.samples, tallies.batches, loss)
        if tally.hasNoMetrics {
            values = InlineArray(repeating: .nan)
            return
        }
        values = InlineArray { place in
            guard let metric = Metric(rawValue: place), isWhole || metric != .auc else { return .nan }
            return tally.value(metric)
        }
    }

    /// That of one of the outputs by itself, whose loss has no weight, and nothing that layers add.
    init(_ tallies: Tallies, output: Int) {
        let tally = tallies.outputs[output]
        self.init(tallies, tally, loss: tally.meanLoss, true)
    }

    /// A metric's number; NaN where it was not asked for.
    public subscript(metric: Metric) -> Double { values[metric.rawValue] }

    public var accuracy: Double { self[.accuracy] }
}
