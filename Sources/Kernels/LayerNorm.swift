// Rows brought to mean 0 and deviation 1, scaled and shifted (Ba, Kiros, Hinton: Layer normalization, arXiv 1607.06450,
// 2016), and the gradients of that; or to a mean square of 1 alone (Zhang, Sennrich: Root mean square layer normalization,
// NeurIPS 2019). The variance is the mean of squares of what differs from the mean, or from 0.

import MartletKernelInterface

/// y = (x - mean) / sqrt(variance + epsilon) scale + shift on one piece's rows.
func layerNorm(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: LayerNormRequest = value(at: request)
    let columns = request.columns
    let share = 1 / Float(columns)
    for row in request.cut.start(piece)..<request.cut.end(piece) {
        let (x, y) = (request.x + row * columns, request.y + row * columns)
        let mean = request.isCentered ? rowSum(columns) { keep($1, load($1, x + $0), otherwise: 0) } * share : 0
        let variance = rowSum(columns) {
            let off = keep($1, load($1, x + $0) - mean, otherwise: 0)
            return off * off
        }
        let factor = 1 / (variance * share + request.epsilon).squareRoot()
        if let saved = request.saved {
            put(mean, at: saved + 2 * row)
            put(factor, at: saved + 2 * row + 1)
        }
        var index = 0
        while index < columns {
            let count = min(columns - index, grain)
            var normal = (load(count, x + index) - mean) * factor
            if let scale = request.scale { normal *= load(count, scale + index) }
            if let shift = request.shift { normal += load(count, shift + index) }
            store(count, normal, to: y + index)
            index += grain
        }
    }
}

/// gradient (x - mean) / sqrt(variance + epsilon) on one piece's rows.
func layerNormProducts(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: LayerNormProductsRequest = value(at: request)
    let columns = request.columns
    for row in request.cut.start(piece)..<request.cut.end(piece) {
        let place = row * columns
        let (mean, factor) = (number(request.saved + 2 * row), number(request.saved + 2 * row + 1))
        var index = place
        while index < place + columns {
            let count = min(place + columns - index, grain)
            let normal = (load(count, request.x + index) - mean) * factor
            store(count, load(count, request.gradient + index) * normal, to: request.out + index)
            index += grain
        }
    }
}

/// The input's gradient on one piece's rows.
func layerNormBackward(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: LayerNormBackwardRequest = value(at: request)
    let columns = request.columns
    let share = 1 / Float(columns)
    for row in request.cut.start(piece)..<request.cut.end(piece) {
        let (x, gradient) = (request.x + row * columns, request.gradient + row * columns)
        let out = request.out + row * columns
        let (mean, factor) = (number(request.saved + 2 * row), number(request.saved + 2 * row + 1))
        @inline(__always)
        func scaled(_ index: Int, _ count: Int) -> Floats {
            let gradient = keep(count, load(count, gradient + index), otherwise: 0)
            return if let scale = request.scale { gradient * load(count, scale + index) } else { gradient }
        }
        let mean1 = request.isCentered ? rowSum(columns) { scaled($0, $1) } * share : 0
        let mean2 = rowSum(columns) { scaled($0, $1) * ((load($1, x + $0) - mean) * factor) } * share
        var index = 0
        while index < columns {
            let count = min(columns - index, grain)
            let normal = (load(count, x + index) - mean) * factor
            store(count, (scaled(index, count) - mean1 - normal * mean2) * factor, to: out + index)
            index += grain
        }
    }
}

/// The sum over a row of what a function gives for up to sixteen columns from a place on, zeros behind them.
@inline(__always)
private func rowSum(_ columns: Int, _ part: (_ index: Int, _ count: Int) -> Floats) -> Float {
    var total = Floats.zero
    var index = 0
    while index < columns {
        total += part(index, min(columns - index, grain))
        index += grain
    }
    return sum(total)
}
