// The gradient of batch normalisation, whose equation stands in BatchNorm.swift: sums over the rows, what follows from
// them for each channel, and the elements.

import MartletKernelInterface

/// Sums of dy and of dy * (x - mean), of one part of the rows.
func batchNormGradientSums(_ request: UnsafeRawPointer, _ part: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: BatchNormGradientSumsRequest = value(at: request)
    let slab = request.slab
    let (saved, gradient) = (request.saved, request.gradient)
    let (first, end) = (slab.parts.start(part), slab.parts.end(part))
    let stride = slab.columns
    let (sums, products) = partialSums(slab, part: part)
    var row = first
    while row < end {
        let stop = min(row + blockRows, end)
        var channel = 0
        while channel < slab.count {
            let count = min(slab.count - channel, grain)
            let start = slab.first + channel
            let left = slab.rows * stride - start
            let mean = load(count, saved + start)
            let (x, dy) = (request.x + start, gradient + start)
            var (a, b, c, d) = (Floats.zero, Floats.zero, Floats.zero, Floats.zero)
            var next = row
            while next + 2 <= stop && (next + 1) * stride + grain <= left {
                let one: Floats = read(dy + next * stride)
                let two: Floats = read(dy + (next + 1) * stride)
                a += one
                b = multiplyAdd(b, one, read(x + next * stride) - mean)
                c += two
                d = multiplyAdd(d, two, read(x + (next + 1) * stride) - mean)
                next += 2
            }
            while next < stop {
                let place = next * stride
                let one = loadReaching(count, left - place, dy + place)
                a += one
                b = multiplyAdd(b, one, loadReaching(count, left - place, x + place) - mean)
                next += 1
            }
            var (sum, product) = (doubles(a + c), doubles(b + d))
            if row > first {
                sum += read(sums + channel)
                product += read(products + channel)
            }
            write(sum, to: sums + channel)
            write(product, to: products + channel)
            channel += grain
        }
        row = stop
    }
}

/// The gradients of scale and shift; leaves the sums of all rows in the first part's place.
func batchNormGradientTotals(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: BatchNormGradientTotalsRequest = value(at: request)
    let slab = request.slab
    let saved = request.saved
    var channel = 0
    while channel < slab.count {
        let count = min(slab.count - channel, grain)
        let place = slab.first + channel
        var (sum, product) = (SIMD16<Double>.zero, SIMD16<Double>.zero)
        for part in 0..<slab.parts.pieces {
            let (sums, products) = partialSums(slab, part: part)
            sum += read(sums + channel)
            product += read(products + channel)
        }
        let (sums, products) = partialSums(slab, part: 0)
        write(sum, to: sums + channel)
        write(product, to: products + channel)
        if let shiftGradient = request.shiftGradient { store(count, floats(sum), to: shiftGradient + place) }
        if let scaleGradient = request.scaleGradient {
            let inverse = doubles(load(count, saved + slab.columns + place))
            store(count, floats(product * inverse), to: scaleGradient + place)
        }
        channel += grain
    }
}

/// dx = factor * (dy - mean(dy) - (x - mean) * slope).
private struct GradientScaling: ColumnFunction {
    let mean, factor, average, slope: UnsafeMutablePointer<Float>

    @inline(__always)
    static var readsOther: Bool { true }

    @inline(__always)
    init(_ scratch: UnsafeMutableRawPointer) {
        mean = floatArray(scratch, 0)
        factor = floatArray(scratch, 1)
        average = floatArray(scratch, 2)
        slope = floatArray(scratch, 3)
    }

    @inline(__always)
    func callAsFunction(_ dy: Floats, _ x: Floats, _ column: Int) -> Floats {
        let centred = dy - read(average + column)
        let rest = (x - read(mean + column)) * read(slope + column)
        return (centred - rest) * read(factor + column)
    }
}

/// The elements of the run's channels.
func batchNormBackward(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: BatchNormBackwardRequest = value(at: request)
    let slab = request.slab
    let saved = request.saved
    let function = GradientScaling(scratch)
    let (sums, products) = partialSums(slab, part: 0)
    let rows = Double(slab.rows)
    var channel = 0
    while channel < slab.count {
        let count = min(slab.count - channel, grain)
        let place = slab.first + channel
        let inverse = load(count, saved + slab.columns + place)
        let wide = doubles(inverse)
        var factor = inverse
        if let scale = request.scale { factor = factor * load(count, scale + place) }
        write(load(count, saved + place), to: function.mean + channel)
        write(factor, to: function.factor + channel)
        write(floats(read(sums + channel) / rows), to: function.average + channel)
        write(floats(read(products + channel) * wide * wide / rows), to: function.slope + channel)
        channel += grain
    }
    elements(function, request, piece)
}

@inline(never)
private func elements(_ function: GradientScaling, _ request: BatchNormBackwardRequest, _ piece: Int) {
    let (start, end) = (request.cut.start(piece), request.cut.end(piece))
    let (channels, all) = (request.slab.count, request.slab.columns)
    let shape = ColumnWalk(columns: channels)
    let isWhole = channels == all
    if isWhole {
        shape.spread(function.mean)
        shape.spread(function.factor)
        shape.spread(function.average)
        shape.spread(function.slope)
    }
    // All rows at once, or one by one where other channels stand between them.
    let step = isWhole ? max(end - start, 1) : 1
    for row in stride(from: start, to: end, by: step) {
        let place = row * all + request.slab.first
        walk(function, shape, count: step * channels, request.gradient + place, request.x + place, request.out + place)
    }
}
