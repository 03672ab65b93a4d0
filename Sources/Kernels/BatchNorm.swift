// Batch normalisation (Ioffe and Szegedy, arXiv:1502.03167) over rows x channels, for training, for use, and its
// gradient:
//     y = (x - mean) / sqrt(variance + epsilon) * scale + shift
//     dx = scale / deviation * (dy - mean(dy) - (x - mean) / deviation^2 * mean(dy * (x - mean)))
// Means and variances of blocks of rows are put together as by Chan, Golub and LeVeque (1979). No sums over other things
// than rows (ColumnSums.swift), no walk of its own (Columns.swift).

import MartletKernelInterface

/// Mean and sum of squared differences from it, of one part of the rows.
func batchNormMoments(_ request: UnsafeRawPointer, _ part: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: BatchNormRequest = value(at: request)
    let (first, end) = (request.parts.start(part), request.parts.end(part))
    let all = request.rows * request.channels
    let (means, squares) = partialSums(request.partial, part: part, columns: request.channelCount)
    var row = first
    while row < end {
        let stop = min(row + blockRows, end)
        var channel = 0
        while channel < request.channelCount {
            let count = min(request.channelCount - channel, grain)
            let start = request.firstChannel + channel
            // Differences from the block's first row: their squares lose little, wherever the mean is.
            let x = request.x + start
            let base = loadReaching(count, all - start - row * request.channels, x + row * request.channels)
            let sums = differences(x, base, row, stop, request.channels, count, all - start)
            let size = Double(stop - row)
            let shifted = doubles(sums.first) / size
            let mean = doubles(base) + shifted
            let square = doubles(sums.second) - shifted * doubles(sums.first)
            if row == first {
                write(mean, to: means + channel)
                write(square, to: squares + channel)
            } else {
                let before = Double(row - first)
                let old: SIMD16<Double> = read(means + channel)
                let distance = mean - old
                write(old + distance * (size / (before + size)), to: means + channel)
                let sum = read(squares + channel) + square
                write(sum + distance * distance * (before * size / (before + size)), to: squares + channel)
            }
            channel += grain
        }
        row = stop
    }
}

/// Sums of differences from `base` and of their squares, for sixteen channels of some rows, two rows at a time.
@_transparent
private func differences(
    _ x: UnsafePointer<Float>, _ base: Floats, _ start: Int, _ stop: Int, _ stride: Int, _ count: Int, _ left: Int
) -> (first: Floats, second: Floats) {
    var (a, b, c, d) = (Floats.zero, Floats.zero, Floats.zero, Floats.zero)
    var row = start
    while row + 2 <= stop && (row + 1) * stride + grain <= left {
        let one = read(x + row * stride) - base
        let two = read(x + (row + 1) * stride) - base
        a += one
        b = multiplyAdd(b, one, one)
        c += two
        d = multiplyAdd(d, two, two)
        row += 2
    }
    while row < stop {
        let one = loadReaching(count, left - row * stride, x + row * stride) - base
        a += one
        b = multiplyAdd(b, one, one)
        row += 1
    }
    return (a + c, b + d)
}

/// Puts the parts together; writes what is saved and moves the moving statistics.
func batchNormStatistics(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: BatchNormRequest = value(at: request)
    guard let saved = request.saved, let moving = request.moving, request.rows > 0 else { return }
    let channels = request.channels
    let rows = Double(request.rows)
    let momentum = request.momentum
    let correction = request.unbiased ? rows / max(rows - 1, 1) : 1
    var channel = 0
    while channel < request.channelCount {
        let count = min(request.channelCount - channel, grain)
        let place = request.firstChannel + channel
        var mean = SIMD16<Double>.zero
        var square = SIMD16<Double>.zero
        for part in 0..<request.parts.pieces {
            let (means, squares) = partialSums(request.partial, part: part, columns: request.channelCount)
            let before = Double(request.parts.start(part))
            let size = Double(request.parts.end(part)) - before
            let distance = read(means + channel) - mean
            mean += distance * (size / (before + size))
            square += read(squares + channel) + distance * distance * (before * size / (before + size))
        }
        let variance = square / rows
        store(count, floats(mean), to: saved + place)
        store(count, floats(1 / (variance + Double(request.epsilon)).squareRoot()), to: saved + channels + place)
        let oldMean = doubles(load(count, moving + place))
        let oldVariance = doubles(load(count, moving + channels + place))
        store(count, floats(moved(oldMean, mean, momentum)), to: moving + place)
        store(count, floats(moved(oldVariance, variance * correction, momentum)), to: moving + channels + place)
        channel += grain
    }
}

/// An old statistic moved towards a batch's. The one that counts nothing is left out: 0 times infinity would be NaN.
@_transparent
private func moved(_ old: SIMD16<Double>, _ new: SIMD16<Double>, _ momentum: Double) -> SIMD16<Double> {
    momentum == 0 ? new : momentum == 1 ? old : old * momentum + new * (1 - momentum)
}

/// The elements, in training.
func batchNormApply(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: BatchNormRequest = value(at: request)
    guard let saved = request.saved else { return }
    apply(request, piece, scratch, mean: saved, deviations: saved + request.channels, areVariances: false)
}

/// The elements, with given statistics.
func batchNormInference(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: BatchNormRequest = value(at: request)
    guard let moving = request.moving else { return }
    apply(request, piece, scratch, mean: moving, deviations: moving + request.channels, areVariances: true)
}

/// `deviations` holds 1 / deviation, or variances.
@inline(never)
private func apply(
    _ request: BatchNormRequest, _ piece: Int, _ scratch: UnsafeMutableRawPointer, mean: UnsafePointer<Float>,
    deviations: UnsafePointer<Float>, areVariances: Bool
) {
    let (start, end) = (request.cut.start(piece), request.cut.end(piece))
    let scaling = ColumnScaling(scratch)
    var first = 0
    while first < request.channels {
        let channels = min(request.channels - first, ColumnWalk.most)
        var channel = 0
        while channel < channels {
            let count = min(channels - channel, grain)
            let place = first + channel
            var factor = load(count, deviations + place)
            if areVariances { factor = 1 / (factor + request.epsilon).squareRoot() }
            if let scale = request.scale { factor = factor * load(count, scale + place) }
            var shift = Floats.zero
            if let given = request.shift { shift = load(count, given + place) }
            write(load(count, mean + place), to: scaling.mean + channel)
            write(factor, to: scaling.factor + channel)
            write(shift, to: scaling.shift + channel)
            channel += grain
        }
        scale(
            scaling, column: first, columns: channels, of: request.channels, rows: start, end, request.x, request.y)
        first += channels
    }
}
