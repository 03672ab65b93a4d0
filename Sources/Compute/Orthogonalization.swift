// Matrices made nearly orthogonal by Newton-Schulz iterations, as Muon (Jordan et al., 2024) and torch.optim.Muon have them:
//     X = U / |U|, transposed where it has more rows than columns
//     A = X X',  X <- a X + (b A + c A^2) X, for each of the coefficients' steps
// or in Gram's form, which keeps X X' up to date in place of X, and multiplies that by several polynomials together:
//     R = X X',  Z = b R + c R^2,  Q <- Q (a I + Z),  R <- (a I + Z)^2 R,  and X <- Q X at last
// which is less work where one side is longer than the other. Products are fp32; those that are symmetric are half the
// work. Sums depend on sizes alone.
import MartletKernelInterface

/// The coefficients of the iterations: those of the first steps each, and the last ones for all others.
package struct NewtonSchulz: BitwiseCopyable {
    package struct Row: BitwiseCopyable {
        package var a, b, c: Float

        package init(_ a: Double, _ b: Double, _ c: Double) {
            (self.a, self.b, self.c) = (Float(a), Float(b), Float(c))
        }
    }

    package var rows: InlineArray<5, Row>
    package var steps: Int
    /// A norm below it, as one of 0, leaves nothing of the matrix.
    package var floor: Double
    /// What the norm is multiplied by first, so that it bounds the largest singular value in spite of rounding.
    package var margin: Double

    package init(rows: InlineArray<5, Row>, steps: Int, floor: Double, margin: Double) {
        (self.rows, self.steps, self.floor, self.margin) = (rows, steps, floor, margin)
    }

    subscript(step: Int) -> Row { rows[min(step, rows.count - 1)] }
}

/// Some matrices of the same sizes, one behind the other, and the memory that each of them is worked on in.
@unsafe package struct Orthogonalization: BitwiseCopyable {
    package let matrices, rows, columns: Int
    package let isDouble: Bool
    package let iteration: NewtonSchulz
    /// What becomes of the orthogonal matrices' rows; nil: nothing.
    package let normalization: RowNormalization?
    /// The numbers, of fp32 or fp64, which become those of the orthogonal matrices.
    package var numbers: UnsafeMutableRawPointer!
    /// `byteCount` bytes, aligned to 64.
    package var memory: UnsafeMutableRawPointer!

    /// Without addresses.
    package init(
        matrices: Int, rows: Int, columns: Int, isDouble: Bool, _ iteration: NewtonSchulz,
        _ normalization: RowNormalization? = nil
    ) {
        unsafe (self.matrices, self.rows, self.columns, self.isDouble) = (matrices, rows, columns, isDouble)
        unsafe (self.iteration, self.normalization) = unsafe (iteration, normalization)
        unsafe (numbers, memory) = (nil, nil)
    }

    /// The sizes of X, which has no more rows than columns.
    var short: Int { unsafe min(rows, columns) }
    var long: Int { unsafe max(rows, columns) }
    /// From one row of X to the next, and of a square matrix, which has as many rows.
    var longStride: Int { unsafe (long + 15) & ~15 }
    var shortStride: Int { unsafe (short + 15) & ~15 }

    /// Whether Gram's form is less work: in five steps it multiplies X four times where the other does ten times, and square
    /// matrices 14 times where the other does five times.
    var isGram: Bool { unsafe iteration.steps > 2 && long * 4 > short * 5 }

    /// Bytes for one matrix.
    private var eachByteCount: Int { unsafe 4 * (2 * short * longStride + 4 * shortStride * shortStride) }
    package var byteCount: Int { unsafe matrices * eachByteCount }

    /// Whether one thread does a matrix by itself: its products are too small to share.
    var isSmall: Bool { unsafe short * short * long <= 1 << 22 }
    var nanoseconds: Int { unsafe iteration.steps * short * short * (2 * long + short) / 64 }

    fileprivate func numbers(of matrix: Int) -> UnsafeMutableRawPointer {
        unsafe numbers + matrix * rows * columns * (isDouble ? 8 : 4)
    }

    fileprivate func memory(of matrix: Int) -> UnsafeMutablePointer<Float> {
        unsafe (memory + matrix * eachByteCount).assumingMemoryBound(to: Float.self)
    }

    /// Makes one matrix nearly orthogonal.
    func run(_ matrix: Int, _ execution: Execution) {
        var iteration = unsafe Iteration(execution: execution, self, matrix)
        unsafe iteration.run()
        // Nothing is left in the memory; it has more than two numbers for each row.
        let scratch = unsafe UnsafeMutableRawPointer(memory(of: matrix)).assumingMemoryBound(to: Double.self)
        unsafe normalization?.run(
            self, numbers: numbers(of: matrix), first: matrix * rows, memory: scratch, execution)
    }
}

/// The iterations of one matrix.
@unsafe private struct Iteration {
    let execution: Execution
    let form: Orthogonalization
    let numbers: UnsafeMutableRawPointer
    /// X, and where the next one goes; square matrices.
    var x, next: UnsafeMutablePointer<Float>
    var a, b, c, d: UnsafeMutablePointer<Float>

    init(execution: Execution, _ form: Orthogonalization, _ matrix: Int) {
        unsafe self.execution = unsafe execution
        unsafe self.form = unsafe form
        unsafe numbers = unsafe form.numbers(of: matrix)
        let (wide, square) = unsafe (form.short * form.longStride, form.shortStride * form.shortStride)
        unsafe x = unsafe form.memory(of: matrix)
        unsafe next = unsafe x + wide
        unsafe a = unsafe next + wide
        unsafe b = unsafe a + square
        unsafe c = unsafe b + square
        unsafe d = unsafe c + square
    }

    private var turns: Bool { unsafe form.rows > form.columns }

    mutating func run() {
        guard unsafe load() else { return unsafe clear() }
        if unsafe form.isGram { unsafe runGram() } else { unsafe runPlain() }
        unsafe execution.run(
            TurnRequest(
                rows: form.short, columns: form.long, from: x, fromDouble: false, fromStride: form.longStride,
                to: numbers, toDouble: form.isDouble, toStride: form.columns, turns: turns, scale: 1))
    }

    /// X, divided by its norm; false where that is below the floor.
    private func load() -> Bool {
        let length = unsafe form.short * form.longStride
        // What is behind the rows is summed too.
        if unsafe form.long != form.longStride { unsafe x.update(repeating: 0, count: length) }
        unsafe execution.run(
            TurnRequest(
                rows: form.rows, columns: form.columns, from: numbers, fromDouble: form.isDouble,
                fromStride: form.columns, to: x, toDouble: false, toStride: form.longStride, turns: turns, scale: 1))
        // The sums lie where X's next is to be.
        let partial = unsafe UnsafeMutableRawPointer(next).assumingMemoryBound(to: Double.self)
        let sums = unsafe SumsRequest(.squares, count: length, x: x, partial: partial)
        unsafe execution.run(sums)
        unsafe execution.run(TotalRequest(sums))
        let norm = unsafe partial.pointee.squareRoot()
        if unsafe norm == 0 || norm < form.iteration.floor { return false }
        unsafe execution.run(
            TurnRequest(
                rows: form.short, columns: form.long, from: x, fromDouble: false, fromStride: form.longStride,
                to: x, toDouble: false, toStride: form.longStride, turns: false,
                scale: 1 / (norm * form.iteration.margin)))
        return true
    }

    private func clear() {
        let bytes = unsafe form.rows * form.columns * (form.isDouble ? 8 : 4)
        unsafe numbers.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    }

    private mutating func runPlain() {
        for step in unsafe 0..<form.iteration.steps {
            let row = unsafe form.iteration[step]
            unsafe square(of: x, to: a)
            unsafe multiply(a, a, to: b)
            unsafe combine(diagonal: row.a, row.b, a, row.c, b, to: b)
            unsafe apply(b)
        }
    }

    /// Errors of the polynomials' products grow, so that X is multiplied in between, after every third step.
    private mutating func runGram() {
        var isFirst = true
        let steps = unsafe form.iteration.steps
        unsafe square(of: x, to: a)
        for step in 0..<steps {
            let row = unsafe form.iteration[step]
            // a is R, b becomes Z, c is Q, and d takes products.
            unsafe multiply(a, a, to: b)
            unsafe combine(diagonal: 0, row.b, a, row.c, b, to: b)
            if isFirst {
                unsafe combine(diagonal: row.a, 1, b, 0, nil, to: c)
            } else {
                unsafe multiply(b, c, to: d)
                unsafe combine(diagonal: 0, row.a, c, 1, d, to: c)
            }
            isFirst = false
            if step % 3 == 2 && step < steps - 1 {
                unsafe apply(c)
                unsafe square(of: x, to: a)
                isFirst = true
            } else if step < steps - 1 {
                unsafe multiply(b, a, to: d)
                unsafe combine(diagonal: 0, row.a, a, 1, d, to: a)
                unsafe multiply(b, a, to: d)
                unsafe combine(diagonal: 0, row.a, a, 1, d, to: a)
            }
        }
        unsafe apply(c)
    }

    /// to = X X'.
    private func square(of x: UnsafeMutablePointer<Float>, to out: UnsafeMutablePointer<Float>) {
        let (short, stride) = unsafe (form.short, form.longStride)
        unsafe execution.multiplySymmetric(
            MatrixProduct(
                rows: short, inner: form.long, columns: short,
                left: Factor(base: x, rowStride: stride, columnStride: 1),
                right: Factor(base: x, rowStride: 1, columnStride: stride), out: out, outStride: form.shortStride))
        // What is above the diagonal mirrors what is below.
        unsafe combine(diagonal: 0, 1, out, 0, nil, to: out)
    }

    /// The product of two symmetric matrices of which each is a polynomial of the other, as far as the diagonal.
    private func multiply(
        _ left: UnsafeMutablePointer<Float>, _ right: UnsafeMutablePointer<Float>,
        to out: UnsafeMutablePointer<Float>
    ) {
        let (short, stride) = unsafe (form.short, form.shortStride)
        unsafe execution.multiplySymmetric(
            MatrixProduct(
                rows: short, inner: short, columns: short,
                left: Factor(base: left, rowStride: stride, columnStride: 1),
                right: Factor(base: right, rowStride: stride, columnStride: 1), out: out, outStride: stride))
    }

    private func combine(
        diagonal: Float, _ ofMatrix: Float, _ matrix: UnsafeMutablePointer<Float>, _ ofProduct: Float,
        _ product: UnsafeMutablePointer<Float>?, to out: UnsafeMutablePointer<Float>
    ) {
        unsafe execution.run(
            SymmetricRequest(
                stride: form.shortStride, diagonal: diagonal, ofMatrix, matrix, ofProduct,
                product.map { unsafe UnsafePointer($0) }, out: out))
    }

    /// X = polynomial X.
    private mutating func apply(_ polynomial: UnsafeMutablePointer<Float>) {
        let (short, stride) = unsafe (form.short, form.longStride)
        unsafe execution.multiply(
            MatrixProduct(
                rows: short, inner: short, columns: form.long,
                left: Factor(base: polynomial, rowStride: form.shortStride, columnStride: 1),
                right: Factor(base: x, rowStride: stride, columnStride: 1), out: next, outStride: stride))
        unsafe swap(&x, &next)
    }
}
