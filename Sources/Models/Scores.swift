// What can be read of a model's outputs after a walk over samples: the loss and metrics of each.
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
