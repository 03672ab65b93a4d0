// The walk of a pass over some rows of a matrix, long ones a block at a time and short ones several at a time, in an order
// that the place of each element alone decides. What happens to a block is PassBlock.swift's.

import MartletKernelInterface

/// Runs a pass over a part, in the type that its arrays ask for.
@inline(__always)
func pass<InFloat: PassRule, InDouble: PassRule>(
    _ inFloat: InFloat.Type, _ inDouble: InDouble.Type, _ part: UnsafeRawPointer, _ coefficients: UnsafeRawPointer
) where InFloat.Value == FloatLanes, InDouble.Value == DoubleLanes {
    let part: GridPart = value(at: part)
    if part.run.isDouble {
        walk(inDouble, part, coefficients)
    } else {
        walk(inFloat, part, coefficients)
    }
}

@inline(__always)
private func walk<Rule: PassRule>(
    _ rule: Rule.Type, _ part: GridPart, _ coefficients: UnsafeRawPointer
) {
    let columns = part.run.count
    let isShort = columns <= Grid.mostOfShortRow && columns == part.rowStride
    if isShort && !Rule.leavesFactors && (Rule.sumsGrid || Rule.usesFactors) {
        walkShortRows(rule, part, coefficients)
        return
    }
    let rowScale = made(rule, coefficients).rowScale
    let numberSize = part.run.isDouble ? 8 : 4
    for row in 0..<part.rows {
        var column = 0
        while column < columns {
            let count = min(Grid.blockCount, columns - column)
            var arrays = part.run.arrays
            for place in 0..<part.run.arrayCount {
                arrays[place] = arrays[place].advanced(by: row * part.rowStride + column)
            }
            var running = RunningSums()
            withUnsafeMutablePointer(to: &running) { running in
                block(
                    rule, coefficients, arrays, count,
                    row: Rule.usesFactors ? value(at: part.rowFactors + row) * rowScale : 1,
                    columnFactors: part.columnFactors + column * numberSize,
                    columnSums: Rule.leavesFactors
                        ? part.columnFactors + column * numberSize : UnsafeMutableRawPointer(part.columnSums + column),
                    running)
            }
            if Rule.sumsGrid { addTo(part.rowSums + row, sum(running.row)) }
            if Rule.sumCount > 0 { addTo(part.sums, sum(running.first)) }
            if Rule.sumCount > 1 { addTo(part.sums + 1, sum(running.second)) }
            column += count
        }
    }
}

/// The same for short rows, which lie one behind the other: squares go into scratch, from which they are added up by row
/// and by column, and factors come from there, multiplied out.
@inline(never)
private func walkShortRows<Rule: PassRule>(
    _ rule: Rule.Type, _ part: GridPart, _ coefficients: UnsafeRawPointer
) {
    let columns = part.run.count
    let together = Grid.smallCount / columns
    let rowScale = made(rule, coefficients).rowScale
    var scratch = PassScratch()
    scratch.withAddress { elements in
        var row = 0
        while row < part.rows {
            let rows = min(together, part.rows - row)
            var arrays = part.run.arrays
            for place in 0..<part.run.arrayCount {
                arrays[place] = arrays[place].advanced(by: row * columns)
            }
            if Rule.sumsGrid { clearDoubles(elements, count: rows * columns) }
            if Rule.usesFactors {
                multiply(
                    Rule.Value.self, part.rowFactors + row, rows, rowScale, part.columnFactors, columns, elements,
                    elements + PassScratch.stride)
            }
            var running = RunningSums()
            withUnsafeMutablePointer(to: &running) { running in
                block(
                    rule, coefficients, arrays, rows * columns, row: 1, columnFactors: elements,
                    columnSums: elements, running)
            }
            if Rule.sumsGrid { addUp(elements, rows, columns, part.rowSums + row, part.columnSums) }
            if Rule.sumCount > 0 { addTo(part.sums, sum(running.first)) }
            if Rule.sumCount > 1 { addTo(part.sums + 1, sum(running.second)) }
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
