// Softmax by rows, and its gradient. The largest element of a row is subtracted first, so that no exponential overflows;
// a row with NaN or infinity becomes NaN. The loss that is a logarithm of it has its own way (Loss.swift).

import MartletKernelInterface

/// y = e^(x - largest) / sum, on one piece's rows. x and y may be one array.
func softmax(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: SoftmaxRequest = value(at: request)
    let columns = request.columns
    for row in request.cut.start(piece)..<request.cut.end(piece) {
        let (x, y) = (request.x + row * columns, request.y + row * columns)
        let left = (request.cut.count - row) * columns
        if columns <= grain {
            let numbers = keep(columns, load(columns, x, left: left), otherwise: -.infinity)
            let powers = exponential(numbers - largest(numbers))
            store(columns, powers * (1 / sum(powers)), to: y)
            continue
        }
        let top = largest(columns, x, left: left)
        let factor = 1 / exponentials(columns, x, less: top, to: y)
        var index = 0
        while index < columns {
            let count = min(columns - index, grain)
            store(count, load(count, y + index) * factor, to: y + index)
            index += grain
        }
    }
}

/// The largest element of a row; a NaN may count or not.
@inline(__always)
func largest(_ columns: Int, _ x: UnsafePointer<Float>, left: Int) -> Float {
    var top = Floats(repeating: -.infinity)
    var index = 0
    while index < columns {
        let count = min(columns - index, grain)
        let numbers = keep(count, load(count, x + index, left: left - index), otherwise: -.infinity)
        top = top.replacing(with: numbers, where: numbers .> top)
        index += grain
    }
    return largest(top)
}

/// Writes e^(x - top) of a row to y, and returns the sum.
@inline(__always)
func exponentials(
    _ columns: Int, _ x: UnsafePointer<Float>, less top: Float, to y: UnsafeMutablePointer<Float>
) -> Float {
    var total = Floats.zero
    var index = 0
    while index < columns {
        let count = min(columns - index, grain)
        let powers = exponential(load(count, x + index) - top)
        total += keep(count, powers, otherwise: 0)
        store(count, powers, to: y + index)
        index += grain
    }
    return sum(total)
}

/// out = scale * y * (gradient - sum of y * gradient), on one piece's rows. out and gradient may be one array.
func softmaxBackward(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: SoftmaxBackwardRequest = value(at: request)
    let columns = request.columns
    for row in request.cut.start(piece)..<request.cut.end(piece) {
        let (y, gradient) = (request.y + row * columns, request.gradient + row * columns)
        let out = request.out + row * columns
        let left = (request.cut.count - row) * columns
        var total = Floats.zero
        var index = 0
        while index < columns {
            let count = min(columns - index, grain)
            let factor = load(count, y + index, left: left - index)
            total = multiplyAdd(total, factor, load(count, gradient + index, left: left - index))
            index += grain
        }
        let product = sum(total)
        index = 0
        while index < columns {
            let count = min(columns - index, grain)
            let factor = load(count, y + index, left: left - index)
            let centred = load(count, gradient + index, left: left - index) - product
            store(count, factor * centred * request.scale, to: out + index)
            index += grain
        }
    }
}
