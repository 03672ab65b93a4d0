// What decompositions of matrices need beside products: Householder reflections (Golub and Van Loan, Matrix
// Computations, section 5.1), the update and product of each step towards a tridiagonal matrix (section 8.3), and the
// rotations of the steps from there to a diagonal one. Rows come in sixteens, filled up with zeros.

import MartletKernelInterface

/// All rows of a `ReflectRequest`.
func reflect(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: ReflectRequest = value(at: request)
    let bytes = (request.stride - request.first) * 4
    let rowBytes = request.stride * 4
    var row = UnsafeMutableRawPointer(request.rows + request.first)
    for index in 0..<request.count {
        let tau = makeReflection(row, pivot: index, bytes: bytes)
        put(tau, at: request.taus + index)
        if tau != 0 {
            var other = row
            for _ in index + 1..<request.count {
                other += rowBytes
                addProduct(other, -Float(tau) * dot(other, row, bytes: bytes), row, bytes: bytes)
            }
        }
        row += rowBytes
    }
}

/// Makes a row's part before the pivot 0, and the rest the reflection's vector; returns tau. In fp64, whose range no square
/// of fp32 leaves.
@inline(__always)
private func makeReflection(_ row: UnsafeMutableRawPointer, pivot: Int, bytes: Int) -> Double {
    clearNumbers(row, count: pivot)
    let alpha = Double(number(row + pivot * 4))
    put(Float(0), at: row + pivot * 4)
    var squares = SIMD16<Double>.zero
    var place = 0
    while place < bytes {
        let numbers = doubles(read(row + place) as Floats)
        squares += numbers * numbers
        place += grain * 4
    }
    let rest = sum(squares)
    var tau = 0.0
    if rest != 0 {
        let norm = (alpha * alpha + rest).squareRoot()
        let beta = alpha > 0 ? -norm : norm
        tau = (beta - alpha) / beta
        let scale = SIMD16<Double>(repeating: 1 / (alpha - beta))
        place = 0
        while place < bytes {
            write(floats(doubles(read(row + place) as Floats) * scale), to: row + place)
            place += grain * 4
        }
    }
    put(Float(1), at: row + pivot * 4)
    return tau
}

/// The sum of the products of two rows.
@inline(__always)
private func dot(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, bytes: Int) -> Float {
    var even = Floats.zero
    var odd = Floats.zero
    var place = 0
    while place + 2 * grain * 4 <= bytes {
        even = multiplyAdd(even, read(a + place), read(b + place))
        odd = multiplyAdd(odd, read(a + place + grain * 4), read(b + place + grain * 4))
        place += 2 * grain * 4
    }
    if place < bytes { even = multiplyAdd(even, read(a + place), read(b + place)) }
    return sum(even + odd)
}

/// to += factor row.
@inline(__always)
private func addProduct(_ to: UnsafeMutableRawPointer, _ factor: Float, _ row: UnsafeRawPointer, bytes: Int) {
    let factor = Floats(repeating: factor)
    var place = 0
    while place < bytes {
        write(multiplyAdd(read(to + place), factor, read(row + place)), to: to + place)
        place += grain * 4
    }
}

/// Some rows of a `TridiagonalRequest`.
func tridiagonal(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: TridiagonalRequest = value(at: request)
    let from = request.first & ~(grain - 1)
    let bytes = (request.stride - from) * 4
    let v = UnsafeRawPointer(request.v + from)
    let w = UnsafeRawPointer(request.w + from)
    let next = UnsafeRawPointer(request.next + from)
    for index in request.cut.range(piece) {
        let row = request.first + index
        let numbers = UnsafeMutableRawPointer(request.matrix + row * request.stride + from)
        let ofW = Floats(repeating: -number(request.v + row))
        let ofV = Floats(repeating: -number(request.w + row))
        var even = Floats.zero
        var odd = Floats.zero
        var place = 0
        while place < bytes {
            let new = multiplyAdd(multiplyAdd(read(numbers + place), ofW, read(w + place)), ofV, read(v + place))
            write(new, to: numbers + place)
            let total = multiplyAdd(even, new, read(next + place))
            (even, odd) = (odd, total)
            place += grain * 4
        }
        put(sum(even + odd), at: request.product + row)
    }
}

/// Some columns of a `RotateRequest`.
func rotate(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: RotateRequest = value(at: request)
    let column = piece * RotateRequest.width
    if request.stride - column >= RotateRequest.width {
        rotateColumns(request, column, isWide: true)
    } else {
        rotateColumns(request, column, isWide: false)
    }
}

@inline(__always)
private func rotateColumns(_ request: RotateRequest, _ column: Int, isWide: Bool) {
    let rowBytes = request.stride * 4
    let half = grain * 4
    var rotation = UnsafeRawPointer(request.rotations)
    for index in 0..<request.sweepCount {
        let sweep: RotationSweep = value(at: request.sweeps + index)
        var row = UnsafeMutableRawPointer(request.matrix + Int(sweep.last) * request.stride + column)
        var y: Floats = read(row)
        var y2 = isWide ? read(row + half) : Floats.zero
        for _ in 0..<sweep.count {
            let cosine = Floats(repeating: number(rotation))
            let sine = Floats(repeating: number(rotation + 4))
            rotation += 8
            let x: Floats = read(row - rowBytes)
            write(multiplyAdd(cosine * y, sine, x), to: row)
            y = multiplyAdd(cosine * x, -sine, y)
            if isWide {
                let x2: Floats = read(row - rowBytes + half)
                write(multiplyAdd(cosine * y2, sine, x2), to: row + half)
                y2 = multiplyAdd(cosine * x2, -sine, y2)
            }
            row -= rowBytes
        }
        write(y, to: row)
        if isWide { write(y2, to: row + half) }
    }
}
