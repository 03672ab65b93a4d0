// Numbers that change places: rows chosen from a table, and images whose dimensions are put in another order.

import MartletKernelInterface

func gather(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: GatherRequest = value(at: request)
    let bytes = request.bytesPerRow
    for row in request.cut.start(piece)..<request.cut.end(piece) {
        let source: Int64 = value(at: request.rows + row)
        copy(request.from + Int(source) * bytes, to: request.to + row * bytes, bytes: bytes)
    }
}

func permute(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: PermuteRequest = value(at: request)
    let (sizes, strides) = (request.sizes, request.strides)
    let count = sizes[0] * sizes[1] * sizes[2]
    for image in request.cut.start(piece)..<request.cut.end(piece) {
        let x = request.x + image * count
        var y = request.y + image * count
        for i in 0..<sizes[0] {
            for j in 0..<sizes[1] {
                let row = x + i * strides[0] + j * strides[1]
                if strides[2] == 1 {
                    copy(row, to: y, bytes: sizes[2] * 4)
                } else {
                    for k in 0..<sizes[2] { put(number(row + k * strides[2]), at: y + k) }
                }
                y += sizes[2]
            }
        }
    }
}
