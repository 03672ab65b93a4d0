// Cross-entropy of few classes, sixteen rows at a time: turned round, a class is one value of sixteen lanes, and rows share
// what each would do for a few numbers. The bits are those of Loss.swift, which does row by row what is left.

import MartletKernelInterface

/// Whether rows are few numbers, and each is held against a label alone.
@inline(__always)
func areFewClasses(_ request: LossRequest) -> Bool {
    request.columns <= grain && request.labels != nil && request.numbers.smoothing == 0
}

/// The losses and gradients of the first of some rows, as far as these are sixteen and sixteen numbers can be read from
/// the beginning of each; the first that is left.
@inline(never)
func fewClasses(_ request: LossRequest, _ rows: Range<Int>, _ scratch: UnsafeMutableRawPointer) -> Int {
    let columns = request.columns
    guard let labels = request.labels else { return rows.lowerBound }
    let factor = request.numbers.weight / Float(request.rows)
    var row = rows.lowerBound
    while row + grain <= rows.upperBound, (row + grain - 1) * columns + grain <= request.rows * columns {
        transpose(request.output + row * columns, stride: columns * 4, to: scratch, stride: line)
        let label = small(read(labels + row))
        let weight = request.weights.map { read($0 + row) } ?? Floats(repeating: 1)
        let (loss, total) = fewClasses(columns, label, scratch)
        write((loss * weight).replacing(with: 0, where: weight .== 0), to: request.rowLoss + row)
        if let gradient = request.gradient {
            let factor = factor * weight
            let share = factor / total
            for column in 0..<columns {
                let place = scratch + column * line
                let slope = read(place) * share - isLabel(column, label) * factor
                write(slope.replacing(with: 0, where: weight .== 0), to: place)
            }
            turnBack(scratch, columns: columns, to: gradient + row * columns)
        }
        row += grain
    }
    return row
}

/// Each row's loss, and the sum of e^(x - top), which the numbers of each class are replaced by.
@inline(__always)
private func fewClasses(
    _ columns: Int, _ label: Floats, _ classes: UnsafeMutableRawPointer
) -> (loss: Floats, total: Floats) {
    var top = Floats(repeating: -.infinity)
    for column in 0..<columns {
        let numbers: Floats = read(classes + column * line)
        top = top.replacing(with: numbers, where: numbers .> top)
    }
    var wanted = Floats.zero
    for column in 0..<columns {
        let difference = read(classes + column * line) - top
        wanted = wanted.replacing(with: difference, where: isLabel(column, label) .== 1)
        write(exponential(difference), to: classes + column * line)
    }
    for column in columns..<grain { write(Floats.zero, to: classes + column * line) }
    // In the order of sum(_:), which folds one row's lanes.
    func eighth(_ column: Int) -> Floats { read(classes + column * line) + read(classes + (column + 8) * line) }
    func fourth(_ column: Int) -> Floats { eighth(column) + eighth(column + 4) }
    let total = (fourth(0) + fourth(2)) + (fourth(1) + fourth(3))
    return (logarithm(total) - wanted, total)
}

/// Sixteen rows of classes in `scratch` as they lie in an array. A row is written with what follows it where that is
/// written later.
@inline(__always)
private func turnBack(_ scratch: UnsafeMutableRawPointer, columns: Int, to rows: UnsafeMutablePointer<Float>) {
    let turned = scratch + grain * line
    transpose(scratch, stride: line, to: turned, stride: line)
    for row in 0..<grain {
        let count = (grain - row) * columns < grain ? columns : grain
        store(count, read(turned + row * line), to: rows + row * columns)
    }
}

/// 1 in the lanes whose label that is, else 0.
@_transparent
private func isLabel(_ column: Int, _ labels: Floats) -> Floats {
    Floats.zero.replacing(with: 1, where: labels .== Floats(repeating: Float(column)))
}

/// Numbers from 0 to 2^23 - 1 as floats.
@_transparent
private func small(_ numbers: SIMD16<Int32>) -> Floats {
    floats(unsafeBitCast(numbers, to: SIMD16<UInt32>.self) | 0x4B00_0000) - 0x1p23
}

/// Bytes of sixteen numbers.
@inline(__always)
private var line: Int { 64 }
