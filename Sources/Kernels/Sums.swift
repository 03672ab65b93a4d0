// Sums of all elements of an array: a block of fixed size at a time, in fp64, and then the blocks in their order. The
// infinite and NaN are found by what 0 times them adds up to.

import MartletKernelInterface

/// What one block comes to.
func sums(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: SumRequest = value(at: request)
    let x = request.x
    let end = request.cut.end(piece)
    var index = request.cut.start(piece)
    var total = SIMD16<Double>.zero
    var zeros = Floats.zero
    while index < end {
        let count = min(end - index, grain)
        let numbers = load(count, x + index)
        switch request.what {
        case .sum: total += doubles(numbers)
        case .squares:
            let wide = doubles(numbers)
            total += wide * wide
        case .finite: zeros += numbers * 0
        }
        index += grain
    }
    if case .finite = request.what {
        put(sum(zeros) == 0 ? 0.0 : 1.0, at: request.partial + piece)
    } else {
        put(sum(total), at: request.partial + piece)
    }
}

@inline(__always)
private func sum(_ lanes: SIMD16<Double>) -> Double {
    let eight = lanes.lowHalf + lanes.highHalf
    let four = eight.lowHalf + eight.highHalf
    return (four.x + four.z) + (four.y + four.w)
}

/// The blocks added up, in the first one's place.
func total(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: SumRequest = value(at: request)
    var total = 0.0
    for piece in 0..<request.cut.pieces { total += value(at: request.partial + piece) }
    put(total, at: request.partial)
}
