// Sums of all elements of an array, or of their squares: a block of fixed size at a time, in fp64, and then the blocks in
// their order.

import MartletKernelInterface

/// What one block comes to.
func sums(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: SumsRequest = value(at: request)
    let x = request.x
    let end = request.cut.end(piece)
    var index = request.cut.start(piece)
    var total = SIMD16<Double>.zero
    while index < end {
        let count = min(end - index, grain)
        let numbers = load(count, x + index)
        switch request.what {
        case .elements: total += doubles(numbers)
        case .squares:
            let wide = doubles(numbers)
            total += wide * wide
        }
        index += grain
    }
    put(sum(total), at: request.partial + piece)
}

/// The sum of all lanes, in a fixed order.
@_transparent
func sum(_ x: SIMD16<Double>) -> Double {
    let four =
        SIMD4(x[0], x[1], x[2], x[3]) + SIMD4(x[4], x[5], x[6], x[7]) + SIMD4(x[8], x[9], x[10], x[11])
        + SIMD4(x[12], x[13], x[14], x[15])
    return (four[0] + four[2]) + (four[1] + four[3])
}

/// The blocks added up, in the first one's place.
func total(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: TotalRequest = value(at: request)
    var total = 0.0
    for block in 0..<request.count { total += value(at: request.partial + block) }
    put(total, at: request.partial)
}
