// The requests for one number that all elements of an array give, in fp64: over fixed blocks, then over these in order.
// The arithmetic is in Kernels/Sums.swift.

/// The sum of each block's elements, or of their squares or magnitudes.
@unsafe package struct SumsRequest: PieceRequest {
    package enum What: Int32, BitwiseCopyable { case elements, squares, magnitudes }

    package static var kernel: Kernel { .sums }
    package let what: What
    package let x: UnsafePointer<Float>
    /// One number for each block.
    package let partial: UnsafeMutablePointer<Double>
    package let cut: Cut

    package init(_ what: What, count: Int, x: UnsafePointer<Float>, partial: UnsafeMutablePointer<Double>) {
        unsafe (self.what, self.x, self.partial) = unsafe (what, x, partial)
        unsafe cut = Cut(count, by: 16_384)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count / 8 }
}

/// The blocks added up, in the first one's place.
@unsafe package struct TotalRequest: PieceRequest {
    package static var kernel: Kernel { .total }
    package let partial: UnsafeMutablePointer<Double>
    package let count: Int

    package init(_ sums: SumsRequest) {
        unsafe (partial, count) = unsafe (sums.partial, sums.pieces)
    }

    package var pieces: Int { 1 }
    package var nanoseconds: Int { unsafe count }
}
