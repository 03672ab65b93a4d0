// Operations of models on elements and rows: activations, softmax, sums, normalisation by column, dropout, random words.
// Arrays are contiguous fp32; what is read may not overlap what is written, but where it says so. Nothing is checked.
import MartletKernelInterface

extension Execution {
    /// y = f(x). x and y may be one array. `slope` is leakyReLU's, and not negative.
    package func activate(
        _ activation: Activation, slope: Float, count: Int, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>
    ) {
        var request = unsafe ActivationRequest(activation, slope: slope, count: count, x: x, saved: x, y: y)
        let pieces = unsafe request.cut.pieces
        unsafe run(
            .activate, on: &request, pieces: pieces, nanoseconds: count * Execution.cost(activation) / 16)
    }

    /// out = gradient * f'. `saved` is the output, or the input, as `derivesFromOutput` says; `out` may be `gradient`.
    package func activateBackward(
        _ activation: Activation, slope: Float, count: Int, saved: UnsafePointer<Float>, gradient: UnsafePointer<Float>,
        out: UnsafeMutablePointer<Float>
    ) {
        var request = unsafe ActivationRequest(
            activation, slope: slope, count: count, x: gradient, saved: saved, y: out)
        let pieces = unsafe request.cut.pieces
        let cost = unsafe activation.derivesFromOutput ? 3 : Execution.cost(activation)
        unsafe run(.activateBackward, on: &request, pieces: pieces, nanoseconds: count * cost / 16)
    }

    /// About how many nanoseconds sixteen elements take.
    private static func cost(_ activation: Activation) -> Int {
        switch activation {
        case .linear, .relu, .leakyReLU, .softmax: 3
        case .silu, .tanh, .sigmoid: 8
        case .gelu: 14
        }
    }

    /// The softmax of each row, its largest element subtracted first. x and y may be one array.
    package func softmax(rows: Int, columns: Int, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>) {
        var request = unsafe RowsRequest(rows: rows, columns: columns, x: x, second: x, third: x, y: y, elements: 4096)
        let pieces = unsafe request.cut.pieces
        unsafe run(.softmax, on: &request, pieces: pieces, nanoseconds: rows * (columns + 20))
    }

    /// out = y * (gradient - sum of y * gradient) in each row. `out` may be `gradient`.
    package func softmaxBackward(
        rows: Int, columns: Int, y: UnsafePointer<Float>, gradient: UnsafePointer<Float>,
        out: UnsafeMutablePointer<Float>
    ) {
        var request = unsafe RowsRequest(
            rows: rows, columns: columns, x: y, second: gradient, third: y, y: out, elements: 8192)
        let pieces = unsafe request.cut.pieces
        unsafe run(.softmaxBackward, on: &request, pieces: pieces, nanoseconds: rows * (columns / 2 + 20))
    }

    /// The sum of each column, in fp64 over blocks of 256 rows.
    package func columnSums(rows: Int, columns: Int, x: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>) {
        let partial = unsafe shared.assumingMemoryBound(to: Double.self)
        var request = unsafe ColumnSumsRequest(rows: rows, columns: columns, x: x, y: out, partial: partial)
        for first in stride(from: 0, to: columns, by: ColumnParts.slab) {
            unsafe request.firstColumn = first
            unsafe request.columnCount = min(columns - first, ColumnParts.slab)
            let (count, parts) = unsafe (request.columnCount, request.parts.pieces)
            unsafe run(.columnSums, on: &request, pieces: parts, nanoseconds: rows * count / 8)
            unsafe run(.columnTotals, on: &request, pieces: 1, nanoseconds: count * parts / 8)
        }
    }

    /// y = (x - mean) * factor, with one factor, and unless it is nil one mean, for each column. x and y may be one array.
    package func normalize(
        rows: Int, columns: Int, mean: UnsafePointer<Float>?, factor: UnsafePointer<Float>, x: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>
    ) {
        var request = unsafe RowsRequest(
            rows: rows, columns: columns, x: x, second: mean ?? factor, third: factor, y: y, elements: 16_384)
        unsafe request.hasSecond = unsafe mean != nil
        let pieces = unsafe request.cut.pieces
        unsafe run(.normalize, on: &request, pieces: pieces, nanoseconds: rows * columns / 6)
    }

    /// Keeps an element where the random number of (key, step, its index) is at least `rate`, times 1 / (1 - rate), and
    /// makes the others 0. The gradient takes the same call. x and y may be one array.
    package func dropout(
        count: Int, rate: Float, key: UInt64, step: UInt64, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>
    ) {
        var request = unsafe RandomRequest(key: key, stream: step, count: count)
        unsafe request.rate = rate
        unsafe request.x = unsafe x
        unsafe request.y = unsafe y
        let pieces = unsafe request.cut.pieces
        unsafe run(.dropout, on: &request, pieces: pieces, nanoseconds: count)
    }

    /// Random words of a counter: word `first + i` of the stream depends on the key, the stream and its number alone.
    package func randomWords(key: UInt64, stream: UInt64, first: UInt64, count: Int, out: UnsafeMutablePointer<UInt32>)
    {
        var request = unsafe RandomRequest(key: key, stream: stream, count: count)
        unsafe request.first = first
        unsafe request.words = unsafe out
        let pieces = unsafe request.cut.pieces
        unsafe run(.randomWords, on: &request, pieces: pieces, nanoseconds: count)
    }

    /// The sum of all elements, in fp64, over fixed blocks in a fixed order.
    package func sum(count: Int, x: UnsafePointer<Float>) -> Double { unsafe total(.sum, count, x) }

    /// The sum of their squares, likewise.
    package func sumOfSquares(count: Int, x: UnsafePointer<Float>) -> Double { unsafe total(.squares, count, x) }

    private func total(_ what: SumRequest.What, _ count: Int, _ x: UnsafePointer<Float>) -> Double {
        let partial = unsafe shared.assumingMemoryBound(to: Double.self)
        var request = unsafe SumRequest(what, count: count, x: x, partial: partial)
        let pieces = unsafe request.cut.pieces
        unsafe run(.sums, on: &request, pieces: pieces, nanoseconds: count / 8)
        unsafe run(.total, on: &request, pieces: 1, nanoseconds: pieces)
        return unsafe partial.pointee
    }
}
