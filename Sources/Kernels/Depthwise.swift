// Each channel convolved by itself, and the gradients of that: sixteen channels side by side, no products of matrices.

import MartletKernelInterface

/// One piece's rows of results. The taps that see a pixel are listed for each position, and then added up for all channels.
func depthwise(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: DepthwiseRequest = value(at: request)
    let (down, across, channels) = (request.down, request.across, request.channels)
    // Two numbers for each tap: where its pixel and its weights begin.
    let listed = scratch.assumingMemoryBound(to: Int.self)
    for line in request.cut.start(piece)..<request.cut.end(piece) {
        let image = request.image + line / down.positions * down.count * across.count * channels
        let row = line % down.positions
        for column in 0..<across.positions {
            var count = 0
            for tapDown in 0..<down.taps {
                guard let pixelRow = down.pixel(row, tapDown) else { continue }
                for tapAcross in 0..<across.taps {
                    guard let pixelColumn = across.pixel(column, tapAcross) else { continue }
                    put((pixelRow * across.count + pixelColumn) * channels, at: listed + 2 * count)
                    put((tapDown * across.taps + tapAcross) * channels, at: listed + 2 * count + 1)
                    count += 1
                }
            }
            let out = request.out + (line * across.positions + column) * channels
            addUp(request, image, listed, count, to: out)
        }
    }
}

/// All channels of one position.
@inline(__always)
private func addUp(
    _ request: DepthwiseRequest, _ image: UnsafePointer<Float>, _ listed: UnsafePointer<Int>, _ count: Int,
    to out: UnsafeMutablePointer<Float>
) {
    var channel = 0
    while channel < request.channels {
        let lanes = min(request.channels - channel, grain)
        var total = request.bias.map { load(lanes, $0 + channel) } ?? .zero
        for number in 0..<count {
            let pixel: Int = value(at: listed + 2 * number)
            let weight: Int = value(at: listed + 2 * number + 1)
            total = multiplyAdd(
                total, load(lanes, image + pixel + channel), load(lanes, request.weights + weight + channel))
        }
        switch request.epilogue {
        case .none: break
        case .relu: total = total.replacing(with: 0, where: total .< 0)
        }
        store(lanes, total, to: out + channel)
        channel += grain
    }
}

/// The gradient of sixteen channels of a tap: rows are added up in fp32, and these in fp64.
func depthwiseWeights(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: DepthwiseWeightsRequest = value(at: request)
    let (down, across, channels) = (request.down, request.across, request.channels)
    let slabs = (channels + grain - 1) / grain
    let (tap, channel) = (piece / slabs, piece % slabs * grain)
    let lanes = min(channels - channel, grain)
    let (tapDown, tapAcross) = (tap / across.taps, tap % across.taps)
    // The first position whose pixel is in the image, and the one behind the last.
    let offset = across.first + tapAcross * across.step
    let first = min(offset >= 0 ? 0 : (across.stride - 1 - offset) / across.stride, across.positions)
    let end = offset >= across.count ? 0 : min((across.count - 1 - offset) / across.stride + 1, across.positions)
    var total = SIMD16<Double>.zero
    for line in 0..<request.batch * down.positions {
        guard let row = down.pixel(line % down.positions, tapDown), first < end else { continue }
        let image = (line / down.positions * down.count + row) * across.count + offset
        var x = request.image + (image + first * across.stride) * channels + channel
        var gradient = request.gradient + (line * across.positions + first) * channels + channel
        var sum = Floats.zero
        for _ in first..<end {
            sum = multiplyAdd(sum, load(lanes, x), load(lanes, gradient))
            x += across.stride * channels
            gradient += channels
        }
        total += doubles(sum)
    }
    store(lanes, floats(total), to: request.weightGradient + tap * channels + channel)
}
