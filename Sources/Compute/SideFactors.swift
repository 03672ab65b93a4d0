// One side of a matrix that is preconditioned: how it is cut into blocks, and what is kept for each, the average of the
// products and its eigenbasis. Equations and source: Preconditioning.swift.
import MartletKernelInterface

/// How an average's inverse fourth root is taken: of scale L + eps, with what rounding has left of negative eigenvalues
/// moved up to 0.
package struct InverseRoots: BitwiseCopyable {
    package let scale, eps: Double

    package init(scale: Double, eps: Double) { (self.scale, self.eps) = (scale, eps) }
}

/// One side of a parameter's matrix: how it is cut, and its blocks' factors.
@unsafe package struct MatrixSide: BitwiseCopyable {
    package let length, block: Int
    package let hasFactors: Bool
    /// Squares of each block of the matrix, row by row of blocks, fp32 or fp64; where it has factors.
    package var gram, basis: Operand!

    /// - Parameters:
    ///   - most: a block of more has no factors.
    ///   - block: the most of a block; 0: the side is one.
    package init(length: Int, most: Int, block: Int, gram: Operand? = nil, basis: Operand? = nil) {
        unsafe self.length = length
        unsafe self.block = block > 0 ? min(block, length) : length
        unsafe hasFactors = self.block <= most
        unsafe (self.gram, self.basis) = unsafe (gram, basis)
    }

    package var blocks: Int { unsafe (length - 1) / block + 1 }
    func length(of index: Int) -> Int { unsafe min(block, length - index * block) }

    /// Numbers of a square for each of its blocks.
    package var numbers: Int {
        let last = unsafe length(of: blocks - 1)
        return unsafe (blocks - 1) * block * block + last * last
    }

    /// From a row of a square to the next, as it is worked on.
    var stride: Int { unsafe (block + 15) & ~15 }
}

/// A block's average and basis of one side, squares of the state, and the memory that they are worked on in.
@unsafe struct SideFactors {
    let execution: Execution
    let size, stride: Int
    let gram, eigenbasis: Operand
    let a, b, c: UnsafeMutablePointer<Float>
    let memory: UnsafeMutablePointer<Float>
    let order: UnsafeMutablePointer<Int>

    init(
        execution: Execution, _ side: MatrixSide, size: Int, offset: Int, square: Int,
        memory: UnsafeMutablePointer<Float>
    ) {
        unsafe self.execution = unsafe execution
        unsafe self.size = size
        unsafe stride = (size + 15) & ~15
        unsafe gram = unsafe side.gram.advanced(by: offset)
        unsafe eigenbasis = unsafe side.basis.advanced(by: offset)
        unsafe a = unsafe memory
        unsafe b = unsafe a + square * square
        unsafe c = unsafe b + square * square
        unsafe order = unsafe UnsafeMutableRawPointer(c + square * square).assumingMemoryBound(to: Int.self)
        unsafe self.memory = unsafe c + square * square + 2 * square
    }

    /// The basis as a factor of a product: a column for each eigenvector or, turned, a row.
    func basis(turned: Bool) -> Factor {
        if unsafe eigenbasis.type == .fp32 {
            let base = unsafe UnsafeRawPointer(eigenbasis.base).assumingMemoryBound(to: Float.self)
            return unsafe Factor(base: base, rowStride: turned ? 1 : size, columnStride: turned ? size : 1)
        }
        unsafe copy(eigenbasis, to: a, turns: false)
        return unsafe Factor(base: a, rowStride: turned ? 1 : stride, columnStride: turned ? stride : 1)
    }

    /// A square of the state, in fp32, with zeros behind it.
    private func copy(_ square: Operand, to matrix: UnsafeMutablePointer<Float>, turns: Bool) {
        if unsafe stride != size { unsafe matrix.update(repeating: 0, count: stride * stride) }
        unsafe execution.run(
            TurnRequest(
                rows: size, columns: size, from: square.base, fromDouble: square.type == .fp64, fromStride: size,
                to: matrix, toDouble: false, toStride: stride, turns: turns, scale: 1))
    }

    /// The average in fp32: where it lies, if its rows are whole sixteens of fp32, or a copy in `a`.
    private func average() -> UnsafeMutablePointer<Float> {
        if unsafe gram.type == .fp32 && stride == size {
            return unsafe gram.base.assumingMemoryBound(to: Float.self)
        }
        unsafe copy(gram, to: a, turns: false)
        return unsafe a
    }

    private func store(_ matrix: UnsafeMutablePointer<Float>, to square: Operand, turns: Bool) {
        unsafe execution.run(
            TurnRequest(
                rows: size, columns: size, from: matrix, fromDouble: false, fromStride: stride, to: square.base,
                toDouble: square.type == .fp64, toStride: size, turns: turns, scale: 1))
    }

    /// Moves the average on to a matrix's products with itself: of its rows or, turned, of its columns.
    func average(
        _ decay: Double, _ weight: Double, _ matrix: UnsafePointer<Float>, _ width: Int, isTurned: Bool, inner: Int
    ) {
        let average = unsafe average()
        let (along, across) = isTurned ? (1, width) : (width, 1)
        unsafe execution.multiplySymmetric(
            MatrixProduct(
                rows: size, inner: inner, columns: size,
                left: Factor(base: matrix, rowStride: along, columnStride: across),
                right: Factor(base: matrix, rowStride: across, columnStride: along), out: b, outStride: stride))
        unsafe execution.run(
            SymmetricRequest(stride: stride, diagonal: 0, Float(decay), average, Float(weight), b, out: average))
        if unsafe average == a { unsafe store(a, to: gram, turns: false) }
    }

    /// The average's eigenvectors, in the rows of `b`.
    private func eigen() -> SymmetricEigen {
        unsafe copy(gram, to: a, turns: false)
        return unsafe SymmetricEigen(
            execution: execution, size: size, stride: stride, matrix: a, vectors: b, reflectors: c, memory: memory)
    }

    /// Makes the basis of the average's eigenvectors, that of the largest value first; where there is none, the identity.
    func decompose() {
        let eigen = unsafe eigen()
        if unsafe eigen.run() {
            unsafe sort(by: eigen.values)
            for row in unsafe 0..<size {
                unsafe (a + row * stride).update(from: b + order[row] * stride, count: stride)
            }
        } else {
            unsafe a.update(repeating: 0, count: stride * size)
            for row in unsafe 0..<size { unsafe a[row * stride + row] = 1 }
        }
        unsafe store(a, to: eigenbasis, turns: true)
    }

    /// Makes the average's inverse root; where there is none, it stays what it was.
    func takeRoot(_ root: InverseRoots) {
        let eigen = unsafe eigen()
        guard unsafe eigen.run() else { return }
        var least = 0.0
        for row in unsafe 0..<size { unsafe least = min(least, eigen.values[row]) }
        for row in unsafe 0..<size {
            let value = unsafe root.scale * (eigen.values[row] - least) + root.eps
            // Half of the root's power in each of two factors.
            let factor = value > 0 ? 1 / value.squareRoot().squareRoot().squareRoot() : 0
            for column in unsafe row * stride..<row * stride + size {
                unsafe b[column] = unsafe Float(Double(b[column]) * factor)
            }
        }
        unsafe execution.multiplySymmetric(
            MatrixProduct(
                rows: size, inner: size, columns: size, left: Factor(base: b, rowStride: 1, columnStride: stride),
                right: Factor(base: b, rowStride: stride, columnStride: 1), out: a, outStride: stride))
        unsafe execution.run(SymmetricRequest(stride: stride, diagonal: 0, 1, a, 0, nil, out: a))
        unsafe store(a, to: eigenbasis, turns: false)
    }

    /// One step of orthogonal iteration.
    func refresh() {
        unsafe copy(eigenbasis, to: b, turns: true)
        if unsafe stride != size { unsafe c.update(repeating: 0, count: stride * stride) }
        // What the average makes of each vector, in rows.
        unsafe execution.multiply(
            MatrixProduct(
                rows: size, inner: size, columns: size, left: Factor(base: b, rowStride: stride, columnStride: 1),
                right: Factor(base: average(), rowStride: stride, columnStride: 1), out: c, outStride: stride))
        let values = unsafe UnsafeMutableRawPointer(memory).assumingMemoryBound(to: Double.self)
        for row in unsafe 0..<size {
            unsafe values[row] = dot(b + row * stride, c + row * stride)
            // An average that has left fp32's range leaves the basis as it is.
            if unsafe !values[row].isFinite { return }
        }
        unsafe sort(by: values)
        for row in unsafe 0..<size { unsafe (a + row * stride).update(from: c + order[row] * stride, count: stride) }
        let reflections = unsafe Reflections(
            execution: execution, size: size, stride: stride, vectors: a, memory: memory)
        unsafe reflections.factor(to: b)
        for row in unsafe 0..<size { unsafe (c + order[row] * stride).update(from: b + row * stride, count: stride) }
        unsafe store(c, to: eigenbasis, turns: true)
    }

    /// The sum of the products of two rows, behind which are zeros.
    private func dot(_ one: UnsafePointer<Float>, _ other: UnsafePointer<Float>) -> Double {
        var (sums, more) = (SIMD4<Double>.zero, SIMD4<Double>.zero)
        func lanes(_ row: UnsafePointer<Float>, _ place: Int) -> SIMD4<Double> {
            unsafe SIMD4<Double>(SIMD4(row[place], row[place + 1], row[place + 2], row[place + 3]))
        }
        for place in unsafe Swift.stride(from: 0, to: stride, by: 8) {
            unsafe sums += lanes(one, place) * lanes(other, place)
            unsafe more += lanes(one, place + 4) * lanes(other, place + 4)
        }
        return (sums + more).sum()
    }

    /// Puts rows into the order of their values, the largest first; they usually are in it.
    private func sort(by values: UnsafePointer<Double>) {
        for row in unsafe 0..<size {
            var place = row
            while place > 0, unsafe values[order[place - 1]] < values[row] {
                unsafe order[place] = order[place - 1]
                place -= 1
            }
            unsafe order[place] = row
        }
    }
}
