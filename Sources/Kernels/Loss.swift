// Losses over classes and their gradients, row by row: cross-entropy from logits by log-sum-exp, from probabilities as
// Keras has it, and from log-probabilities. Targets are probabilities of the classes, or labels that stand for one of
// them; smoothing mixes them with the uniform ones. Losses of single elements are in ElementLoss.swift, focal ones
// in FocalLoss.swift.

import MartletKernelInterface

/// Which probabilities a row should have.
struct RowTargets {
    let label: Int
    let targets: UnsafePointer<Float>?
    let share, uniform: Float
    /// Elements of the array from the row on.
    let left: Int

    @inline(__always)
    init(_ request: LossRequest, row: Int, uniform: Float) {
        var label = -1
        if let labels = request.labels {
            let number: Int32 = value(at: labels + row)
            label = Int(number)
        }
        self.label = label
        targets = request.targets.map { $0 + row * request.columns }
        share = 1 - request.numbers.smoothing
        left = (request.rows - row) * request.columns
        self.uniform = request.numbers.smoothing * uniform
    }

    /// Sixteen columns' targets; 0 from `count` on.
    @_transparent
    func numbers(_ count: Int, at column: Int) -> Floats {
        var numbers: Floats
        if let targets {
            numbers = load(count, targets + column, left: left - column)
        } else {
            numbers = Floats.zero.replacing(with: 1, where: laneNumbers .== Floats(repeating: Float(label - column)))
        }
        if uniform != 0 { numbers = keep(count, numbers * share + uniform, otherwise: 0) }
        return numbers
    }
}

/// The losses and gradients of one piece's rows.
func loss(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: LossRequest = value(at: request)
    let rows = request.cut.start(piece)..<request.cut.end(piece)
    switch request.loss {
    case .crossEntropy:
        let first = areFewClasses(request) ? fewClasses(request, rows, scratch) : rows.lowerBound
        classes(request, first..<rows.upperBound, crossEntropy)
    case .crossEntropyFromProbabilities: classes(request, rows, crossEntropyFromProbabilities)
    case .nll: classes(request, rows, negativeLogLikelihood)
    case .kullbackLeibler: classes(request, rows, divergence)
    case .cosine: classes(request, rows, cosine)
    case .focal:
        classes(request, rows) { focal($0, $1, $2, $3, $4, request.numbers.gamma, request.numbers.alpha) }
    case .focalFromProbabilities:
        classes(request, rows) {
            focalFromProbabilities($0, $1, $2, $3, $4, request.numbers.gamma, request.numbers.alpha)
        }
    default: elementLoss(request, piece)
    }
}

/// The loss of one row of `columns` outputs; writes the gradient, times `factor`.
private typealias RowLoss = (
    _ columns: Int, _ x: UnsafePointer<Float>, _ targets: RowTargets, _ gradient: UnsafeMutablePointer<Float>?,
    _ factor: Float
) -> Float

@inline(__always)
private func classes(_ request: LossRequest, _ rows: Range<Int>, _ rowLoss: RowLoss) {
    let columns = request.columns
    let factor = request.numbers.weight / Float(request.rows)
    let uniform = 1 / Float(columns)
    for row in rows {
        let targets = RowTargets(request, row: row, uniform: uniform)
        let gradient = request.gradient.map { $0 + row * columns }
        let weight = request.weights.map { number($0 + row) } ?? 1
        let loss = rowLoss(columns, request.output + row * columns, targets, gradient, factor * weight)
        put(weight == 0 ? 0 : loss * weight, at: request.rowLoss + row)
        if let gradient, weight == 0 { clearNumbers(gradient, count: columns) }
    }
}

/// The sum of -q log softmax(x) = q (log sum e^(x - top) - (x - top)); the gradient is softmax(x) sum(q) - q.
@inline(never)
private func crossEntropy(
    _ columns: Int, _ x: UnsafePointer<Float>, _ targets: RowTargets, _ gradient: UnsafeMutablePointer<Float>?,
    _ factor: Float
) -> Float {
    let top = largest(columns, x, left: targets.left)
    var (powers, weights, products) = (Floats.zero, Floats.zero, Floats.zero)
    var column = 0
    while column < columns {
        let count = min(columns - column, grain)
        let difference = load(count, x + column, left: targets.left - column) - top
        let power = exponential(difference)
        let q = targets.numbers(count, at: column)
        powers += keep(count, power, otherwise: 0)
        weights += q
        // What is not wanted may be impossible: 0 times infinity counts as 0.
        products += (q * difference).replacing(with: 0, where: q .== 0)
        if let gradient { store(count, power, to: gradient + column) }
        column += grain
    }
    let (total, weight) = (sum(powers), sum(weights))
    let loss = logarithm(Floats(repeating: total))[0] * weight - sum(products)
    guard let gradient else { return loss }
    let share = weight * factor / total
    column = 0
    while column < columns {
        let count = min(columns - column, grain)
        let q = targets.numbers(count, at: column)
        let power = load(count, gradient + column, left: targets.left - column)
        store(count, power * share - q * factor, to: gradient + column)
        column += grain
    }
    return loss
}

/// The sum of -q log(clip(p / sum p)); where it clips, the gradient is 0.
@inline(never)
private func crossEntropyFromProbabilities(
    _ columns: Int, _ p: UnsafePointer<Float>, _ targets: RowTargets, _ gradient: UnsafeMutablePointer<Float>?,
    _ factor: Float
) -> Float {
    let total = rowTotal(columns, p, left: targets.left)
    var (losses, products) = (Floats.zero, Floats.zero)
    var column = 0
    while column < columns {
        let count = min(columns - column, grain)
        let ratio = load(count, p + column, left: targets.left - column) / total
        let clipped = clamp(ratio, leastProbability, 1 - leastProbability)
        let q = targets.numbers(count, at: column)
        losses -= q * logarithm(clipped)
        let slope = (q / clipped).replacing(with: 0, where: ratio .!= clipped)
        products += slope * clipped
        if let gradient { store(count, slope, to: gradient + column) }
        column += grain
    }
    guard let gradient else { return sum(losses) }
    leadBack(columns, gradient, sum(products), factor / total, left: targets.left)
    return sum(losses)
}

/// The sum of a row's numbers.
@inline(__always)
func rowTotal(_ columns: Int, _ x: UnsafePointer<Float>, left: Int) -> Float {
    var totals = Floats.zero
    var column = 0
    while column < columns {
        totals += load(min(columns - column, grain), x + column, left: left - column)
        column += grain
    }
    return sum(totals)
}

/// Makes slopes by x / sum x, with the sign turned, gradients by x: what the others give to the sum comes back.
@inline(__always)
func leadBack(
    _ columns: Int, _ gradient: UnsafeMutablePointer<Float>, _ product: Float, _ share: Float, left: Int
) {
    var column = 0
    while column < columns {
        let count = min(columns - column, grain)
        let slope = load(count, gradient + column, left: left - column)
        store(count, (product - slope) * share, to: gradient + column)
        column += grain
    }
}

/// How far Keras keeps probabilities from 0 and 1.
@inline(__always)
var leastProbability: Float { 1e-7 }

/// The sum of -q x.
@inline(never)
private func negativeLogLikelihood(
    _ columns: Int, _ x: UnsafePointer<Float>, _ targets: RowTargets, _ gradient: UnsafeMutablePointer<Float>?,
    _ factor: Float
) -> Float {
    var total = Floats.zero
    var column = 0
    while column < columns {
        let count = min(columns - column, grain)
        let q = targets.numbers(count, at: column)
        total -= (q * load(count, x + column, left: targets.left - column)).replacing(with: 0, where: q .== 0)
        if let gradient { store(count, q * -factor, to: gradient + column) }
        column += grain
    }
    return sum(total)
}

/// The sum of q log(q / p), both clipped; where p is, the gradient is 0. Kullback, Leibler, 1951.
@inline(never)
private func divergence(
    _ columns: Int, _ p: UnsafePointer<Float>, _ targets: RowTargets, _ gradient: UnsafeMutablePointer<Float>?,
    _ factor: Float
) -> Float {
    var total = Floats.zero
    var column = 0
    while column < columns {
        let count = min(columns - column, grain)
        let given = load(count, p + column, left: targets.left - column)
        let clipped = clamp(given, leastProbability, 1)
        let q = clamp(targets.numbers(count, at: column), leastProbability, 1)
        total += keep(count, q * (logarithm(q) - logarithm(clipped)), otherwise: 0)
        if let gradient {
            let slope = (q / clipped).replacing(with: 0, where: given .!= clipped)
            store(count, slope * -factor, to: gradient + column)
        }
        column += grain
    }
    return sum(total)
}

/// -x z / (|x| |z|), no length less than 1e-6; the gradient is -(z / |z| - c x / |x|) / |x| with the cosine c.
@inline(never)
private func cosine(
    _ columns: Int, _ x: UnsafePointer<Float>, _ targets: RowTargets, _ gradient: UnsafeMutablePointer<Float>?,
    _ factor: Float
) -> Float {
    var (squares, wanted, products) = (Floats.zero, Floats.zero, Floats.zero)
    var column = 0
    while column < columns {
        let count = min(columns - column, grain)
        let number = keep(count, load(count, x + column, left: targets.left - column), otherwise: 0)
        let z = targets.numbers(count, at: column)
        (squares, wanted, products) = (squares + number * number, wanted + z * z, products + number * z)
        column += grain
    }
    let (square, least) = (sum(squares), Float(1e-12))
    let length = (square < least ? least : square).squareRoot()
    let other = sum(wanted)
    let share = 1 / (length * (other < least ? least : other).squareRoot())
    let product = sum(products) * share
    guard let gradient else { return -product }
    // A length that is held at its least is no function of x.
    let back = square < least ? 0 : product / (length * length)
    column = 0
    while column < columns {
        let count = min(columns - column, grain)
        let number = load(count, x + column, left: targets.left - column)
        store(count, (number * back - targets.numbers(count, at: column) * share) * factor, to: gradient + column)
        column += grain
    }
    return -product
}
