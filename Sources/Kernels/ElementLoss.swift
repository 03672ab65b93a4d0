// Losses of single elements and their gradients: binary cross-entropy, squared and absolute errors, Huber's. A row's loss
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

func elementLoss(_ request: LossRequest, _ piece: Int) {
    switch request.loss {
    case .binaryCrossEntropy: rows(BinaryCrossEntropy(), request, piece, smoothing: request.smoothing)
    case .binaryCrossEntropyFromProbabilities:
        rows(BinaryCrossEntropyFromProbabilities(), request, piece, smoothing: request.smoothing)
    case .mse: rows(SquaredError(), request, piece, smoothing: 0)
    case .mae: rows(AbsoluteError(), request, piece, smoothing: 0)
    case .huber: rows(Huber(delta: request.delta), request, piece, smoothing: 0)
    case .crossEntropy, .crossEntropyFromProbabilities, .nll: break
    }
}

/// - Parameter smoothing: how much of each number wanted is replaced by 1/2.
@inline(never)
private func rows<Loss: ElementLoss>(_ loss: Loss, _ request: LossRequest, _ piece: Int, smoothing: Float) {
    let columns = request.columns
    let all = request.rows * columns
    let (start, end) = (request.cut.start(piece), request.cut.end(piece))
    let factor = 1 / (Float(request.rows) * Float(columns))
    // Sixteen rows of one column, or one row.
    let step = columns == 1 ? grain : 1
    var row = start
    while row < end {
        let length = columns == 1 ? min(end - row, grain) : columns
        var total = Floats.zero
        var column = 0
        while column < length {
            let count = min(length - column, grain)
            let place = row * columns + column
            var z = wanted(request, row, column, count)
            if smoothing != 0 { z = z * (1 - smoothing) + smoothing * 0.5 }
            let result = loss(load(count, request.output + place, left: all - place), z)
            total += keep(count, result.loss, otherwise: 0)
            if let gradient = request.gradient { store(count, result.slope * factor, to: gradient + place) }
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
