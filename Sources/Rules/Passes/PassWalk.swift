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
            if isShort && !shape.leavesFactors && (shape.sumsRows || shape.usesFactors || shape.usesRows) {
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
        if shape.usesRows { call.pointee.row = value(at: part.rowSums + row) }
        let factors = part.columnFactors + row * part.factorStride * numberSize
        var column = 0
        while column < columns {
            let count = min(Grid.blockCount, columns - column)
            advance(call, part.run, by: row * part.rowStride + column)
            call.pointee.columnFactors = UnsafeRawPointer(factors + column * numberSize)
            call.pointee.columnSums =
                shape.leavesFactors
                ? factors + column * numberSize : UnsafeMutableRawPointer(part.columnSums + column)
            block(loop, call, coefficients, count)
            if shape.sumsRows { addTo(part.rowSums + row, sum(call.pointee.running.pointee.row)) }
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
/// and by column, and factors come from there, multiplied out. What is of a row alone is there for each element too.
@inline(never)
private func walkShortRows(
    _ loop: PassLoop, _ call: UnsafeMutablePointer<PassCall>, _ part: UnsafePointer<GridPart>,
    _ coefficients: UnsafeRawPointer
) {
    let part = part.pointee
    let columns = part.run.count
    let together = Grid.smallCount / columns
    let shape = call.pointee.shape
    call.pointee.shape.sumsGrid = shape.sumsRows
    call.pointee.shape.usesFactors = shape.usesFactors || shape.usesRows
    var scratch = RowScratch()
    scratch.withAddress { elements in
        call.pointee.columnFactors = UnsafeRawPointer(elements)
        call.pointee.columnSums = elements
        var row = 0
        while row < part.rows {
            let rows = min(together, part.rows - row)
            advance(call, part.run, by: row * columns)
            if shape.sumsRows { clearDoubles(elements, count: rows * columns) }
            if shape.usesFactors || shape.usesRows {
                let scratch = elements + PassScratch.stride
                if part.run.isDouble {
                    multiply(DoubleLanes.self, part, row, rows, shape, elements, scratch)
                } else {
                    multiply(FloatLanes.self, part, row, rows, shape, elements, scratch)
                }
            }
            block(loop, call, coefficients, rows * columns)
            if shape.sumsRows {
                addUp(elements, rows, columns, part.rowSums + row, shape.sumsGrid ? part.columnSums : nil)
            }
            addUp(call, part)
            row += rows
        }
    }
}

/// Adds numbers to the sums of their rows and, where there are any, columns.
@inline(__always)
private func addUp(
    _ numbers: UnsafeRawPointer, _ rows: Int, _ columns: Int, _ rowSums: UnsafeMutablePointer<Double>,
    _ columnSums: UnsafeMutablePointer<Double>?
) {
    var place = numbers
    for row in 0..<rows {
        var total = 0.0
        for column in 0..<columns {
            let number: Double = value(at: place)
            total += number
            if let columnSums { addTo(columnSums + column, number) }
            place += 8
        }
        addTo(rowSums + row, total)
    }
}

/// The products of the factors of some rows, times a scale, and of the columns'; or, without these, what became of the
/// rows' sums.
@inline(__always)
private func multiply<Value: Lanes>(
    _ type: Value.Type, _ part: GridPart, _ first: Int, _ rows: Int, _ shape: PassShape,
    _ elements: UnsafeMutableRawPointer, _ scratch: UnsafeMutableRawPointer
) {
    typealias Number = Value.Number
    let size = MemoryLayout<Number>.stride
    let columns = part.run.count
    let rowFactors = shape.usesFactors ? part.rowFactors : UnsafePointer(part.rowSums)
    let scale = DoubleLanes(shape.usesFactors ? shape.rowScale : 1)
    var index = 0
    while index < rows {
        (DoubleLanes(lanes: read(rowFactors + first + index)) * scale).store(Value.native, in: scratch, at: index)
        index += grain
    }
    var element = elements
    for row in 0..<rows {
        let ofRow: Number = value(at: scratch + row * size)
        let ofColumns = part.columnFactors + (first + row) * part.factorStride * size
        for column in 0..<columns {
            put(shape.usesFactors ? ofRow * value(at: ofColumns + column * size) : ofRow, at: element)
            element += size
        }
    }
}
