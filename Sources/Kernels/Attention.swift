// What each row of attention takes of each key: a softmax over the keys that it sees (Vaswani et al.: Attention is all you need.
// NeurIPS 2017). Its gradient is softmax's, since what is not seen has weight 0.

import MartletKernelInterface

/// The weights of all rows of a request, which is one piece.
func attentionWeights(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: AttentionWeightsRequest = value(at: request)
    let keys = request.keys
    for row in 0..<request.rows {
        let (x, y) = (request.x + row * keys, request.y + row * keys)
        let seen = request.isCausal ? min(request.first + row + 1, keys) : keys
        var index = 0
        var shown = Floats.zero
        while index < seen {
            let count = min(seen - index, grain)
            var numbers = load(count, x + index) * request.scale
            if let mask = request.mask {
                let ones = load(count, mask + index)
                numbers = numbers.replacing(with: -.infinity, where: ones .== 0)
                shown += ones
            }
            store(count, numbers, to: y + index)
            index += grain
        }
        clear(y + seen, bytes: 4 * (keys - seen))
        // Not the largest says so: NaN is none.
        if request.mask != nil && sum(shown) == 0 {
            clear(y, bytes: 4 * seen)
            continue
        }
        let factor = 1 / exponentials(seen, y, less: largest(seen, y, left: seen), to: y)
        index = 0
        while index < seen {
            let count = min(seen - index, grain)
            store(count, load(count, y + index) * factor, to: y + index)
            index += grain
        }
    }
}
