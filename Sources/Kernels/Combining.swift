// Arrays put together: element by element, and rows beside rows.

import MartletKernelInterface

/// x + y, or x y, on one piece's elements.
func combination(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: CombinationRequest = value(at: request)
    let end = request.cut.end(piece)
    var index = request.cut.start(piece)
    while index < end {
        let count = min(end - index, grain)
        prefetch(.fp32, in: request.x, at: index)
        prefetch(.fp32, in: request.y, at: index)
        let (x, y) = (load(count, request.x + index), load(count, request.y + index))
        store(count, request.combination == .sum ? x + y : x * y, to: request.out + index)
        index += grain
    }
}

/// Copies one piece's rows.
func rowCopy(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: RowCopyRequest = value(at: request)
    for row in request.cut.start(piece)..<request.cut.end(piece) {
        copyNumbers(
            request.from + row * request.fromStride, to: request.to + row * request.toStride, count: request.width)
    }
}
