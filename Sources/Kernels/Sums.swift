// Sums of all elements of an array, or of their squares or magnitudes: a block of fixed size at a time, in fp64, and then the
// blocks in their order.

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
        case .magnitudes: total += doubles(magnitude(numbers))
        }
        index += grain
    }
    put(sum(total), at: request.partial + piece)
}

/// The blocks added up, in the first one's place.
func total(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: TotalRequest = value(at: request)
    var total = 0.0
    for block in 0..<request.count { total += value(at: request.partial + block) }
    put(total, at: request.partial)
}
