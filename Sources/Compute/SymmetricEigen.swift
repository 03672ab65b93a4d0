// The eigenvectors of a symmetric matrix: reflections make it tridiagonal, implicit QL steps (Golub and Van Loan, Matrix
// Computations, section 8.3) diagonal, and the same rotations turn the reflections' product into the eigenvectors. The
// matrix is fp32, and numbers of which there is one for each row are fp64. What is summed depends on sizes alone.
import MartletKernelInterface

/// A symmetric matrix to be decomposed, in place, and the memory for it.
@unsafe struct SymmetricEigen {
    let execution: Execution
    let size, stride: Int
    /// The matrix, both halves of it; afterwards nobody's.
    let matrix: UnsafeMutablePointer<Float>
    /// The eigenvectors, one a row, in the order of their values once they are sorted.
    let vectors: UnsafeMutablePointer<Float>
    private let reflections: Reflections
    /// Eigenvalues, and what stands beside the diagonal.
    let values: UnsafeMutablePointer<Double>
    private let beside: UnsafeMutablePointer<Double>
    private let v, w, next, product: UnsafeMutablePointer<Float>
    private let sweeps: UnsafeMutablePointer<RotationSweep>
    private let rotations: UnsafeMutablePointer<Rotation>

    /// Rotations that are worked out before the vectors take them, for each row.
    private static var rotationsPerRow: Int { 32 }
    /// QL steps for an eigenvalue before it is given up: two or three are usual.
    private static var mostSteps: Int { 60 }

    /// Numbers of fp32 that `memory` holds beside three squares.
    static func floatCount(stride: Int) -> Int {
        unsafe Reflections.floatCount(stride: stride) + (4 + 4 + 2 + 2 * rotationsPerRow) * stride
    }

    /// In squares of `stride` rows and columns, each `stride` - `size` of which behind the matrix hold 0.
    init(
        execution: Execution, size: Int, stride: Int, matrix: UnsafeMutablePointer<Float>,
        vectors: UnsafeMutablePointer<Float>, reflectors: UnsafeMutablePointer<Float>,
        memory: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.execution, self.size, self.stride) = unsafe (execution, size, stride)
        unsafe (self.matrix, self.vectors) = unsafe (matrix, vectors)
        unsafe reflections = Reflections(
            execution: execution, size: size, stride: stride, vectors: reflectors, memory: memory)
        unsafe v = unsafe memory + Reflections.floatCount(stride: stride)
        unsafe w = unsafe v + stride
        unsafe next = unsafe w + stride
        unsafe product = unsafe next + stride
        unsafe values = UnsafeMutableRawPointer(product + stride).assumingMemoryBound(to: Double.self)
        unsafe beside = unsafe values + stride
        unsafe sweeps = UnsafeMutableRawPointer(beside + stride).assumingMemoryBound(to: RotationSweep.self)
        unsafe rotations = UnsafeMutableRawPointer(sweeps + stride).assumingMemoryBound(to: Rotation.self)
    }

    /// Decomposes it; false where it has no finite decomposition, and the vectors say nothing.
    func run() -> Bool {
        guard let exponent = unsafe scaleDown() else { return false }
        unsafe makeTridiagonal()
        unsafe reflections.multiply(to: vectors)
        guard unsafe makeDiagonal() else { return false }
        let scale = Double(sign: .plus, exponent: exponent, significand: 1)
        for row in unsafe 0..<size { unsafe values[row] *= scale }
        return true
    }

    /// Divides the matrix by a power of two, after which its largest number is between 1 and 2, so that no sum leaves the
    /// range of fp32; the power, nil where a number is not finite.
    private func scaleDown() -> Int? {
        var largest: Float = 0
        for row in unsafe 0..<size {
            for column in unsafe row * stride..<row * stride + size {
                let number = unsafe abs(matrix[column])
                if !number.isFinite { return nil }
                largest = max(largest, number)
            }
        }
        if largest == 0 { return 0 }
        let scale = Double(sign: .plus, exponent: -Int(largest.exponent), significand: 1)
        for place in unsafe 0..<size * stride { unsafe matrix[place] = unsafe Float(Double(matrix[place]) * scale) }
        return Int(largest.exponent)
    }

    private func makeTridiagonal() {
        unsafe v.update(repeating: 0, count: 4 * stride)
        for row in unsafe 0..<size {
            let numbers = unsafe matrix + row * stride
            for column in unsafe row..<size {
                unsafe numbers[column] -= v[row] * w[column] + w[row] * v[column]
            }
            unsafe values[row] = unsafe Double(numbers[row])
            let reflector = unsafe reflections.vectors + row * stride
            unsafe reflector.update(repeating: 0, count: stride)
            unsafe reflections.taus[row] = 0
            unsafe beside[row] = 0
            if unsafe row < size - 1 { unsafe reflect(numbers, row, reflector) }
            if unsafe (row + 1) % Reflections.blockSize == 0 || row == size - 1 {
                unsafe reflections.makeTriangle(row / Reflections.blockSize * Reflections.blockSize)
            }
        }
    }

    /// Reflects what stands right of the diagonal onto its neighbour, in the rest of the matrix too.
    private func reflect(
        _ numbers: UnsafeMutablePointer<Float>, _ row: Int, _ reflector: UnsafeMutablePointer<Float>
    ) {
        let pivot = row + 1
        let alpha = unsafe Double(numbers[pivot])
        var rest = 0.0
        for column in unsafe pivot + 1..<size {
            unsafe rest += Double(numbers[column]) * Double(numbers[column])
        }
        let norm = (alpha * alpha + rest).squareRoot()
        let beta = rest == 0 ? alpha : alpha > 0 ? -norm : norm
        let tau = rest == 0 ? 0 : (beta - alpha) / beta
        let scale = rest == 0 ? 0 : 1 / (alpha - beta)
        unsafe next[row] = 0
        unsafe next[pivot] = 1
        for column in unsafe pivot + 1..<size {
            unsafe next[column] = unsafe Float(Double(numbers[column]) * scale)
        }
        unsafe beside[row] = beta
        unsafe reflections.taus[row] = tau
        unsafe reflector.update(from: next, count: stride)
        unsafe execution.run(
            TridiagonalRequest(
                matrix: matrix, stride: stride, rows: pivot..<size, v: v, w: w, next: next, product: product))
        var inner = 0.0
        for column in unsafe pivot..<size { unsafe inner += Double(product[column]) * Double(next[column]) }
        let half = tau * tau * inner / 2
        unsafe w[row] = 0
        for column in unsafe pivot..<size {
            unsafe w[column] = unsafe Float(tau * Double(product[column]) - half * Double(next[column]))
        }
        unsafe v.update(from: next, count: stride)
    }

    /// What is beside the diagonal counts as 0 where it is that much smaller than what is on it, or than the largest there.
    private static var relative: Double { 0x1p-40 }
    private static var absolute: Double { 0x1p-34 }

    private func makeDiagonal() -> Bool {
        var largest = 0.0
        for row in unsafe 0..<size {
            let (value, other) = unsafe (abs(values[row]), abs(beside[row]))
            guard value.isFinite && other.isFinite else { return false }
            largest = max(largest, value, other)
        }
        var (sweepCount, rotationCount) = (0, 0)
        func flush() {
            unsafe execution.run(
                RotateRequest(
                    matrix: vectors, stride: stride, sweeps: sweeps, sweepCount: sweepCount, rotations: rotations,
                    rotationCount: rotationCount))
            (sweepCount, rotationCount) = (0, 0)
        }
        let capacity = unsafe stride * SymmetricEigen.rotationsPerRow
        for row in unsafe 0..<size {
            for step in unsafe 0...SymmetricEigen.mostSteps {
                let end = unsafe blockEnd(from: row, largest * SymmetricEigen.absolute)
                if end == row { break }
                if unsafe step == SymmetricEigen.mostSteps { return false }
                if unsafe sweepCount == stride || rotationCount + end - row > capacity { flush() }
                let count = unsafe rotate(row, end, to: rotations + rotationCount)
                unsafe sweeps[sweepCount] = RotationSweep(last: end, count: count)
                sweepCount += 1
                rotationCount += count
            }
        }
        if sweepCount > 0 { flush() }
        return true
    }

    /// The last row of the block from one on in which nothing beside the diagonal is 0.
    private func blockEnd(from row: Int, _ least: Double) -> Int {
        var end = row
        while unsafe end < size - 1 {
            let sum = unsafe abs(values[end]) + abs(values[end + 1])
            if unsafe !(abs(beside[end]) > max(sum * SymmetricEigen.relative, least)) { break }
            end += 1
        }
        return end
    }

    /// One implicit QL step, with Wilkinson's shift, of the block from `first` to `last`; how many rotations it takes.
    private func rotate(_ first: Int, _ last: Int, to rotations: UnsafeMutablePointer<Rotation>) -> Int {
        var g = unsafe (values[first + 1] - values[first]) / (2 * beside[first])
        let root = (g * g + 1).squareRoot()
        unsafe g = values[last] - values[first] + beside[first] / (g + (g < 0 ? -root : root))
        var (sine, cosine, shift) = (1.0, 1.0, 0.0)
        var row = last
        while row > first {
            row -= 1
            let f = unsafe sine * beside[row]
            let b = unsafe cosine * beside[row]
            let radius = (f * f + g * g).squareRoot()
            unsafe beside[row + 1] = radius
            if radius == 0 {
                // The block falls apart here.
                unsafe values[row + 1] -= shift
                unsafe beside[last] = 0
                return last - row - 1
            }
            sine = f / radius
            cosine = g / radius
            g = unsafe values[row + 1] - shift
            let change = unsafe (values[row] - g) * sine + 2 * cosine * b
            shift = sine * change
            unsafe values[row + 1] = g + shift
            g = cosine * change - b
            unsafe rotations[last - row - 1] = Rotation(cosine: cosine, sine: sine)
        }
        unsafe values[first] -= shift
        unsafe beside[first] = g
        unsafe beside[last] = 0
        return last - first
    }
}
