// What a walk over samples adds up for all of a model's outputs, and the score that is read of it.
import MartletPlatform

/// The tallies of all outputs over one walk.
final class Tallies {
    let outputs: [Tally]
    private(set) var samples = 0
    private(set) var batches = 0
    private var loss = 0.0
    /// Whether calls add to what those before have summed up.
    private var isKept = false

    /// Throws `.memory`.
    init(_ scorings: [Scoring]) throws(MartletError) {
        var outputs: [Tally] = []
        for scoring in scorings { outputs.append(try Tally(scoring)) }
        self.outputs = outputs
    }

    /// Begins a call that looks at so many samples at most, of which none can be refused any more. Throws `.memory`, before
    /// anything has changed.
    func begin(samples count: Int) throws(MartletError) {
        for tally in outputs { try tally.reserve(samples: count) }
        if !isKept { reset() }
    }

    /// Forgets all samples, and keeps those from here on, or those of one call at a time.
    func reset(keeps: Bool = false) {
        isKept = keeps
        for tally in outputs { tally.reset() }
        (samples, batches, loss) = (0, 0, 0)
    }

    /// Adds a batch's loss: of all outputs, with what layers add.
    func add(loss mean: Double, samples count: Int) {
        samples += count
        batches += 1
        loss += mean * Double(count)
    }

    var meanLoss: Double { loss / Double(samples) }

    /// The loss of all, and the metrics of the first output; where calls add up, without AUC, which sorts all answers.
    var score: Score { Score(self, outputs[0], loss: meanLoss, !isKept) }
}

/// Means over samples.
public struct Score: Sendable {
    public let samples: Int
    public let batches: Int
    public let meanLoss: Double
    private var values: InlineArray<11, Double>

    fileprivate init(_ tallies: Tallies, _ tally: Tally, loss: Double, _ isWhole: Bool) {
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
