// Arrays put together: element by element, and rows beside rows.

import MartletKernelInterface

/// x + y, or another combination, on one piece's elements.
func combination(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: CombinationRequest = value(at: request)
    let end = request.cut.end(piece)
    var index = request.cut.start(piece)
    while index < end {
        let count = min(end - index, grain)
        prefetch(.fp32, in: request.x, at: index)
        prefetch(.fp32, in: request.y, at: index)
        let (x, y) = (load(count, request.x + index), load(count, request.y + index))
        let out: Floats =
            switch request.combination {
            case .sum: x + y
            case .product: x * y
            case .affine: x * request.first + request.second
            case .penalty: x + (sign(y) * request.first + y * request.second)
            }
        store(count, out, to: request.out + index)
        index += grain
    }
}

/// 1 or -1, and 0 of 0.
@_transparent
private func sign(_ x: Floats) -> Floats {
    floats((words(x) & 0x8000_0000) | 0x3F80_0000).replacing(with: x, where: x .== 0)
}

/// Copies one piece's rows.
func rowCopy(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: RowCopyRequest = value(at: request)
    for row in request.cut.start(piece)..<request.cut.end(piece) {
        copyNumbers(
            request.from + row * request.fromStride, to: request.to + row * request.toStride, count: request.width)
    }
}
