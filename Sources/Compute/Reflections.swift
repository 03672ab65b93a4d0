// Products of Householder reflections, many at a time: H_0 H_1 ... = I - V' T V, with a reflection's vector in each row of V,
// and T triangular (Schreiber and Van Loan, 1989: A storage-efficient WY representation for products of Householder
// transformations). So nearly all of the work is products of matrices.
import MartletKernelInterface

/// Reflections of a square matrix's rows, and the memory for applying them.
@unsafe struct Reflections {
    /// How many are applied at a time.
    static var blockSize: Int { 32 }

    let execution: Execution
    /// Rows and columns, and from one row to the next: a multiple of sixteen.
    let size, stride: Int
    /// The vectors, one a row, each 0 before its place.
    let vectors: UnsafeMutablePointer<Float>
    let taus: UnsafeMutablePointer<Double>
    /// A triangle for each block, and two panels of a block's columns.
    private let triangles, left, right: UnsafeMutablePointer<Float>

    /// Numbers of fp32 that `memory` holds.
    static func floatCount(stride: Int) -> Int { unsafe (3 * blockSize + 2) * stride + blockSize * blockSize }

    init(
        execution: Execution, size: Int, stride: Int, vectors: UnsafeMutablePointer<Float>,
        memory: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.execution, self.size, self.stride, self.vectors) = unsafe (execution, size, stride, vectors)
        unsafe taus = UnsafeMutableRawPointer(memory).assumingMemoryBound(to: Double.self)
        unsafe left = unsafe memory + 2 * stride
        unsafe right = unsafe left + Reflections.blockSize * stride
        unsafe triangles = unsafe right + Reflections.blockSize * stride
    }

    private func count(_ first: Int) -> Int { unsafe min(Reflections.blockSize, size - first) }
    private func triangle(_ first: Int) -> UnsafeMutablePointer<Float> {
        unsafe triangles + first * Reflections.blockSize
    }

    /// Makes the orthonormal basis that turns a matrix, a column of it in each row of `vectors`, into a triangular one, as
    /// the rows of `basis`; of the matrix nothing is left.
    func factor(to basis: UnsafeMutablePointer<Float>) {
        for first in unsafe Swift.stride(from: 0, to: size, by: Reflections.blockSize) {
            let count = unsafe count(first)
            unsafe execution.run(
                ReflectRequest(
                    rows: vectors + first * stride, stride: stride, count: count, first: first, taus: taus + first))
            unsafe makeTriangle(first)
            unsafe apply(first, to: vectors, first + count..<size, turned: false)
        }
        unsafe multiply(to: basis)
    }

    /// The reflections' product, a column of it in each row of `basis`. The triangles must have been made.
    func multiply(to basis: UnsafeMutablePointer<Float>) {
        unsafe basis.update(repeating: 0, count: size * stride)
        for row in unsafe 0..<size { unsafe basis[row * stride + row] = 1 }
        let last = unsafe (size - 1) / Reflections.blockSize * Reflections.blockSize
        for first in unsafe Swift.stride(from: last, through: 0, by: -Reflections.blockSize) {
            unsafe apply(first, to: basis, first..<size, turned: true)
        }
    }

    /// Makes the triangle of a block, with its sign changed, so that products with it can be added.
    func makeTriangle(_ first: Int) {
        let count = unsafe count(first)
        let rows = unsafe vectors + first * stride + first
        unsafe execution.multiplySymmetric(
            MatrixProduct(
                rows: count, inner: size - first, columns: count,
                left: Factor(base: rows, rowStride: stride, columnStride: 1),
                right: Factor(base: rows, rowStride: 1, columnStride: stride), out: left,
                outStride: Reflections.blockSize))
        let (triangle, products) = unsafe (triangle(first), left)
        for column in 0..<count {
            let tau = unsafe taus[first + column]
            for row in 0..<column {
                var total = 0.0
                for inner in row..<column {
                    unsafe total +=
                        Double(triangle[row * Reflections.blockSize + inner])
                        * Double(products[column * Reflections.blockSize + inner])
                }
                unsafe triangle[row * Reflections.blockSize + column] = Float(-tau * total)
                unsafe triangle[column * Reflections.blockSize + row] = 0
            }
            unsafe triangle[column * Reflections.blockSize + column] = Float(-tau)
        }
    }

    /// Applies a block to rows of a matrix, x <- x - x V' T V or, turned, x - x V' T' V; columns before its first are 0 in V.
    private func apply(_ first: Int, to matrix: UnsafeMutablePointer<Float>, _ rows: Range<Int>, turned: Bool) {
        if rows.isEmpty { return }
        let (count, length, block) = unsafe (count(first), size - first, Reflections.blockSize)
        let vectors = unsafe vectors + first * stride + first
        let part = unsafe matrix + rows.lowerBound * stride + first
        unsafe execution.multiply(
            MatrixProduct(
                rows: rows.count, inner: length, columns: count,
                left: Factor(base: part, rowStride: stride, columnStride: 1),
                right: Factor(base: vectors, rowStride: 1, columnStride: stride), out: left, outStride: block))
        unsafe execution.multiply(
            MatrixProduct(
                rows: rows.count, inner: count, columns: count,
                left: Factor(base: left, rowStride: block, columnStride: 1),
                right: Factor(
                    base: triangle(first), rowStride: turned ? 1 : block, columnStride: turned ? block : 1),
                out: right, outStride: block))
        unsafe execution.multiply(
            MatrixProduct(
                rows: rows.count, inner: count, columns: length,
                left: Factor(base: right, rowStride: block, columnStride: 1),
                right: Factor(base: vectors, rowStride: stride, columnStride: 1), out: part, outStride: stride,
                accumulates: true))
    }
}
