// What matrices need beside products: in tiles of sixteen by sixteen copies that may be transposed, and sums of symmetric
// matrices of which one half is known; and sums of rows' squares.

import MartletKernelInterface

/// Some rows of a `TurnRequest`.
func turn(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: TurnRequest = value(at: request)
    let rows = request.cut.range(piece)
    if request.turns {
        turnRows(request, rows, scratch)
        return
    }
    for row in rows {
        let scale = request.rowScales.map { request.scale * value(at: $0 + row) } ?? request.scale
        copyRow(
            request, scale, request.from + row * request.fromStride * (request.fromDouble ? 8 : 4),
            request.to + row * request.toStride * (request.toDouble ? 8 : 4))
    }
}

/// One row, times a scale.
@inline(__always)
private func copyRow(
    _ request: TurnRequest, _ scale: Double, _ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer
) {
    let whole = request.columns & ~(grain - 1)
    var column = 0
    while column < whole {
        let numbers = lanes(from, column, isDouble: request.fromDouble) * SIMD16(repeating: scale)
        if request.toDouble {
            write(numbers, to: to + column * 8)
        } else {
            write(floats(numbers), to: to + column * 4)
        }
        column += grain
    }
    while column < request.columns {
        let one = single(from, column, isDouble: request.fromDouble) * scale
        if request.toDouble { put(one, at: to + column * 8) } else { put(Float(one), at: to + column * 4) }
        column += 1
    }
}

@inline(__always)
private func lanes(_ from: UnsafeRawPointer, _ index: Int, isDouble: Bool) -> SIMD16<Double> {
    isDouble ? read(from + index * 8) : doubles(read(from + index * 4) as SIMD16<Float>)
}

@inline(__always)
private func single(_ from: UnsafeRawPointer, _ index: Int, isDouble: Bool) -> Double {
    if isDouble { return value(at: from + index * 8) }
    return Double(number(from + index * 4))
}

/// Some rows of a `RowSquaresRequest`.
func rowSquares(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: RowSquaresRequest = value(at: request)
    let whole = request.columns & ~(grain - 1)
    for row in request.cut.range(piece) {
        let from = request.from + row * request.columns * (request.isDouble ? 8 : 4)
        var squares = SIMD16<Double>.zero
        var column = 0
        while column < whole {
            let numbers = lanes(from, column, isDouble: request.isDouble)
            squares += numbers * numbers
            column += grain
        }
        var total = sum(squares)
        while column < request.columns {
            let one = single(from, column, isDouble: request.isDouble)
            total += one * one
            column += 1
        }
        put(total, at: request.sums + row)
    }
}

/// Rows that become columns, a tile at a time by way of scratch, in fp32; where either side is fp64, one by one.
private func turnRows(_ request: TurnRequest, _ rows: Range<Int>, _ scratch: UnsafeMutableRawPointer) {
    let scale = Floats(repeating: Float(request.scale))
    var column = 0
    while column < request.columns {
        let width = min(grain, request.columns - column)
        var row = rows.lowerBound
        while row < rows.upperBound {
            let height = min(grain, rows.upperBound - row)
            if height == grain && width == grain && !request.fromDouble && !request.toDouble {
                let from = request.from + (row * request.fromStride + column) * 4
                for line in 0..<grain {
                    let numbers: Floats = read(from + line * request.fromStride * 4)
                    write(numbers * scale, to: scratch + line * tileStride)
                }
                transpose(
                    scratch, stride: tileStride, to: request.to + (column * request.toStride + row) * 4,
                    stride: request.toStride * 4)
            } else {
                turnTile(request, row..<row + height, column..<column + width)
            }
            row += grain
        }
        column += grain
    }
}

private func turnTile(_ request: TurnRequest, _ rows: Range<Int>, _ columns: Range<Int>) {
    for row in rows {
        for column in columns {
            let one =
                single(request.from, row * request.fromStride + column, isDouble: request.fromDouble) * request.scale
            let place = column * request.toStride + row
            if request.toDouble {
                put(one, at: request.to + place * 8)
            } else {
                put(Float(one), at: request.to + place * 4)
            }
        }
    }
}

/// Bytes of a row of a tile.
@inline(__always)
private var tileStride: Int { grain * 4 }

/// Sixteen rows of a `SymmetricRequest` up to the diagonal, and the columns that mirror them.
func symmetric(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: SymmetricRequest = value(at: request)
    let stride = request.stride
    let row = stride - grain * (piece + 1)
    let turned = scratch + grain * tileStride
    let out = UnsafeMutableRawPointer(request.out)
    var column = 0
    while column <= row {
        for line in 0..<grain {
            let place = (row + line) * stride + column
            var numbers: Floats = read(UnsafeRawPointer(request.matrix) + place * 4) * request.ofMatrix
            if let product = request.product {
                numbers += read(UnsafeRawPointer(product) + place * 4) * request.ofProduct
            }
            if column == row {
                let isDiagonal = laneNumbers .== Floats(repeating: Float(line))
                numbers += Floats.zero.replacing(with: request.diagonal, where: isDiagonal)
            }
            write(numbers, to: scratch + line * tileStride)
        }
        transpose(scratch, stride: tileStride, to: turned, stride: tileStride)
        for line in 0..<grain {
            let below: Floats = read(scratch + line * tileStride)
            let above: Floats = read(turned + line * tileStride)
            let place = (row + line) * stride + column
            if column == row {
                let isAbove = laneNumbers .> Floats(repeating: Float(line))
                write(below.replacing(with: above, where: isAbove), to: out + place * 4)
            } else {
                write(below, to: out + place * 4)
                write(above, to: out + ((column + line) * stride + row) * 4)
            }
        }
        column += grain
    }
}
