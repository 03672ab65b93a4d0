// The requests for what decompositions of matrices need beside products: reflections that clear rows, the sweeps that
// make a symmetric matrix tridiagonal, and rotations of rows. The arithmetic is in Kernels/Decompositions.swift.
// Rows are filled up with zeros to sixteens, so that loops need no ends.

/// Householder reflections, one for each of some rows: row i is turned into a multiple of the unit vector of its pivot,
/// `first` + i, and those behind it are reflected as well. Each reflection is I - tau v v', whose v takes the row's place:
/// 0 from `first` on up to its pivot, 1 there. A row that has only its pivot left is not reflected, and has a tau of 0.
@unsafe package struct ReflectRequest: PieceRequest {
    package static var kernel: Kernel { .reflect }
    package let rows: UnsafeMutablePointer<Float>
    package let stride, count: Int
    /// The first row's pivot, a multiple of sixteen; columns before it are left alone.
    package let first: Int
    /// One number for each row.
    package let taus: UnsafeMutablePointer<Double>

    package init(
        rows: UnsafeMutablePointer<Float>, stride: Int, count: Int, first: Int, taus: UnsafeMutablePointer<Double>
    ) {
        unsafe (self.rows, self.stride, self.count, self.first, self.taus) = unsafe (rows, stride, count, first, taus)
    }

    package var pieces: Int { 1 }
    package var nanoseconds: Int { unsafe count * count * (stride - first) / 16 }
}

/// A <- A - v w' - w v', and then product = A next, of the rows and columns of a symmetric matrix from some place on.
@unsafe package struct TridiagonalRequest: PieceRequest {
    package static var kernel: Kernel { .tridiagonal }
    package let matrix: UnsafeMutablePointer<Float>
    package let stride: Int
    /// `stride` numbers each.
    package let v, w, next: UnsafePointer<Float>
    package let product: UnsafeMutablePointer<Float>
    package let first: Int
    package let cut: Cut

    package init(
        matrix: UnsafeMutablePointer<Float>, stride: Int, rows: Range<Int>, v: UnsafePointer<Float>,
        w: UnsafePointer<Float>, next: UnsafePointer<Float>, product: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.matrix, self.stride, first) = unsafe (matrix, stride, rows.lowerBound)
        unsafe (self.v, self.w, self.next, self.product) = unsafe (v, w, next, product)
        unsafe cut = Cut(rows.count, of: stride - rows.lowerBound, about: 16_384)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * (stride - first) / 8 }
}

/// A rotation of two neighbouring rows.
package struct Rotation: BitwiseCopyable {
    package var cosine, sine: Float

    package init(cosine: Double, sine: Double) { (self.cosine, self.sine) = (Float(cosine), Float(sine)) }
}

/// Rotations of rows `last` - 1 and `last`, of `last` - 2 and `last` - 1 and so on, as many as there are.
package struct RotationSweep: BitwiseCopyable {
    package var last, count: Int32

    package init(last: Int, count: Int) { (self.last, self.count) = (Int32(last), Int32(count)) }
}

/// Sweeps of rotations, one after another, over the rows of a matrix. The rotation of rows x and y by c and s makes them
/// c x - s y and s x + c y.
@unsafe package struct RotateRequest: PieceRequest {
    package static var kernel: Kernel { .rotate }
    /// Columns that are rotated together.
    @inline(__always)
    package static var width: Int { 32 }

    package let matrix: UnsafeMutablePointer<Float>
    package let stride: Int
    package let sweeps: UnsafePointer<RotationSweep>
    package let sweepCount: Int
    package let rotations: UnsafePointer<Rotation>
    private let rotationCount: Int

    package init(
        matrix: UnsafeMutablePointer<Float>, stride: Int, sweeps: UnsafePointer<RotationSweep>, sweepCount: Int,
        rotations: UnsafePointer<Rotation>, rotationCount: Int
    ) {
        unsafe (self.matrix, self.stride) = unsafe (matrix, stride)
        unsafe (self.sweeps, self.sweepCount) = unsafe (sweeps, sweepCount)
        unsafe (self.rotations, self.rotationCount) = unsafe (rotations, rotationCount)
    }

    package var pieces: Int { unsafe (stride + RotateRequest.width - 1) / RotateRequest.width }
    package var nanoseconds: Int { unsafe rotationCount * stride / 8 }
}
