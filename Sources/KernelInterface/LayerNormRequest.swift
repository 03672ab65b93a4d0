// The requests for rows brought to mean 0 and deviation 1, scaled and shifted, and the gradients of that. The arithmetic is
// in Kernels/LayerNorm.swift.

/// y = (x - mean) / sqrt(variance + epsilon) scale + shift, with the mean and variance of each row, or with 0 for the mean. x
/// and y may be one array.
@unsafe package struct LayerNormRequest: PieceRequest {
    package static var kernel: Kernel { .layerNorm }
    package let columns: Int
    package let epsilon: Float
    package let isCentered: Bool
    package let x: UnsafePointer<Float>
    /// nil: ones; nil: zeros.
    package let scale: UnsafePointer<Float>?
    package let shift: UnsafePointer<Float>?
    /// Two numbers for each row, its mean and 1 / sqrt(variance + epsilon); nil where nobody asks for them again.
    package let saved: UnsafeMutablePointer<Float>?
    package let y: UnsafeMutablePointer<Float>
    /// Runs of rows.
    package let cut: Cut

    package init(
        rows: Int, columns: Int, epsilon: Float, isCentered: Bool, x: UnsafePointer<Float>,
        scale: UnsafePointer<Float>?, shift: UnsafePointer<Float>?, saved: UnsafeMutablePointer<Float>?,
        y: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.columns, self.epsilon, self.isCentered) = (columns, epsilon, isCentered)
        unsafe (self.x, self.scale, self.shift, self.saved, self.y) = unsafe (x, scale, shift, saved, y)
        unsafe cut = Cut(rows, of: columns, about: 8192)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * (columns / 4 + 20) }
}

/// out = gradient (x - mean) / sqrt(variance + epsilon): what the scale's gradient is the sum of.
@unsafe package struct LayerNormProductsRequest: PieceRequest {
    package static var kernel: Kernel { .layerNormProducts }
    package let columns: Int
    package let x: UnsafePointer<Float>
    package let saved: UnsafePointer<Float>
    package let gradient: UnsafePointer<Float>
    package let out: UnsafeMutablePointer<Float>
    /// Runs of rows.
    package let cut: Cut

    package init(
        rows: Int, columns: Int, x: UnsafePointer<Float>, saved: UnsafePointer<Float>, gradient: UnsafePointer<Float>,
        out: UnsafeMutablePointer<Float>
    ) {
        unsafe self.columns = columns
        unsafe (self.x, self.saved, self.gradient, self.out) = unsafe (x, saved, gradient, out)
        unsafe cut = Cut(rows, of: columns, about: 8192)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * (columns / 6 + 10) }
}

/// The input's gradient: with g = gradient scale and n = (x - mean) / sqrt(variance + epsilon),
/// (g - mean of g - n mean of g n) / sqrt(variance + epsilon), without the mean of g where x is not centered.
@unsafe package struct LayerNormBackwardRequest: PieceRequest {
    package static var kernel: Kernel { .layerNormBackward }
    package let columns: Int
    package let isCentered: Bool
    package let x: UnsafePointer<Float>
    package let scale: UnsafePointer<Float>?
    package let saved: UnsafePointer<Float>
    package let gradient: UnsafePointer<Float>
    package let out: UnsafeMutablePointer<Float>
    /// Runs of rows.
    package let cut: Cut

    package init(
        rows: Int, columns: Int, isCentered: Bool, x: UnsafePointer<Float>, scale: UnsafePointer<Float>?,
        saved: UnsafePointer<Float>, gradient: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.columns, self.isCentered) = (columns, isCentered)
        unsafe (self.x, self.scale, self.saved) = unsafe (x, scale, saved)
        unsafe (self.gradient, self.out) = unsafe (gradient, out)
        unsafe cut = Cut(rows, of: columns, about: 8192)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * (columns / 3 + 20) }
}
