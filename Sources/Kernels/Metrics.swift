// Metrics row by row: whether the right class is among the largest outputs, and mean errors. What they come to over a
// batch is the caller's business.

import MartletKernelInterface

/// 1 for each row whose label is among the largest outputs, else 0.
func rowAccuracy(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: RowAccuracyRequest = value(at: request)
    let columns = request.columns
    let all = request.cut.count * columns
    let (start, end) = (request.cut.start(piece), request.cut.end(piece))
    if columns == 1 { return binaryAccuracy(request, start, end) }
    for row in start..<end {
        let x = request.output + row * columns
        var label = 0
        if let labels = request.labels {
            let number: Int32 = value(at: labels + row)
            label = Int(number)
        } else if let targets = request.targets {
            label = firstLargest(columns, targets + row * columns, left: all - row * columns)
        }
        let own = number(x + label)
        // How many stand before it: the larger, NaN, and of equals those further to the front.
        var before = Floats.zero
        var column = 0
        while column < columns {
            let count = min(columns - column, grain)
            let left = all - row * columns - column
            let others = keep(count, load(count, x + column, left: left), otherwise: -.infinity)
            let isEarlier = laneNumbers .< Floats(repeating: Float(label - column))
            let isBefore = (others .> own) .| (others .!= others) .| ((others .== own) .& isEarlier)
            before += Floats.zero.replacing(with: 1, where: isBefore)
            column += grain
        }
        let isRight = own == own && sum(before) < Float(request.top)
        put(Float(isRight ? 1 : 0), at: request.out + row)
    }
}

/// Sixteen rows of one column at once: yes and no.
@inline(__always)
private func binaryAccuracy(_ request: RowAccuracyRequest, _ start: Int, _ end: Int) {
    var row = start
    while row < end {
        let count = min(end - row, grain)
        var wanted = Floats.zero
        if let labels = request.labels {
            wanted = numbers(count, labels + row)
        } else if let targets = request.targets {
            wanted = load(count, targets + row)
        }
        let x = load(count, request.output + row)
        let one = Floats(repeating: 1)
        let said = Floats.zero.replacing(with: one, where: x .> request.threshold)
        let meant = Floats.zero.replacing(with: one, where: wanted .> 0.5)
        // NaN is not right either way.
        let right = Floats.zero.replacing(with: one, where: (said .== meant) .& (x .== x))
        store(count, right, to: request.out + row)
        row += grain
    }
}

/// The first column with the largest number; 0 where there is none.
@inline(__always)
private func firstLargest(_ columns: Int, _ x: UnsafePointer<Float>, left: Int) -> Int {
    let top = largest(columns, x, left: left)
    for column in 0..<columns where number(x + column) == top { return column }
    return 0
}

/// The mean of the squared errors of each row, or of their magnitudes.
func rowErrors(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: RowErrorsRequest = value(at: request)
    let columns = request.columns
    let all = request.cut.count * columns
    let (start, end) = (request.cut.start(piece), request.cut.end(piece))
    let step = columns == 1 ? grain : 1
    var row = start
    while row < end {
        let length = columns == 1 ? min(end - row, grain) : columns
        var total = Floats.zero
        var column = 0
        while column < length {
            let count = min(length - column, grain)
            let place = row * columns + column
            let left = all - place
            let error =
                load(count, request.output + place, left: left) - load(count, request.targets + place, left: left)
            total += request.squared ? error * error : magnitude(error)
            column += grain
        }
        if columns == 1 {
            store(length, total, to: request.out + row)
        } else {
            put(sum(total) * (1 / Float(columns)), at: request.out + row)
        }
        row += step
    }
}
