// What each row of attention takes of each key: a softmax over the keys that it sees (Vaswani et al.: Attention is all you
// need. NeurIPS 2017). Its gradient is softmax's, since what is not seen has weight 0.

import MartletKernelInterface

/// The weights of all rows of a request, which is one piece.
func attentionWeights(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: AttentionWeightsRequest = value(at: request)
    let keys = request.keys
    for row in 0..<request.rows {
        let seen = request.isCausal ? min(row + 1, keys) : keys
        weigh(
            keys: keys, seen: seen, request.scale, request.mask, request.x + row * keys, to: request.y + row * keys)
    }
}

/// One row's weights of the keys that it sees, and zeros for those behind them.
@inline(never)
private func weigh(
    keys: Int, seen: Int, _ scale: Float, _ mask: UnsafePointer<Float>?, _ x: UnsafePointer<Float>,
    to y: UnsafeMutablePointer<Float>
) {
    var index = 0
    var shown = Floats.zero
    while index < seen {
        let count = min(seen - index, grain)
        var numbers = load(count, x + index) * scale
        if let mask {
            let ones = load(count, mask + index)
            numbers = numbers.replacing(with: -.infinity, where: ones .== 0)
            shown += ones
        }
        store(count, numbers, to: y + index)
        index += grain
    }
    clear(y + seen, bytes: 4 * (keys - seen))
    // Not the largest says so: NaN is none.
    if mask != nil && sum(shown) == 0 {
        clear(y, bytes: 4 * seen)
        return
    }
    let factor = 1 / exponentials(seen, y, less: largest(seen, y, left: seen), to: y)
    index = 0
    while index < seen {
        let count = min(seen - index, grain)
        store(count, load(count, y + index) * factor, to: y + index)
        index += grain
    }
}

/// One head of an `AttentionStepsRequest`.
@inline(never)
func attentionSteps(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: AttentionStepsRequest = value(at: request)
    BlockScratch.prepare(scratch)
    let row = AttentionStepsRequest.keyRow(length: request.length)
    let weights = request.weights + piece * request.queries * row
    multiplyRows(
        request.queries, by: ProductLimits.blocks(of: request.size), inner: request.size,
        columns: wholeGrains(request.keys),
        Factor(base: request.query + piece * request.size, rowStride: request.heads * request.size, columnStride: 1),
        Factor(base: request.key + piece * request.size * row, rowStride: row, columnStride: 1), to: weights, row: row,
        scratch)
    let scale = 1 / Float(request.size).squareRoot()
    for query in 0..<request.queries {
        let (seen, place) = (request.keys - request.queries + query + 1, weights + query * row)
        weigh(keys: request.keys, seen: seen, scale, nil, place, to: place)
    }
    let (start, width) = (piece * request.valueSize, request.heads * request.valueSize)
    multiplyRows(
        request.queries, by: ProductLimits.blocks(of: request.length), inner: request.keys, columns: request.valueSize,
        Factor(base: weights, rowStride: row, columnStride: 1),
        Factor(base: request.value + start, rowStride: width, columnStride: 1), to: request.out + start, row: width,
        scratch)
}

/// out = left · right over the first `inner` of an inner index that is cut into blocks. The right factor can be read for whole
/// sixteens of columns.
@inline(never)
private func multiplyRows(
    _ rows: Int, by blocks: Cut, inner: Int, columns: Int, _ left: Factor, _ right: Factor,
    to out: UnsafeMutablePointer<Float>, row: Int, _ scratch: UnsafeMutableRawPointer
) {
    for index in 0..<blocks.pieces {
        let first = blocks.start(index)
        if first >= inner { return }
        withAddress(of: Segment(left: 0, right: 0, count: min(blocks.end(index), inner) - first)) { segment in
            let block = TileBlock(
                segments: segment, segmentCount: 1, leftRow: left.rowStride * 4, leftStep: 4,
                rightStep: right.rowStride * 4, outRow: row * 4, startRow: 0, floor: -.infinity)
            multiplyBlock(
                block, rows: rows, columns: columns, left: left.base + first,
                right: right.base + first * right.rowStride, panelStride: panelColumns * 4,
                start: index == 0 ? BlockStart(base: nil, row: 0) : BlockStart(base: out, row: row * 4), out: out,
                scratch: scratch)
        }
    }
}
