// The request for the weights of attention: rows of products with keys become what each row takes of each key. The arithmetic is
// in Kernels/Attention.swift.

/// y = the softmax of scale x over the keys that a row sees, and 0 for others; zeros for a row that sees none. x and y may be one
/// array.
@unsafe package struct AttentionWeightsRequest: PieceRequest {
    package static var kernel: Kernel { .attentionWeights }
    package let rows: Int
    package let keys: Int
    package let scale: Float
    /// Whether a row sees no keys behind its own place.
    package let isCausal: Bool
    /// The first row's place among keys.
    package let first: Int
    /// Which keys are seen, 1 or 0; nil: all.
    package let mask: UnsafePointer<Float>?
    package let x: UnsafePointer<Float>
    package let y: UnsafeMutablePointer<Float>

    @inline(__always)
    package init(
        rows: Int, keys: Int, scale: Float, isCausal: Bool, first: Int, mask: UnsafePointer<Float>?,
        x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.rows, self.keys, self.scale, self.isCausal) = (rows, keys, scale, isCausal)
        unsafe self.first = first
        unsafe (self.mask, self.x, self.y) = unsafe (mask, x, y)
    }

    package var pieces: Int { 1 }
    package var nanoseconds: Int { unsafe rows * (keys + 20) }
}
