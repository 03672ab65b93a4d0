// Losses of single elements and their gradients: binary cross-entropy, errors, hinge, Poisson's. A row's loss
// is the mean over its columns; rows of one column are taken sixteen at once. Losses over classes are in Loss.swift.

import MartletKernelInterface

/// A loss of an output x where z is wanted, and its derivative by x.
private protocol ElementLoss {
    func callAsFunction(_ x: Floats, _ z: Floats) -> (loss: Floats, slope: Floats)
}

/// max(x, 0) - x z + log(1 + e^-|x|): -z log s(x) - (1 - z) log(1 - s(x)), where nothing overflows.
private struct BinaryCrossEntropy: ElementLoss {
    @_transparent
    func callAsFunction(_ x: Floats, _ z: Floats) -> (loss: Floats, slope: Floats) {
        let power = exponential(-magnitude(x))
        let positive = x.replacing(with: 0, where: x .< 0)
        return (positive - x * z + logarithm(onePlus: power), logistic(x, power) - z)
    }
}

/// Of a probability, kept from 0 and 1; where it is, the derivative is 0.
private struct BinaryCrossEntropyFromProbabilities: ElementLoss {
    @_transparent
    func callAsFunction(_ x: Floats, _ z: Floats) -> (loss: Floats, slope: Floats) {
        let p = clamp(x, leastProbability, 1 - leastProbability)
        let loss = -(z * logarithm(p) + (1 - z) * logarithm(1 - p))
        let isOutside = (x .< leastProbability) .| (x .> 1 - leastProbability)
        return (loss, ((p - z) / (p * (1 - p))).replacing(with: 0, where: isOutside))
    }
}

/// Cross-entropy of a logit or a probability, times u^gamma, u = z (1 - p) + (1 - z) p, and times a weight: alpha where z is
/// 1 and 1 - alpha where it is 0.
private struct BinaryFocal: ElementLoss {
    let gamma, alpha: Float
    let isOfLogits: Bool

    init(_ request: LossRequest) {
        (gamma, alpha) = (request.numbers.gamma, request.numbers.alpha)
        if case .binaryFocal = request.loss { isOfLogits = true } else { isOfLogits = false }
    }

    @_transparent
    func callAsFunction(_ x: Floats, _ z: Floats) -> (loss: Floats, slope: Floats) {
        // The probability, what is left of it, and its derivative by x.
        var (p, rest, turn) = (x, x, Floats(repeating: 1))
        var plain: (loss: Floats, slope: Floats)
        if isOfLogits {
            let power = exponential(-magnitude(x))
            (p, rest) = (logistic(x, power), logistic(-x, power))
            turn = p * rest
            plain = BinaryCrossEntropy()(x, z)
        } else {
            p = clamp(x, leastProbability, 1 - leastProbability)
            rest = 1 - p
            plain = BinaryCrossEntropyFromProbabilities()(x, z)
        }
        let distance = clamp(z * rest + (1 - z) * p, 1e-37, 1)
        var share = power(distance, gamma)
        if alpha >= 0 { share *= z * alpha + (1 - z) * (1 - alpha) }
        let slope = share * (plain.slope + (1 - z - z) * turn / distance * plain.loss * gamma)
        // Where a probability is clamped, nothing moves it.
        return (share * plain.loss, isOfLogits ? slope : slope.replacing(with: 0, where: p .!= x))
    }
}

private struct SquaredError: ElementLoss {
    @_transparent
    func callAsFunction(_ x: Floats, _ z: Floats) -> (loss: Floats, slope: Floats) {
        let error = x - z
        return (error * error, error + error)
    }
}

private struct AbsoluteError: ElementLoss {
    @_transparent
    func callAsFunction(_ x: Floats, _ z: Floats) -> (loss: Floats, slope: Floats) {
        let error = x - z
        return (magnitude(error), error.replacing(with: 1, where: error .> 0).replacing(with: -1, where: error .< 0))
    }
}

private struct Huber: ElementLoss {
    let delta: Float
    @_transparent
    func callAsFunction(_ x: Floats, _ z: Floats) -> (loss: Floats, slope: Floats) {
        let error = x - z
        let size = magnitude(error)
        let linear = (size - delta * 0.5) * delta
        return ((error * error * 0.5).replacing(with: linear, where: size .> delta), clamp(error, -delta, delta))
    }
}

/// max(1 - x z, 0), where a z of 0 counts as -1.
private struct Hinge: ElementLoss {
    @_transparent
    func callAsFunction(_ x: Floats, _ z: Floats) -> (loss: Floats, slope: Floats) {
        let side = z.replacing(with: -1, where: z .== 0)
        let margin = 1 - x * side
        return (margin.replacing(with: 0, where: margin .< 0), (-side).replacing(with: 0, where: margin .<= 0))
    }
}

/// log cosh of the error: |e| + log(1 + e^-2|e|) - log 2.
private struct LogCosh: ElementLoss {
    @_transparent
    func callAsFunction(_ x: Floats, _ z: Floats) -> (loss: Floats, slope: Floats) {
        let error = x - z
        let size = magnitude(error)
        return (size + logarithm(onePlus: exponential(size * -2)) - 0.693_147_18, hyperbolicTangent(error))
    }
}

/// x - z log(x + 1e-7): minus the logarithm of z's likelihood under a mean of x, without what does not depend on x.
private struct Poisson: ElementLoss {
    @_transparent
    func callAsFunction(_ x: Floats, _ z: Floats) -> (loss: Floats, slope: Floats) {
        let shifted = x + leastProbability
        return (x - z * logarithm(shifted), 1 - z / shifted)
    }
}

func elementLoss(_ request: LossRequest, _ piece: Int) {
    switch request.loss {
    case .binaryCrossEntropy: rows(BinaryCrossEntropy(), request, piece, smoothing: request.numbers.smoothing)
    case .binaryCrossEntropyFromProbabilities:
        rows(BinaryCrossEntropyFromProbabilities(), request, piece, smoothing: request.numbers.smoothing)
    case .binaryFocal, .binaryFocalFromProbabilities:
        rows(BinaryFocal(request), request, piece, smoothing: request.numbers.smoothing)
    case .mse: rows(SquaredError(), request, piece, smoothing: 0)
    case .mae: rows(AbsoluteError(), request, piece, smoothing: 0)
    case .huber: rows(Huber(delta: request.numbers.delta), request, piece, smoothing: 0)
    case .hinge: rows(Hinge(), request, piece, smoothing: 0)
    case .logCosh: rows(LogCosh(), request, piece, smoothing: 0)
    case .poisson: rows(Poisson(), request, piece, smoothing: 0)
    case .crossEntropy, .crossEntropyFromProbabilities, .nll, .kullbackLeibler, .cosine, .focal,
        .focalFromProbabilities:
        break
    }
}

/// - Parameter smoothing: how much of each number wanted is replaced by 1/2.
@inline(never)
private func rows<Loss: ElementLoss>(_ loss: Loss, _ request: LossRequest, _ piece: Int, smoothing: Float) {
    let columns = request.columns
    let all = request.rows * columns
    let (start, end) = (request.cut.start(piece), request.cut.end(piece))
    let factor = request.numbers.weight / (Float(request.rows) * Float(columns))
    // Sixteen rows of one column, or one row.
    let step = columns == 1 ? grain : 1
    var row = start
    while row < end {
        let length = columns == 1 ? min(end - row, grain) : columns
        let weight = weights(request, row, columns == 1 ? length : 1)
        var total = Floats.zero
        var column = 0
        while column < length {
            let count = min(length - column, grain)
            let place = row * columns + column
            var z = wanted(request, row, column, count)
            if smoothing != 0 { z = z * (1 - smoothing) + smoothing * 0.5 }
            let result = loss(load(count, request.output + place, left: all - place), z)
            total += keep(count, weighted(result.loss, weight), otherwise: 0)
            if let gradient = request.gradient {
                store(count, weighted(result.slope, weight) * factor, to: gradient + place)
            }
            column += grain
        }
        if columns == 1 {
            store(length, total, to: request.rowLoss + row)
        } else {
            put(sum(total) * (1 / Float(columns)), at: request.rowLoss + row)
        }
        row += step
    }
}

/// What the losses of sixteen rows of one column count, or of one row.
@_transparent
private func weights(_ request: LossRequest, _ row: Int, _ count: Int) -> Floats {
    guard let weights = request.weights else { return Floats(repeating: 1) }
    return count > 1 ? load(count, weights + row) : Floats(repeating: number(weights + row))
}

/// Numbers times their weights; 0 where that is 0.
@_transparent
private func weighted(_ x: Floats, _ weight: Floats) -> Floats { (x * weight).replacing(with: 0, where: weight .== 0) }

/// What sixteen outputs should be: targets, or where each row is of one column, labels as numbers.
@_transparent
private func wanted(_ request: LossRequest, _ row: Int, _ column: Int, _ count: Int) -> Floats {
    if let targets = request.targets {
        let place = row * request.columns + column
        return load(count, targets + place, left: request.rows * request.columns - place)
    }
    guard let labels = request.labels else { return .zero }
    return numbers(count, labels + row)
}

/// Sixteen labels as numbers.
@_transparent
func numbers(_ count: Int, _ labels: UnsafePointer<Int32>) -> Floats {
    let integers = load(count, labels)
    var numbers = Floats.zero
    for lane in 0..<grain { numbers[lane] = Float(integers[lane]) }
    return numbers
}
