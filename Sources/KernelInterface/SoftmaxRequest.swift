// The requests for softmax by rows and its gradient. The arithmetic is in Kernels/Softmax.swift.

/// The softmax of each row, its largest element subtracted first. x and y may be one array.
@unsafe package struct SoftmaxRequest: PieceRequest {
    package static var kernel: Kernel { .softmax }
    package let columns: Int
    package let x: UnsafePointer<Float>
    package let y: UnsafeMutablePointer<Float>
    /// Runs of rows.
    package let cut: Cut

    package init(rows: Int, columns: Int, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>) {
        unsafe (self.columns, self.x, self.y) = unsafe (columns, x, y)
        unsafe cut = Cut(rows, of: columns, about: 4096)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * (columns + 20) }
}

/// out = scale * y * (gradient - sum of y * gradient) in each row. `out` may be `gradient`.
@unsafe package struct SoftmaxBackwardRequest: PieceRequest {
    package static var kernel: Kernel { .softmaxBackward }
    package let columns: Int
    package let y: UnsafePointer<Float>
    package let gradient: UnsafePointer<Float>
    package let out: UnsafeMutablePointer<Float>
    package let scale: Float
    /// Runs of rows.
    package let cut: Cut

    package init(
        rows: Int, columns: Int, y: UnsafePointer<Float>, gradient: UnsafePointer<Float>,
        out: UnsafeMutablePointer<Float>, scale: Float = 1
    ) {
        unsafe (self.columns, self.y, self.gradient, self.out) = unsafe (columns, y, gradient, out)
        unsafe self.scale = scale
        unsafe cut = Cut(rows, of: columns, about: 8192)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * (columns / 2 + 20) }
}
