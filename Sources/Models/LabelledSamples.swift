// Samples with what they should give, checked against a model's shapes before anything is computed.
import MartletPlatform

/// Samples, and what each should give for each output: as many of all, of shapes that suit the model.
@unsafe struct LabelledSamples {
    let x: SampleArrays
    let y: SampleArrays
    /// A number of fp32 for each, or for each and each output, which its loss is multiplied by; nil: ones.
    let weights: Samples?
    /// How many of them a sample has: 1, or as many as there are outputs.
    private let weightsEach: Int
    /// How many.
    let count: Int
    /// What stands before "weights" in messages.
    private let prefix: String

    /// Throws `.type`, `.shape`, `.unsupported`, `.null` and `.alignment`. Labels' values are looked at when they are used.
    ///
    /// - Parameter mayLack: whether an array of no elements says that its output is not scored.
    init(
        _ x: SampleArrays, _ y: SampleArrays, _ weights: Samples?, _ model: Model, _ scorings: [Scoring],
        _ prefix: String = "", mayLack: Bool = false
    ) throws(MartletError) {
        unsafe (self.x, self.y, self.prefix) = (x, y, prefix)
        unsafe self.weights = unsafe weights
        let count = try x.sampleCount(of: model)
        unsafe self.count = count
        unsafe weightsEach = unsafe weights == nil || weights?.count == count ? 1 : scorings.count
        if let weights = unsafe weights {
            try unsafe Self.check(weights, count, outputs: scorings.count, "\(prefix)weights")
        }
        guard y.count == scorings.count else {
            throw MartletError(
                .argument, "\(y.name) has \(y.count) arrays; expected \(scorings.count), one for each output")
        }
        for (number, scoring) in scorings.enumerated() {
            if unsafe mayLack && y[number].count == 0 { continue }
            try unsafe Self.check(y[number], y.subject(number), scoring, count, x)
        }
    }

    /// Throws where an array is not what an output should give for so many samples.
    private static func check(
        _ y: Samples, _ name: @autoclosure () -> String, _ scoring: Scoring, _ count: Int, _ x: SampleArrays
    ) throws(MartletError) {
        if unsafe y.type == .fp32 {
            let targets = try unsafe y.sampleCount(of: scoring.shape, name())
            guard targets == count else {
                throw MartletError(
                    .shape, "\(name()) has \(targets) samples; expected \(count), as many as \(x.name)")
            }
            return
        }
        guard scoring.takesLabels else {
            throw unsafe MartletError(
                .type,
                "\(name()).dtype is \(y.type); expected fp32: the loss takes targets of the output's shape "
                    + "\(scoring.shape)")
        }
        guard scoring.classes <= Int(Int32.max) else {
            throw unsafe MartletError(
                .unsupported,
                "\(name()).dtype is \(y.type); expected fp32: the output has \(scoring.classes) classes, and labels "
                    + "are served up to 2^31 - 1 of them")
        }
        guard !scoring.settings.metrics.needTargets else {
            throw unsafe MartletError(
                .type, "\(name()).dtype is \(y.type); expected fp32: the metrics MSE, MAE, RMSE and R2 take targets")
        }
        let (wanted, isBeyond) = count.multipliedReportingOverflow(by: scoring.rows)
        guard unsafe !isBeyond && y.count == wanted else {
            throw unsafe MartletError(
                .shape, "\(name()) has \(y.count) labels; expected \(scoring.rows) for each of \(count) samples")
        }
        if let sizes = unsafe y.sizes, unsafe y.rank > 0, unsafe Int(sizes[0]) != count {
            throw unsafe MartletError(
                .shape, "\(name()).sizes[0] is \(sizes[0]); expected \(count), the samples of \(x.name)")
        }
        try unsafe y.checkMemory(name())
    }

    /// Throws where these are no weights of so many samples. Their values are looked at when they are used.
    private static func check(
        _ weights: Samples, _ count: Int, outputs: Int, _ name: @autoclosure () -> String
    ) throws(MartletError) {
        guard unsafe weights.type == .fp32 else {
            throw unsafe MartletError(.type, "\(name()).dtype is \(weights.type); expected fp32")
        }
        let (all, overflow) = count.multipliedReportingOverflow(by: outputs)
        var isOfEach = unsafe !overflow && weights.count == all && (weights.rank == 0 || weights.rank == 2)
        if unsafe weights.rank == 2, let sizes = unsafe weights.sizes {
            isOfEach = unsafe isOfEach && Int(sizes[0]) == count && Int(sizes[1]) == outputs
        }
        guard unsafe weights.count == count && weights.rank <= 1 || isOfEach else {
            throw unsafe MartletError(
                .shape,
                "\(name()) has \(weights.count) elements; expected \(count), a number for each sample"
                    + (outputs == 1 ? "" : ", or \(count) x \(outputs), one for each output too"))
        }
        try unsafe weights.checkMemory(name())
    }

    /// The weight of a sample, for an output; 1 where they have none. Throws `.argument` where it is no finite number, 0 or
    /// more.
    func weight(_ sample: Int, output: Int) throws(MartletError) -> Float {
        guard let base = unsafe weights?.base else { return 1 }
        let place = unsafe weightsEach == 1 ? sample : sample * weightsEach + output
        let weight = unsafe base.assumingMemoryBound(to: Float.self)[place]
        guard weight >= 0 && weight.isFinite else {
            throw unsafe MartletError(
                .argument, "\(prefix)weights[\(place)] is \(weight); expected a finite number, 0 or more")
        }
        return weight
    }

    /// The label at a place of an output's. Throws `.argument` where it is none of the output's classes.
    func label(_ place: Int, _ labels: Samples, output: Int, _ scoring: Scoring) throws(MartletError) -> Int {
        let label = unsafe labels.integer(place)
        guard label >= 0 && label < scoring.classes else {
            throw unsafe MartletError(
                .argument,
                "\(y.subject(output))[\(place)] is \(label); expected 0 ..< \(scoring.classes), a class of the output")
        }
        return label
    }

    /// Throws `.overlap` where some of them lie in what training writes.
    func checkApart(from model: Model, _ trainer: Trainer) throws(MartletError) {
        try unsafe x.checkApart(from: model, trainer)
        try unsafe y.checkApart(from: model, trainer)
        if let weights = unsafe weights { try unsafe model.checkApart(weights, "\(prefix)weights", trainer) }
    }

    /// Throws `.argument` where a label is none of the output's classes, or a row none of its table's.
    func check(_ model: Model, _ scorings: [Scoring]) throws(MartletError) {
        try unsafe x.checkIndices(model)
        if unsafe weights != nil {
            for sample in unsafe 0..<count {
                for output in unsafe 0..<weightsEach { _ = try unsafe weight(sample, output: output) }
            }
        }
        for (number, scoring) in scorings.enumerated() {
            let y = unsafe self.y[number]
            if unsafe y.type == .fp32 { continue }
            for place in unsafe 0..<y.count { _ = try unsafe label(place, y, output: number, scoring) }
        }
    }
}
