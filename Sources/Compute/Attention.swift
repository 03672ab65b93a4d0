// Attention of each head of each sample, each by itself on a thread: products of queries with keys, the weights that these
// become, and what the weights take of values. Nothing is checked.
import MartletKernelInterface

/// What is dropped of weights in training: of each head of each sample by a counter of its own.
package struct AttentionDropout: BitwiseCopyable {
    package let rate: Float
    package let key: UInt64
    package let step: UInt64

    package init(rate: Float, key: UInt64, step: UInt64) { (self.rate, self.key, self.step) = (rate, key, step) }

    /// Weights of a piece, or their gradients, without what is dropped.
    fileprivate func apply(
        _ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, _ count: Int, _ piece: Int, _ execution: Execution
    ) {
        let key = key &+ UInt64(piece) &* 0xD1B5_4A32_D192_ED03
        unsafe execution.run(DropoutRequest(count: count, rate: rate, key: key, step: step, x: x, y: y))
    }
}

/// A batch's queries, keys and values, contiguous: (batch, places, heads, size) each.
@unsafe package struct Attention: BitwiseCopyable {
    package var batch, heads, queries, keys: Int
    /// Of one head: of queries and keys, and of values.
    package var size, valueSize: Int
    package var isCausal: Bool
    package var query, key, value: UnsafePointer<Float>
    /// Which keys of each sample are seen; nil: all.
    package var mask: UnsafePointer<Float>?
    /// (batch, heads, queries, keys): written forward, read back.
    package var weights: UnsafeMutablePointer<Float>
    /// nil: nothing is dropped.
    package var dropout: AttentionDropout?
    /// As many as weights: with dropout what is left of them, which is read back.
    package var dropped: UnsafeMutablePointer<Float>?

    package init(
        batch: Int, heads: Int, queries: Int, keys: Int, size: Int, valueSize: Int, isCausal: Bool,
        query: UnsafePointer<Float>, key: UnsafePointer<Float>, value: UnsafePointer<Float>,
        mask: UnsafePointer<Float>?, weights: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.batch, self.heads, self.queries, self.keys) = (batch, heads, queries, keys)
        unsafe (self.size, self.valueSize, self.isCausal) = (size, valueSize, isCausal)
        unsafe (self.query, self.key, self.value) = unsafe (query, key, value)
        unsafe (self.mask, self.weights) = unsafe (mask, weights)
    }

    fileprivate var scale: Float { unsafe 1 / Float(size).squareRoot() }
    fileprivate var nanoseconds: Int {
        unsafe batch * heads * queries * keys * ((size + valueSize) / 64 + 1)
    }
}

/// Where gradients go; nil where nobody needs them.
@unsafe package struct AttentionGradients: BitwiseCopyable {
    package var output: UnsafePointer<Float>
    package var query, key, value: UnsafeMutablePointer<Float>?
    /// As many as weights; where some were dropped, those that are left, which are written over.
    package var work: UnsafeMutablePointer<Float>

    package init(
        output: UnsafePointer<Float>, query: UnsafeMutablePointer<Float>?, key: UnsafeMutablePointer<Float>?,
        value: UnsafeMutablePointer<Float>?, work: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.output, self.query, self.key) = unsafe (output, query, key)
        unsafe (self.value, self.work) = unsafe (value, work)
    }
}

extension Execution {
    package func attend(_ attention: Attention, out: UnsafeMutablePointer<Float>) {
        var job = unsafe Job(execution: self, attention: attention, out: out, gradients: nil)
        unsafe run(&job, nanoseconds: attention.nanoseconds)
    }

    package func attendBack(_ attention: Attention, _ gradients: AttentionGradients) {
        var job = unsafe Job(execution: self, attention: attention, out: nil, gradients: gradients)
        unsafe run(&job, nanoseconds: 2 * attention.nanoseconds)
    }

    private func run(_ job: inout Job, nanoseconds: Int) {
        let pieces = unsafe job.attention.batch * job.attention.heads
        unsafe withUnsafePointer(to: &job) { job in
            unsafe run(Job.runPiece, on: job, pieces: pieces, nanoseconds: nanoseconds)
        }
    }
}

@unsafe private struct Job {
    let execution: Execution
    let attention: Attention
    let out: UnsafeMutablePointer<Float>?
    let gradients: AttentionGradients?

    /// One head of one sample.
    static let runPiece: PieceKernel = { job, piece, scratch in
        let job = unsafe job.assumingMemoryBound(to: Job.self)
        unsafe job.pointee.run(piece, job.pointee.execution.alone(scratch))
    }

    func run(_ piece: Int, _ execution: Execution) {
        let (sample, head) = unsafe piece.quotientAndRemainder(dividingBy: attention.heads)
        let weights = unsafe attention.weights + piece * attention.queries * attention.keys
        if let out = unsafe out {
            unsafe attend(sample, head, weights, out, piece, execution)
        } else if let gradients = unsafe gradients {
            unsafe attendBack(sample, head, weights, gradients, piece, execution)
        }
    }

    /// Numbers to a head's first row, in an array of so many places with rows of `size` for each head.
    private func start(_ sample: Int, _ head: Int, places: Int, size: Int) -> Int {
        unsafe (sample * places * attention.heads + head) * size
    }

    private func attend(
        _ sample: Int, _ head: Int, _ weights: UnsafeMutablePointer<Float>, _ out: UnsafeMutablePointer<Float>,
        _ piece: Int, _ execution: Execution
    ) {
        let all = unsafe attention
        let (row, valueRow) = unsafe (all.heads * all.size, all.heads * all.valueSize)
        unsafe execution.multiply(
            MatrixProduct(
                rows: all.queries, inner: all.size, columns: all.keys,
                left: Factor(
                    base: all.query + start(sample, head, places: all.queries, size: all.size), rowStride: row,
                    columnStride: 1),
                right: Factor(
                    base: all.key + start(sample, head, places: all.keys, size: all.size), rowStride: 1,
                    columnStride: row),
                out: weights, outStride: all.keys))
        unsafe execution.run(
            AttentionWeightsRequest(
                rows: all.queries, keys: all.keys, scale: all.scale, isCausal: all.isCausal,
                mask: all.mask.map { unsafe $0 + sample * all.keys }, x: weights, y: weights))
        var taken = unsafe weights
        if let dropout = unsafe all.dropout, let dropped = unsafe all.dropped {
            let count = unsafe all.queries * all.keys
            unsafe taken = unsafe dropped + piece * count
            unsafe dropout.apply(weights, to: taken, count, piece, execution)
        }
        unsafe execution.multiply(
            MatrixProduct(
                rows: all.queries, inner: all.keys, columns: all.valueSize,
                left: Factor(base: taken, rowStride: all.keys, columnStride: 1),
                right: Factor(
                    base: all.value + start(sample, head, places: all.keys, size: all.valueSize), rowStride: valueRow,
                    columnStride: 1),
                out: out + start(sample, head, places: all.queries, size: all.valueSize), outStride: valueRow))
    }

    private func attendBack(
        _ sample: Int, _ head: Int, _ weights: UnsafeMutablePointer<Float>, _ gradients: AttentionGradients,
        _ piece: Int, _ execution: Execution
    ) {
        let all = unsafe attention
        let (row, valueRow) = unsafe (all.heads * all.size, all.heads * all.valueSize)
        let queries = unsafe start(sample, head, places: all.queries, size: all.size)
        let keys = unsafe start(sample, head, places: all.keys, size: all.size)
        let values = unsafe start(sample, head, places: all.keys, size: all.valueSize)
        let output = unsafe Factor(
            base: gradients.output + start(sample, head, places: all.queries, size: all.valueSize),
            rowStride: valueRow, columnStride: 1)
        let count = unsafe all.queries * all.keys
        let work = unsafe gradients.work + piece * count
        if let out = unsafe gradients.value {
            unsafe execution.multiply(
                MatrixProduct(
                    rows: all.keys, inner: all.queries, columns: all.valueSize,
                    left: Factor(base: all.dropout == nil ? weights : work, rowStride: 1, columnStride: all.keys),
                    right: output,
                    out: out + values, outStride: valueRow))
        }
        if unsafe gradients.query == nil && gradients.key == nil { return }
        unsafe execution.multiply(
            MatrixProduct(
                rows: all.queries, inner: all.valueSize, columns: all.keys, left: output,
                right: Factor(base: all.value + values, rowStride: 1, columnStride: valueRow), out: work,
                outStride: all.keys))
        if let dropout = unsafe all.dropout { unsafe dropout.apply(work, to: work, count, piece, execution) }
        unsafe execution.run(
            SoftmaxBackwardRequest(
                rows: all.queries, columns: all.keys, y: weights, gradient: work, out: work, scale: all.scale))
        if let out = unsafe gradients.query {
            unsafe execution.multiply(
                MatrixProduct(
                    rows: all.queries, inner: all.keys, columns: all.size,
                    left: Factor(base: work, rowStride: all.keys, columnStride: 1),
                    right: Factor(base: all.key + keys, rowStride: row, columnStride: 1), out: out + queries,
                    outStride: row))
        }
        if let out = unsafe gradients.key {
            unsafe execution.multiply(
                MatrixProduct(
                    rows: all.keys, inner: all.queries, columns: all.size,
                    left: Factor(base: work, rowStride: 1, columnStride: all.keys),
                    right: Factor(base: all.query + queries, rowStride: row, columnStride: 1), out: out + keys,
                    outStride: row))
        }
    }
}
