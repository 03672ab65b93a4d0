// The requests that put arrays together: element by element, and rows beside rows. The arithmetic is in
// Kernels/Combining.swift.

/// What becomes of two elements.
package enum Combination: BitwiseCopyable {
    case sum
    case product
    /// x first + second
    case affine
    /// x + first sign(y) + second y
    case penalty
}

/// out = x + y, or another combination. `out` may be either.
@unsafe package struct CombinationRequest: PieceRequest {
    package static var kernel: Kernel { .combination }
    package let combination: Combination
    package let x: UnsafePointer<Float>
    package let y: UnsafePointer<Float>
    package let out: UnsafeMutablePointer<Float>
    package let first: Float
    package let second: Float
    package let cut: Cut

    package init(
        _ combination: Combination, count: Int, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>,
        out: UnsafeMutablePointer<Float>, first: Float = 0, second: Float = 0
    ) {
        unsafe (self.combination, self.first, self.second) = (combination, first, second)
        unsafe (self.x, self.y, self.out) = unsafe (x, y, out)
        unsafe cut = Cut(count, by: 8192)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count / 4 }
}

/// Copies `width` numbers of each of some rows, which lie `fromStride` apart, to rows `toStride` apart.
@unsafe package struct RowCopyRequest: PieceRequest {
    package static var kernel: Kernel { .rowCopy }
    package let width: Int
    package let from: UnsafePointer<Float>
    package let fromStride: Int
    package let to: UnsafeMutablePointer<Float>
    package let toStride: Int
    /// Runs of rows.
    package let cut: Cut

    package init(
        rows: Int, width: Int, from: UnsafePointer<Float>, fromStride: Int, to: UnsafeMutablePointer<Float>,
        toStride: Int
    ) {
        unsafe self.width = width
        unsafe (self.from, self.fromStride) = unsafe (from, fromStride)
        unsafe (self.to, self.toStride) = unsafe (to, toStride)
        unsafe cut = Cut(rows, of: width, about: 16_384)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * (width / 8 + 4) }
}
