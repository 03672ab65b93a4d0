// What a walk over samples adds up for one output, and the loss and metrics that it comes to. Those of all outputs are in
// Tallies.swift.
import Glibc
import MartletKernelInterface
import MartletPlatform

/// Sums over samples, and what they give: those of one of a model's outputs.
final class Tally {
    /// The most classes whose pairs are counted.
    static var mostClasses: Int { 1024 }

    private var scoring: Scoring
    private var samples = 0
    /// What the sums of metrics are of: samples, or, where a mask says which, steps.
    private var weight = 0.0
    private var loss = 0.0
    /// Of accuracies and errors, which are means.
    private var accuracies: InlineArray<2, Double> = [0, 0]
    private var squares = 0.0
    private var magnitudes = 0.0
    /// How often each class was taken for each: rows are what was right.
    private var counts = RawList<Int64>()
    /// What they add up to for each class: each batch asks for these alone, and classes are up to a thousand.
    private var classes = RawList<ClassCounts>()
    /// For each element of a sample: what R2 needs.
    private var spreads = RawList<Spread>()
    /// Each answer, and whether yes was right: what AUC needs.
    private var answers = RawList<Answer>()
    /// AUC, once it has been worked out of the answers that there are: they are asked for more often than they change. Several
    /// threads may ask at once, each from a progress function of its own prediction.
    private let sorting: Once
    private var area = Double.nan

    /// Throws `.memory`.
    init(_ scoring: Scoring) throws(MartletError) {
        self.scoring = scoring
        sorting = try Once()
        let metrics = scoring.settings.metrics
        if metrics.needCounts {
            for _ in 0..<classCount * classCount { try counts.append(0) }
            for _ in 0..<classCount { try classes.append(ClassCounts()) }
        }
        if metrics.has(.r2) { for _ in 0..<scoring.shape.elementCount { try spreads.append(Spread()) } }
    }

    /// Throws `.unsupported` where it counts for each class, or each element of a sample, and these would be others.
    func check(_ other: Scoring) throws(MartletError) {
        let isSame = counts.count == 0 || other.classCount == classCount
        guard isSame && (spreads.count == 0 || other.shape.elementCount == spreads.count) else {
            throw MartletError(
                .unsupported,
                "the metrics R2, PRECISION, RECALL and F1 count by the elements of \(scoring.shape), which would be "
                    + "\(other.shape); expected others, or outputs of one size")
        }
    }

    /// Goes on with outputs of other sizes, which were checked.
    func resize(_ scoring: Scoring) { self.scoring = scoring }

    /// Makes room for so many samples more. Throws `.memory`.
    func reserve(samples count: Int) throws(MartletError) {
        if !scoring.settings.metrics.has(.auc) { return }
        let (wanted, isBeyond) = count.multipliedReportingOverflow(by: scoring.accuracyRows)
        try answers.reserve(isBeyond ? .max : wanted)
    }

    /// Forgets all samples.
    func reset() {
        answers.removeAll()
        sorting.reset()
        (samples, weight, loss, squares, magnitudes, accuracies) = (0, 0, 0, 0, 0, [0, 0])
        for right in 0..<classes.count where classes[right].right > 0 {
            for said in 0..<classCount { counts[right * classCount + said] = 0 }
        }
        for place in 0..<classes.count { classes[place] = ClassCounts() }
        for place in 0..<spreads.count { spreads[place] = Spread() }
    }

    func add(loss mean: Double, samples count: Int) {
        samples += count
        loss += mean * Double(count)
    }

    /// Adds a batch's weight in the means of metrics.
    func count(_ more: Double) { weight += more }

    /// Adds a batch's means of a metric that has some.
    func add(_ metric: Metric, mean: Double, weight: Double) {
        let sum = mean * weight
        switch metric {
        case .accuracy: accuracies[0] += sum
        case .topAccuracy: accuracies[1] += sum
        case .mse: squares += sum
        default: magnitudes += sum
        }
    }

    /// Adds what other metrics need of a batch. Throws `.memory`, and not within the samples that there is room for.
    func add(
        _ output: UnsafePointer<Float>, _ expected: Expected, _ mask: UnsafePointer<Float>?, samples count: Int
    ) throws(MartletError) {
        if counts.count > 0 { unsafe addCounts(output, expected, mask, rows: count * scoring.accuracyRows) }
        if spreads.count > 0, let targets = unsafe expected.targets { unsafe addSpreads(output, targets, count) }
        if scoring.settings.metrics.has(.auc) {
            sorting.reset()
            for row in 0..<count * scoring.accuracyRows where unsafe isSeen(row, mask) {
                try unsafe answers.append(Answer(score: output[row], isYes: expected.isYes(row)))
            }
        }
    }

    private func isSeen(_ row: Int, _ mask: UnsafePointer<Float>?) -> Bool {
        guard let mask = unsafe mask else { return true }
        return unsafe mask[row / (scoring.accuracyRows / scoring.steps)] != 0
    }

    private func addCounts(
        _ output: UnsafePointer<Float>, _ expected: Expected, _ mask: UnsafePointer<Float>?, rows: Int
    ) {
        let columns = scoring.accuracyColumns
        for row in 0..<rows where unsafe isSeen(row, mask) {
            let (right, said): (Int, Int)
            if columns == 1 {
                (right, said) = unsafe (expected.isYes(row) ? 1 : 0, output[row] > scoring.threshold ? 1 : 0)
            } else {
                right =
                    unsafe expected.labels.map { unsafe Int($0[row]) }
                    ?? expected.targets.map { unsafe Self.largest($0 + row * columns, columns) } ?? 0
                said = unsafe Self.largest(output + row * columns, columns)
            }
            counts[right * classCount + said] += 1
            classes[right].right += 1
            classes[said].said += 1
            if right == said { classes[right].hits += 1 }
        }
    }

    /// The first of the largest; NaN is larger than any number.
    private static func largest(_ x: UnsafePointer<Float>, _ count: Int) -> Int {
        var best = 0
        for place in 0..<count where unsafe x[place].isNaN || x[place] > x[best] {
            if unsafe x[place].isNaN { return place }
            best = place
        }
        return best
    }

    private func addSpreads(_ output: UnsafePointer<Float>, _ targets: UnsafePointer<Float>, _ count: Int) {
        let elements = spreads.count
        for sample in 0..<count {
            for element in 0..<elements {
                let place = sample * elements + element
                unsafe spreads[element].add(Double(output[place]), Double(targets[place]))
            }
        }
    }

    // MARK: - What it comes to

    var meanLoss: Double { loss / Double(samples) }

    var hasNoMetrics: Bool { scoring.settings.metrics.isEmpty }

    /// A metric's number; NaN where it was not asked for.
    func value(_ metric: Metric) -> Double {
        guard scoring.settings.metrics.has(metric) else { return .nan }
        switch metric {
        case .accuracy: return mean(accuracies[0])
        case .topAccuracy: return mean(accuracies[1])
        case .mse: return mean(squares)
        case .mae: return mean(magnitudes)
        case .rmse: return mean(squares).squareRoot()
        case .r2: return determination
        case .precision: return meanOverClasses { Self.share($0.hits, of: $0.said) }
        case .recall: return meanOverClasses { Self.share($0.hits, of: $0.right) }
        case .f1: return meanOverClasses { Self.share(2 * $0.hits, of: $0.said + $0.right) }
        case .auc:
            return (try? sort()) == nil ? .nan : area
        case .perplexity: return exp(meanLoss)
        }
    }

    /// 0 where no step has counted.
    private func mean(_ sum: Double) -> Double { weight == 0 && samples > 0 ? 0 : sum / weight }

    /// How often the class `right` was taken for `said`; nil where nothing is counted.
    func count(right: Int, said: Int) -> Int64? { counts.count == 0 ? nil : counts[right * classCount + said] }
    var classCount: Int { scoring.classCount }

    private static func share(_ part: Int64, of all: Int64) -> Double { all == 0 ? 0 : Double(part) / Double(all) }

    /// What a class gives: of yes alone, where the answers are yes and no; else the mean over all classes that were said or
    /// right, as scikit-learn's "macro".
    private func meanOverClasses(_ body: (ClassCounts) -> Double) -> Double {
        var (sum, seen) = (0.0, 0)
        for one in (scoring.accuracyColumns == 1 ? 1 : 0)..<classes.count
        where classes[one].said + classes[one].right > 0 {
            sum += body(classes[one])
            seen += 1
        }
        return seen == 0 ? 0 : sum / Double(seen)
    }

    /// R2, the coefficient of determination: the mean over the elements of 1 - (errors' squares) / (squares around the mean),
    /// as scikit-learn has it: of an element that never changes 1 where it is always met, else 0; NaN of fewer than two
    /// samples.
    private var determination: Double {
        if samples < 2 { return .nan }
        var sum = 0.0
        for place in 0..<spreads.count { sum += spreads[place].determination(Double(samples)) }
        return sum / Double(spreads.count)
    }

    /// Works AUC out, where answers have come since: of several threads one does. Throws `.interrupted` where a thread
    /// was at it when this process was forked.
    func sort() throws(MartletError) {
        try sorting.perform { () throws(MartletError) in
            area = .nan
            // Comparisons with NaN would lead a sort astray.
            guard let base = unsafe answers.elements.baseAddress,
                unsafe !answers.elements.contains(where: \.score.isNaN)
            else { return }
            unsafe qsort(base, answers.count, MemoryLayout<Answer>.stride) { (left, right) in
                let (left, right) = unsafe (
                    left.unsafelyUnwrapped.load(as: Answer.self).score,
                    right.unsafelyUnwrapped.load(as: Answer.self).score
                )
                return left < right ? -1 : left > right ? 1 : 0
            }
            area = areaUnderCurve
        }
    }

    /// The area under the curve of true over false positive rates: how probable it is that an answer where yes is right is
    /// larger than one where no is, of equals one half, of answers that lie in order. Exact; NaN where one of the two kinds
    /// is missing.
    private var areaUnderCurve: Double {
        let list = unsafe answers.elements
        // Pairs are counted in halves.
        var (below, pairs, yes) = (0.0, 0.0, 0.0)
        var start = 0
        while start < list.count {
            let score = unsafe list[start].score
            var (end, equal) = (start, 0.0)
            while end < list.count, unsafe list[end].score == score {
                if unsafe list[end].isYes { equal += 1 }
                end += 1
            }
            let others = Double(end - start) - equal
            pairs += equal * (2 * below + others)
            yes += equal
            below += others
            start = end
        }
        return yes == 0 || below == 0 ? .nan : pairs / (2 * yes * below)
    }
}

/// How often a class was said, was right, and both at once.
private struct ClassCounts: BitwiseCopyable {
    var hits: Int64 = 0
    var said: Int64 = 0
    var right: Int64 = 0
}

/// Of one element of all samples: squared errors, and how far the numbers wanted are spread around the first.
private struct Spread: BitwiseCopyable {
    private var errors = 0.0
    private var shift = Double.nan
    private var sum = 0.0
    private var squares = 0.0

    mutating func add(_ output: Double, _ target: Double) {
        if shift.isNaN { shift = target }
        let distance = target - shift
        errors += (target - output) * (target - output)
        sum += distance
        squares += distance * distance
    }

    func determination(_ samples: Double) -> Double {
        let all = squares - sum * sum / samples
        if all == 0 { return errors == 0 ? 1 : 0 }
        return 1 - errors / all
    }
}

private struct Answer: BitwiseCopyable {
    let score: Float
    let isYes: Bool
}
