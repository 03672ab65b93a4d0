// The requests for the weights of attention: rows of products with keys become what each row takes of each key; and for all
// that some steps of a sequence do where the keys and values of those before are kept. The arithmetic is in
// Kernels/Attention.swift.

/// y = the softmax of scale x over the keys that a row sees, and 0 for others; zeros for a row that sees none. x and y may be
/// one array.
@unsafe package struct AttentionWeightsRequest: PieceRequest {
    package static var kernel: Kernel { .attentionWeights }
    package let rows: Int
    package let keys: Int
    package let scale: Float
    /// Whether a row sees no keys behind its own place.
    package let isCausal: Bool
    /// Which keys are seen, 1 or 0; nil: all.
    package let mask: UnsafePointer<Float>?
    package let x: UnsafePointer<Float>
    package let y: UnsafeMutablePointer<Float>

    @inline(__always)
    package init(
        rows: Int, keys: Int, scale: Float, isCausal: Bool, mask: UnsafePointer<Float>?, x: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.rows, self.keys, self.scale, self.isCausal) = (rows, keys, scale, isCausal)
        unsafe (self.mask, self.x, self.y) = unsafe (mask, x, y)
    }

    package var pieces: Int { 1 }
    package var nanoseconds: Int { unsafe rows * (keys + 20) }
}

/// The last steps of one sequence take of its values what their queries say of its keys, each of those up to its own: to the
/// bits of the whole sequence's product, whose sums are cut by its length. A head is a piece.
@unsafe package struct AttentionStepsRequest: PieceRequest {
    package static var kernel: Kernel { .attentionSteps }
    package let heads: Int
    /// Steps that ask, and all up to the last of them.
    package let queries: Int
    package let keys: Int
    /// The most there may be.
    package let length: Int
    /// Of one head: of queries and keys, and of values.
    package let size: Int
    package let valueSize: Int
    /// (queries, heads, size).
    package let query: UnsafePointer<Float>
    /// A row of ``keyRow`` for each feature of all heads; what lies behind the keys is read and not used.
    package let key: UnsafePointer<Float>
    /// (keys, heads, valueSize), and ``spare`` numbers more, of the same.
    package let value: UnsafePointer<Float>
    /// Memory to work in: (heads, queries, keyRow).
    package let weights: UnsafeMutablePointer<Float>
    /// (queries, heads, valueSize).
    package let out: UnsafeMutablePointer<Float>

    package init(
        heads: Int, queries: Int, keys: Int, length: Int, size: Int, valueSize: Int, query: UnsafePointer<Float>,
        key: UnsafePointer<Float>, value: UnsafePointer<Float>, weights: UnsafeMutablePointer<Float>,
        out: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.heads, self.queries, self.keys, self.length) = (heads, queries, keys, length)
        unsafe (self.size, self.valueSize) = (size, valueSize)
        unsafe (self.query, self.key, self.value) = unsafe (query, key, value)
        unsafe (self.weights, self.out) = unsafe (weights, out)
    }

    /// Numbers from row to row of keys, and of weights: whole sixteens.
    @inline(__always)
    package static func keyRow(length: Int) -> Int { (length + 15) & ~15 }
    @inline(__always)
    package static var spare: Int { 16 }

    package var pieces: Int { unsafe heads }
    package var nanoseconds: Int { unsafe heads * queries * keys * ((size + valueSize) / 64 + 1) }
}
