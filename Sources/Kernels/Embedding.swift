// Rows of a table, and the table's gradient.

import MartletKernelInterface

/// Copies one piece's rows out of the table.
func embedding(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: EmbeddingRequest = value(at: request)
    let columns = request.columns
    for row in request.cut.start(piece)..<request.cut.end(piece) {
        let index: Int32 = value(at: request.indices + row)
        copyNumbers(request.table + Int(index) * columns, to: request.out + row * columns, count: columns)
    }
}

/// Adds up the gradients of one piece's rows of the table.
func embeddingBackward(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: EmbeddingBackwardRequest = value(at: request)
    let columns = request.columns
    let (start, end) = (request.cut.start(piece), request.cut.end(piece))
    clearNumbers(request.tableGradient + start * columns, count: (end - start) * columns)
    for row in 0..<request.count {
        let index: Int32 = value(at: request.indices + row)
        if Int(index) < start || Int(index) >= end { continue }
        let (gradient, out) = (request.gradient + row * columns, request.tableGradient + Int(index) * columns)
        var column = 0
        while column < columns {
            let count = min(columns - column, grain)
            store(count, load(count, out + column) + load(count, gradient + column), to: out + column)
            column += grain
        }
    }
}

/// Adds to one piece's rows of the table's gradient what the gradient has for each: sums from 0, in the order of the places.
func embeddingRows(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: EmbeddingRowsRequest = value(at: request)
    let columns = request.columns
    for index in request.cut.start(piece)..<request.cut.end(piece) {
        let start: Int = value(at: request.starts + index)
        let end: Int = value(at: request.starts + index + 1)
        let row: Int = value(at: request.keys + 2 * start)
        let out = request.tableGradient + row * columns
        var column = 0
        while column < columns {
            let count = min(columns - column, grain)
            var sum = Floats(repeating: 0)
            for key in start..<end {
                let place: Int = value(at: request.keys + 2 * key + 1)
                if place < request.firstPlace || place >= request.endPlace { continue }
                sum += load(count, request.gradient + (place - request.firstPlace) * columns + column)
            }
            store(count, load(count, out + column) + sum, to: out + column)
            column += grain
        }
    }
}
