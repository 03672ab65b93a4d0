// The average of each channel over all places of an image, and its gradient. Windows over images are in Pooling.swift.

import MartletKernelInterface

/// The averages of one piece's images: sums of 256 places each, added up.
func globalAverage(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: GlobalAverageRequest = value(at: request)
    let (places, channels) = (request.places, request.channels)
    for image in request.cut.start(piece)..<request.cut.end(piece) {
        let x = request.image + image * places * channels
        // Where later images follow, lanes may reach into them.
        let left = (request.cut.count - image) * places * channels
        var channel = 0
        while channel < channels {
            let count = min(channels - channel, grain)
            var total = Floats.zero
            var place = 0
            while place < places {
                let stop = min(place + blockRows, places)
                total += sumRows(x + channel, place, stop, channels, count, left - channel)
                place = stop
            }
            store(count, total * (1 / Float(places)), to: request.out + image * channels + channel)
            channel += grain
        }
    }
}

/// Each place's share of the gradients, on one piece's images.
func globalAverageBackward(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: GlobalAverageBackwardRequest = value(at: request)
    let (places, channels) = (request.places, request.channels)
    let factor = 1 / Float(places)
    let row = floatArray(scratch, 0)
    for image in request.cut.start(piece)..<request.cut.end(piece) {
        let gradient = request.gradient + image * channels
        let y = request.imageGradient + image * places * channels
        var first = 0
        while first < channels {
            let columns = min(channels - first, ColumnWalk.most)
            var channel = 0
            while channel < columns {
                let count = min(columns - channel, grain)
                write(load(count, gradient + first + channel) * factor, to: row + channel)
                channel += grain
            }
            for place in 0..<places { copyRow(row, to: y + place * channels + first, columns) }
            first += columns
        }
    }
}

/// Writes a row's numbers; short rows without the cost of a call.
@inline(__always)
private func copyRow(_ row: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, _ columns: Int) {
    var column = 0
    while column < columns {
        store(min(columns - column, grain), read(row + column), to: y + column)
        column += grain
    }
}
