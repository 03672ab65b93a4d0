// The walk of a pass over some rows of a matrix, long ones a block at a time and short ones several at a time, in an order
// that the place of each element alone decides. What happens to a block is PassBlock.swift's.

import MartletKernelInterface

/// Runs a pass's loop over a part.
func walkPart(_ loop: PassLoop, _ part: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    let part: UnsafePointer<GridPart> = part.assumingMemoryBound(to: GridPart.self)
    let columns = part.pointee.run.count
    var running = RunningSums()
    withUnsafeMutablePointer(to: &running) { running in
        var call = PassCall(part.pointee.run, shape(of: loop, coefficients), running)
        withUnsafeMutablePointer(to: &call) { call in
            let shape = call.pointee.shape
            let isShort = columns <= Grid.mostOfShortRow && columns == part.pointee.rowStride
            if isShort && !shape.leavesFactors && (shape.sumsGrid || shape.usesFactors) {
                walkShortRows(loop, call, part, coefficients)
            } else {
                walkRows(loop, call, part, coefficients)
            }
        }
    }
}

@inline(__always)
private func walkRows(
    _ loop: PassLoop, _ call: UnsafeMutablePointer<PassCall>, _ part: UnsafePointer<GridPart>,
    _ coefficients: UnsafeRawPointer
) {
    let part = part.pointee
    let columns = part.run.count
    let numberSize = part.run.isDouble ? 8 : 4
    let shape = call.pointee.shape
    for row in 0..<part.rows {
        if shape.usesFactors { call.pointee.row = value(at: part.rowFactors + row) * shape.rowScale }
        var column = 0
        while column < columns {
            let count = min(Grid.blockCount, columns - column)
            advance(call, part.run, by: row * part.rowStride + column)
            call.pointee.columnFactors = UnsafeRawPointer(part.columnFactors + column * numberSize)
            call.pointee.columnSums =
                shape.leavesFactors
                ? part.columnFactors + column * numberSize : UnsafeMutableRawPointer(part.columnSums + column)
            block(loop, call, coefficients, count)
            if shape.sumsGrid { addTo(part.rowSums + row, sum(call.pointee.running.pointee.row)) }
            addUp(call, part)
            column += count
        }
    }
}

/// Lets a call begin so many elements behind the run's first.
@inline(__always)
private func advance(_ call: UnsafeMutablePointer<PassCall>, _ run: Run, by elements: Int) {
    var run = run
    withUnsafePointer(to: &run) { run in
        call.pointee.withOperands { parts in
            for place in 0..<run.pointee.arrayCount {
                put((operands(of: run) + place).pointee.advanced(by: elements), at: parts + place)
            }
        }
    }
}

/// Adds what a block has summed to the part's sums over all elements, and begins anew.
@inline(__always)
private func addUp(_ call: UnsafeMutablePointer<PassCall>, _ part: GridPart) {
    let running = call.pointee.running
    if call.pointee.shape.sumCount > 0 { addTo(part.sums, sum(running.pointee.first)) }
    if call.pointee.shape.sumCount > 1 { addTo(part.sums + 1, sum(running.pointee.second)) }
    put(RunningSums(), at: running)
}

/// The same for short rows, which lie one behind the other: squares go into scratch, from which they are added up by row
/// and by column, and factors come from there, multiplied out.
@inline(never)
private func walkShortRows(
    _ loop: PassLoop, _ call: UnsafeMutablePointer<PassCall>, _ part: UnsafePointer<GridPart>,
    _ coefficients: UnsafeRawPointer
) {
    let part = part.pointee
    let columns = part.run.count
    let together = Grid.smallCount / columns
    let shape = call.pointee.shape
    var scratch = PassScratch()
    scratch.withAddress { elements in
        call.pointee.columnFactors = UnsafeRawPointer(elements)
        call.pointee.columnSums = elements
        var row = 0
        while row < part.rows {
            let rows = min(together, part.rows - row)
            advance(call, part.run, by: row * columns)
            if shape.sumsGrid { clearDoubles(elements, count: rows * columns) }
            if shape.usesFactors {
                let factors = part.rowFactors + row
                let scratch = elements + PassScratch.stride
                if part.run.isDouble {
                    multiply(
                        DoubleLanes.self, factors, rows, shape.rowScale, part.columnFactors, columns, elements, scratch)
                } else {
                    multiply(
                        FloatLanes.self, factors, rows, shape.rowScale, part.columnFactors, columns, elements, scratch)
                }
            }
            block(loop, call, coefficients, rows * columns)
            if shape.sumsGrid { addUp(elements, rows, columns, part.rowSums + row, part.columnSums) }
            addUp(call, part)
            row += rows
        }
    }
}

/// Adds numbers to the sums of their rows and columns.
@inline(__always)
private func addUp(
    _ numbers: UnsafeRawPointer, _ rows: Int, _ columns: Int, _ rowSums: UnsafeMutablePointer<Double>,
    _ columnSums: UnsafeMutablePointer<Double>
) {
    var place = numbers
    for row in 0..<rows {
        var total = 0.0
        for column in 0..<columns {
            let number: Double = value(at: place)
            total += number
            addTo(columnSums + column, number)
            place += 8
        }
        addTo(rowSums + row, total)
    }
}

/// The products of the rows' factors, times a scale, and the columns'.
@inline(__always)
private func multiply<Value: Lanes>(
    _ type: Value.Type, _ rowFactors: UnsafePointer<Double>, _ rows: Int, _ scale: Double,
    _ columnFactors: UnsafeRawPointer, _ columns: Int, _ elements: UnsafeMutableRawPointer,
    _ scratch: UnsafeMutableRawPointer
) {
    typealias Number = Value.Number
    let size = MemoryLayout<Number>.stride
    var index = 0
    while index < rows {
        (DoubleLanes(lanes: read(rowFactors + index)) * DoubleLanes(scale)).store(Value.native, in: scratch, at: index)
        index += grain
    }
    var element = elements
    for row in 0..<rows {
        let ofRow: Number = value(at: scratch + row * size)
        for column in 0..<columns {
            put(ofRow * value(at: columnFactors + column * size), at: element)
            element += size
        }
    }
}
