// Focal losses over classes and their gradients, row by row: cross-entropies whose terms count (1 - p)^gamma, so that what
// is nearly right counts little. Lin, Goyal, Girshick, He, Dollar, 2017. Those of single elements are in ElementLoss.swift.

import MartletKernelInterface

/// The least 1 - p that a power is taken of: no logarithm is infinite.
@inline(__always)
private var leastRest: Float { 1e-37 }

/// x^power, of x over 0.
@_transparent
func power(_ x: Floats, _ power: Float) -> Floats { exponential(logarithm(x) * power) }

/// m = (1 - p)^gamma, and what it adds to the slope of -log p: -p d/dp of m l is m + gamma p m / (1 - p) l.
@_transparent
private func focus(_ p: Floats, _ rest: Floats, _ loss: Floats, _ gamma: Float) -> (share: Floats, slope: Floats) {
    let rest = clamp(rest, leastRest, 1)
    let share = power(rest, gamma)
    return (share, share + p * (share / rest) * loss * gamma)
}

/// The sum of -q (1 - p)^gamma log p alpha, p = softmax(x); the gradient is alpha (p sum(q g) - q g), g as ``focus`` has it.
@inline(never)
func focal(
    _ columns: Int, _ x: UnsafePointer<Float>, _ targets: RowTargets, _ gradient: UnsafeMutablePointer<Float>?,
    _ factor: Float, _ gamma: Float, _ alpha: Float
) -> Float {
    let top = largest(columns, x, left: targets.left)
    var powers = Floats.zero
    var column = 0
    while column < columns {
        let count = min(columns - column, grain)
        let difference = load(count, x + column, left: targets.left - column) - top
        powers += keep(count, exponential(difference), otherwise: 0)
        column += grain
    }
    let total = sum(powers)
    let logTotal = logarithm(Floats(repeating: total))
    // A column's p, its loss, and q times its slope; what is not wanted may be impossible: 0 times infinity counts as 0.
    @inline(__always)
    func term(_ column: Int, _ count: Int) -> (p: Floats, loss: Floats, slope: Floats) {
        let difference = load(count, x + column, left: targets.left - column) - top
        let power = exponential(difference)
        let p = power / total
        let q = targets.numbers(count, at: column)
        let loss = logTotal - difference
        let focus = focus(p, (total - power) / total, loss, gamma)
        let (weighted, slope) = (q * focus.share * loss, q * focus.slope)
        return (p, weighted.replacing(with: 0, where: q .== 0), slope.replacing(with: 0, where: q .== 0))
    }
    var (losses, slopes) = (Floats.zero, Floats.zero)
    column = 0
    while column < columns {
        let count = min(columns - column, grain)
        let term = term(column, count)
        losses += keep(count, term.loss, otherwise: 0)
        slopes += keep(count, term.slope, otherwise: 0)
        column += grain
    }
    let loss = sum(losses) * alpha
    guard let gradient else { return loss }
    let (share, slope) = (factor * alpha, sum(slopes))
    column = 0
    while column < columns {
        let count = min(columns - column, grain)
        let term = term(column, count)
        store(count, (term.p * slope - term.slope) * share, to: gradient + column)
        column += grain
    }
    return loss
}

/// The same of p = clip(x / sum x); where it clips, the gradient is 0.
@inline(never)
func focalFromProbabilities(
    _ columns: Int, _ x: UnsafePointer<Float>, _ targets: RowTargets, _ gradient: UnsafeMutablePointer<Float>?,
    _ factor: Float, _ gamma: Float, _ alpha: Float
) -> Float {
    let total = rowTotal(columns, x, left: targets.left)
    var (losses, products) = (Floats.zero, Floats.zero)
    var column = 0
    while column < columns {
        let count = min(columns - column, grain)
        let ratio = load(count, x + column, left: targets.left - column) / total
        let p = clamp(ratio, leastProbability, 1 - leastProbability)
        let loss = -logarithm(p)
        let q = targets.numbers(count, at: column)
        let focus = focus(p, 1 - p, loss, gamma)
        losses += q * focus.share * loss
        let product = (q * focus.slope).replacing(with: 0, where: ratio .!= p)
        products += product
        if let gradient { store(count, product / p, to: gradient + column) }
        column += grain
    }
    guard let gradient else { return sum(losses) * alpha }
    leadBack(columns, gradient, sum(products), factor * alpha / total, left: targets.left)
    return sum(losses) * alpha
}
