// The request for rows chosen from a table. They are moved by Kernels/Copies.swift.

/// Row `i` of `to` becomes row `rows[i]` of `from`.
@unsafe package struct GatherRequest: PieceRequest {
    package static var kernel: Kernel { .gather }
    package let rows: UnsafePointer<Int64>
    package let bytesPerRow: Int
    package let from: UnsafeRawPointer
    package let to: UnsafeMutableRawPointer
    package let cut: Cut

    package init(
        rows: UnsafePointer<Int64>, count: Int, bytesPerRow: Int, from: UnsafeRawPointer, to: UnsafeMutableRawPointer
    ) {
        unsafe (self.rows, self.bytesPerRow, self.from, self.to) = unsafe (rows, bytesPerRow, from, to)
        unsafe cut = Cut(count, of: bytesPerRow, about: 65_536)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * (bytesPerRow / 8 + 20) }
}
