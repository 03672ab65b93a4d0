// Batch normalisation (Ioffe and Szegedy, arXiv:1502.03167) over rows x channels, for training, for use, and its
// gradient:
//     y = (x - mean) / sqrt(variance + epsilon) * scale + shift
//     dx = scale / deviation * (dy - mean(dy) - (x - mean) / deviation^2 * mean(dy * (x - mean)))
// Means and variances of blocks of rows are put together as by Chan, Golub and LeVeque (1979). No sums over other things
// than rows (ColumnSums.swift), no walk of its own (Columns.swift).

import MartletKernelInterface

/// Mean and sum of squared differences from it, of one part of the rows.
func batchNormMoments(_ request: UnsafeRawPointer, _ part: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: BatchNormMomentsRequest = value(at: request)
    let slab = request.slab
    let (first, end) = (slab.parts.start(part), slab.parts.end(part))
    let all = slab.rows * slab.columns
    let (means, squares) = partialSums(slab, part: part)
    var row = first
    while row < end {
        let stop = min(row + blockRows, end)
        var channel = 0
        while channel < slab.count {
            let count = min(slab.count - channel, grain)
            let start = slab.first + channel
            // Differences from the block's first row: their squares lose little, wherever the mean is.
            let x = request.x + start
            let base = loadReaching(count, all - start - row * slab.columns, x + row * slab.columns)
            let sums = differences(x, base, row, stop, slab.columns, count, all - start)
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
    let request: BatchNormStatisticsRequest = value(at: request)
    let slab = request.slab
    guard slab.rows > 0 else { return }
    let (moving, saved) = (request.moving, request.saved)
    let channels = slab.columns
    let rows = Double(slab.rows)
    let momentum = request.momentum
    let correction = request.unbiased ? rows / max(rows - 1, 1) : 1
    var channel = 0
    while channel < slab.count {
        let count = min(slab.count - channel, grain)
        let place = slab.first + channel
        var mean = SIMD16<Double>.zero
        var square = SIMD16<Double>.zero
        for part in 0..<slab.parts.pieces {
            let (means, squares) = partialSums(slab, part: part)
            let before = Double(slab.parts.start(part))
            let size = Double(slab.parts.end(part)) - before
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

/// The elements of one piece's rows.
func batchNormApply(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: BatchNormApplyRequest = value(at: request)
    let (start, end) = (request.cut.start(piece), request.cut.end(piece))
    let scaling = ColumnScaling(scratch)
    var first = 0
    while first < request.channels {
        let channels = min(request.channels - first, ColumnWalk.most)
        var channel = 0
        while channel < channels {
            let count = min(channels - channel, grain)
            let mean = request.statistics + first + channel
            var factor = load(count, mean + request.channels)
            if let epsilon = request.epsilon { factor = 1 / (factor + epsilon).squareRoot() }
            if let scale = request.scale { factor = factor * load(count, scale + first + channel) }
            var shift = Floats.zero
            if let given = request.shift { shift = load(count, given + first + channel) }
            write(load(count, mean), to: scaling.mean + channel)
            write(factor, to: scaling.factor + channel)
            write(shift, to: scaling.shift + channel)
            channel += grain
        }
        scale(
            scaling, column: first, columns: channels, of: request.channels, rows: start, end, request.x, request.y)
        first += channels
    }
}
