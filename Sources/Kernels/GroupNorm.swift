// Groups of channels brought to mean 0 and deviation 1, scaled and shifted (Wu, He: Group normalization. ECCV 2018), and the
// gradients of that. Sixteen channels are walked through all places; what they add up to goes to their groups, in fp64.

import MartletKernelInterface

/// y = (x - mean) / sqrt(variance + epsilon) scale + shift on one piece's images.
func groupNorm(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: GroupNormRequest = value(at: request)
    let shape = request.shape
    let share = 1 / Double(shape.places * shape.width)
    for image in request.cut.start(piece)..<request.cut.end(piece) {
        let (x, y) = (request.x + image * shape.size, request.y + image * shape.size)
        let saved = request.saved + 2 * image * shape.groups
        forEachGroup(shape, { channel, count, place in load(count, x + place + channel) }) { group, sum in
            put(Float(sum * share), at: saved + 2 * group)
        }
        var mean = Floats.zero
        forEachGroup(
            shape,
            { first, count, place in
                if place == 0 { mean = ofGroups(saved, shape, first, count) }
                let off = load(count, x + place + first) - mean
                return off * off
            }
        ) { group, sum in
            put(1 / (Float(sum * share) + request.epsilon).squareRoot(), at: saved + 2 * group + 1)
        }
        var channel = 0
        while channel < shape.channels {
            let count = min(shape.channels - channel, grain)
            let mean = ofGroups(saved, shape, channel, count)
            var factor = ofGroups(saved + 1, shape, channel, count)
            if let scale = request.scale { factor *= load(count, scale + channel) }
            let shift = request.shift.map { load(count, $0 + channel) } ?? .zero
            var place = channel
            while place < shape.size {
                store(count, (load(count, x + place) - mean) * factor + shift, to: y + place)
                place += shape.channels
            }
            channel += grain
        }
    }
}

/// The products, or the input's gradient, on one piece's images.
func groupNormBackward(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: GroupNormBackwardRequest = value(at: request)
    let shape = request.shape
    let share = 1 / Double(shape.places * shape.width)
    // The means of g and of g n, for each group.
    let means = scratch.assumingMemoryBound(to: Float.self)
    for image in request.cut.start(piece)..<request.cut.end(piece) {
        let (x, gradient) = (request.x + image * shape.size, request.gradient + image * shape.size)
        let (out, saved) = (request.out + image * shape.size, request.saved + 2 * image * shape.groups)
        var (mean, factor, scale) = (Floats.zero, Floats.zero, Floats.zero)
        func begin(_ channel: Int, _ count: Int) {
            mean = ofGroups(saved, shape, channel, count)
            factor = ofGroups(saved + 1, shape, channel, count)
            scale = request.scale.map { load(count, $0 + channel) } ?? Floats(repeating: 1)
        }
        if !request.givesProducts {
            for ofProducts in 0..<2 {
                forEachGroup(
                    shape,
                    { channel, count, place in
                        if place == 0 { begin(channel, count) }
                        let g = load(count, gradient + place + channel) * scale
                        return ofProducts == 0 ? g : g * ((load(count, x + place + channel) - mean) * factor)
                    }
                ) { group, sum in put(Float(sum * share), at: means + 2 * group + ofProducts) }
            }
        }
        var channel = 0
        while channel < shape.channels {
            let count = min(shape.channels - channel, grain)
            begin(channel, count)
            let first = request.givesProducts ? .zero : ofGroups(means, shape, channel, count)
            let second = request.givesProducts ? .zero : ofGroups(means + 1, shape, channel, count)
            var place = channel
            while place < shape.size {
                let normal = (load(count, x + place) - mean) * factor
                let gradient = load(count, gradient + place)
                let result =
                    request.givesProducts
                    ? gradient * normal : (gradient * scale - first - normal * second) * factor
                store(count, result, to: out + place)
                place += shape.channels
            }
            channel += grain
        }
    }
}

/// Calls `end` with each group's sum of what `part` gives for up to sixteen channels at a place.
@inline(__always)
private func forEachGroup(
    _ shape: ChannelGroups, _ part: (_ channel: Int, _ count: Int, _ place: Int) -> Floats,
    _ end: (_ group: Int, _ sum: Double) -> Void
) {
    var (channel, group, left) = (0, 0, shape.width)
    var total = 0.0
    while channel < shape.channels {
        let count = min(shape.channels - channel, grain)
        var sums = SIMD16<Double>.zero
        var row = 0
        while row < shape.places {
            let stop = min(row + blockRows, shape.places)
            var block = Floats.zero
            while row < stop {
                block += part(channel, count, row * shape.channels)
                row += 1
            }
            sums += doubles(block)
        }
        for lane in 0..<count {
            total += sums[lane]
            left -= 1
            if left == 0 {
                end(group, total)
                (group, left, total) = (group + 1, shape.width, 0)
            }
        }
        channel += grain
    }
}

/// Every other number, from the first on, of the groups that some channels are of.
@inline(never)
private func ofGroups(_ numbers: UnsafePointer<Float>, _ shape: ChannelGroups, _ channel: Int, _ count: Int) -> Floats {
    var group = channel / shape.width
    var left = shape.width - channel % shape.width
    var lanes = Floats.zero
    for lane in 0..<count {
        lanes[lane] = number(numbers + 2 * group)
        left -= 1
        if left == 0 { (group, left) = (group + 1, shape.width) }
    }
    return lanes
}
