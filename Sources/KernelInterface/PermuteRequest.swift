// The request for images whose dimensions change places. They are moved by Kernels/Copies.swift.

/// Dimension `d` of each of the batch that comes out is dimension `order[d]` of what goes in, whose sizes are given:
/// (1, 2, 0) makes channels-last of channels-first.
@unsafe package struct PermuteRequest: PieceRequest {
    package static var kernel: Kernel { .permute }
    /// Of what comes out, with the distance in x between neighbours along each.
    package let sizes: InlineArray<3, Int>
    package let strides: InlineArray<3, Int>
    package let x: UnsafePointer<Float>
    package let y: UnsafeMutablePointer<Float>
    package let cut: Cut

    package init(
        batch: Int, sizes: (Int, Int, Int), order: (Int, Int, Int), x: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>
    ) {
        let size: InlineArray<3, Int> = [sizes.0, sizes.1, sizes.2]
        let stride: InlineArray<3, Int> = [sizes.1 * sizes.2, sizes.2, 1]
        unsafe self.sizes = [size[order.0], size[order.1], size[order.2]]
        unsafe self.strides = [stride[order.0], stride[order.1], stride[order.2]]
        unsafe (self.x, self.y) = unsafe (x, y)
        unsafe cut = Cut(batch, of: sizes.0 * sizes.1 * sizes.2, about: 16_384)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * sizes[0] * sizes[1] * sizes[2] }
}
