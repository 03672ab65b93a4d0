// Requests that move numbers without arithmetic: rows chosen from a table, and images whose dimensions change places.

/// Row `i` of `to` is row `rows[i]` of `from`.
@unsafe package struct GatherRequest: BitwiseCopyable {
    package var rows: UnsafePointer<Int64>
    package var bytesPerRow: Int
    package var from: UnsafeRawPointer
    package var to: UnsafeMutableRawPointer
    package var cut: Cut

    package init(
        rows: UnsafePointer<Int64>, count: Int, bytesPerRow: Int, from: UnsafeRawPointer, to: UnsafeMutableRawPointer
    ) {
        unsafe self.rows = unsafe rows
        unsafe self.bytesPerRow = bytesPerRow
        unsafe self.from = unsafe from
        unsafe self.to = unsafe to
        unsafe cut = Cut(bytesPerRow == 0 ? 0 : count, by: 65_536 / max(bytesPerRow, 1))
    }
}

/// Dimension `d` of what comes out is dimension `order[d]` of each of the batch.
@unsafe package struct PermuteRequest: BitwiseCopyable {
    /// Of what comes out, with the distance in x between neighbours along each.
    package var sizes: InlineArray<3, Int>
    package var strides: InlineArray<3, Int>
    package var x: UnsafePointer<Float>
    package var y: UnsafeMutablePointer<Float>
    package var cut: Cut

    package init(
        batch: Int, sizes: (Int, Int, Int), order: (Int, Int, Int), x: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>
    ) {
        let size: InlineArray<3, Int> = [sizes.0, sizes.1, sizes.2]
        let stride: InlineArray<3, Int> = [sizes.1 * sizes.2, sizes.2, 1]
        unsafe self.sizes = [size[order.0], size[order.1], size[order.2]]
        unsafe self.strides = [stride[order.0], stride[order.1], stride[order.2]]
        unsafe self.x = unsafe x
        unsafe self.y = unsafe y
        let count = sizes.0 * sizes.1 * sizes.2
        unsafe cut = Cut(count == 0 ? 0 : batch, by: 16_384 / max(count, 1))
    }
}
