// Sums over rows, one for each column: in fp32 over blocks of 256 rows, in fp64 over the blocks of a part, and then over
// the parts, whose bounds depend on the shape alone. Batch normalisation's own sums are in BatchNorm.swift.

import MartletKernelInterface

/// Rows that are added up in fp32.
@inline(__always)
var blockRows: Int { 256 }

/// Reads sixteen columns of a row, of which those from `count` on belong to what follows it, or are 0 where the array
/// ends.
@_transparent
func loadReaching(_ count: Int, _ left: Int, _ address: UnsafePointer<Float>) -> Floats {
    left >= grain ? read(address) : load(min(count, left), address)
}

/// The same for integers.
@_transparent
func loadReaching(_ count: Int, _ left: Int, _ address: UnsafePointer<Int32>) -> SIMD16<Int32> {
    left >= grain ? read(address) : load(min(count, left), address)
}

/// Where two sums in fp64 for each column of a part stand: each array as long as the columns, rounded up to sixteen.
@inline(__always)
func partialSums(_ slab: ColumnSlab, part: Int) -> (UnsafeMutablePointer<Double>, UnsafeMutablePointer<Double>) {
    let width = (slab.count + grain - 1) & ~(grain - 1)
    let first = slab.partial + part * 2 * width
    return (first, first + width)
}

/// One part's sums.
func columnSums(_ request: UnsafeRawPointer, _ part: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: ColumnSumsRequest = value(at: request)
    let slab = request.slab
    let columns = slab.columns
    let end = slab.parts.end(part)
    let all = slab.rows * columns
    let (sums, _) = partialSums(slab, part: part)
    var column = 0
    while column < slab.count {
        write(SIMD16<Double>.zero, to: sums + column)
        column += grain
    }
    var row = slab.parts.start(part)
    while row < end {
        let stop = min(row + blockRows, end)
        column = 0
        while column < slab.count {
            let count = min(slab.count - column, grain)
            let start = slab.first + column
            let total = sumRows(request.x + start, row, stop, columns, count, all - start)
            write(read(sums + column) + doubles(total), to: sums + column)
            column += grain
        }
        row = stop
    }
}

/// Sixteen columns of some rows, four rows at a time.
@_transparent
func sumRows(
    _ x: UnsafePointer<Float>, _ start: Int, _ stop: Int, _ stride: Int, _ count: Int, _ left: Int
) -> Floats {
    var (a, b, c, d) = (Floats.zero, Floats.zero, Floats.zero, Floats.zero)
    var row = start
    while row + 4 <= stop {
        let place = x + row * stride
        let rest = left - row * stride
        // The order of the sum is that of the rows alone, wherever the array ends.
        if 3 * stride + grain <= rest {
            a += read(place)
            b += read(place + stride)
            c += read(place + 2 * stride)
            d += read(place + 3 * stride)
        } else {
            a += loadReaching(count, rest, place)
            b += loadReaching(count, rest - stride, place + stride)
            c += loadReaching(count, rest - 2 * stride, place + 2 * stride)
            d += loadReaching(count, rest - 3 * stride, place + 3 * stride)
        }
        row += 4
    }
    while row < stop {
        a += loadReaching(count, left - row * stride, x + row * stride)
        row += 1
    }
    return (a + b) + (c + d)
}

/// The parts added up.
func columnTotals(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: ColumnTotalsRequest = value(at: request)
    let slab = request.slab
    var column = 0
    while column < slab.count {
        let count = min(slab.count - column, grain)
        var total = SIMD16<Double>.zero
        for part in 0..<slab.parts.pieces {
            total += read(partialSums(slab, part: part).0 + column)
        }
        store(count, floats(total), to: request.out + slab.first + column)
        column += grain
    }
}
