// A parameter's matrices preconditioned by their Gram matrices' averages,
//     L <- decay L + weight G G',  R <- decay R + weight G' G
// either turned into the eigenbases of these and back, as SOAP (Vyas, Morwani, Zhao, Kwun, Shapira, Brandfonbrener, Janson
// and Kakade, arXiv:2409.11321) has it,
//     Q_L, Q_R = eigenvectors at first; then, where they are refreshed, Q = qr(L Q) with the columns of Q in the order of
//     the diagonal of Q' L Q, each of which goes where it came from
//     forth: Q_L' X Q_R,  back: Q_L X Q_R'
// or multiplied by inverse roots, which are refreshed before they are used, as Shampoo (Gupta, Koren and Singer,
// arXiv:1802.09568) has it:
//     (scale L + eps)^(-1/4) X (scale R + eps)^(-1/4)
// A side that is too long for a factor has the identity, and a long one may be cut into blocks, which are matrices of their
// own. Products are fp32. Sums depend on sizes alone.
import MartletKernelInterface

/// A parameter's matrix, whose blocks are preconditioned, and the memory that is done in.
@unsafe package struct Preconditioning: BitwiseCopyable {
    package let rows, columns: MatrixSide
    package let isDouble: Bool
    package let decay, weight: Double
    /// nil: eigenbases.
    package let roots: InverseRoots?
    /// Whether this is the first step, which makes eigenbases and does no more, and whether they, or roots, are refreshed.
    package let isFirst, refreshes: Bool
    /// The numbers, of fp32 or fp64: of the gradient before stage 1, its step before stage 2, and before stage 3, where
    /// eigenbases are refreshed, of its average.
    package var numbers: UnsafeMutableRawPointer!
    /// `byteCount` bytes, aligned to 64.
    package var memory: UnsafeMutableRawPointer!

    /// Without addresses of its own.
    package init(
        rows: MatrixSide, columns: MatrixSide, isDouble: Bool, decay: Double, weight: Double, roots: InverseRoots?,
        isFirst: Bool, refreshes: Bool
    ) {
        unsafe (self.rows, self.columns, self.isDouble) = unsafe (rows, columns, isDouble)
        unsafe (self.decay, self.weight, self.roots) = (decay, weight, roots)
        unsafe (self.isFirst, self.refreshes) = (isFirst, refreshes)
        unsafe (numbers, memory) = (nil, nil)
    }

    package var matrices: Int { unsafe rows.blocks * columns.blocks }

    /// From one row of a block to the next, as it is worked on.
    fileprivate var stride: Int { unsafe columns.stride }
    fileprivate var matrixCount: Int { unsafe rows.block * stride }
    /// Of the longest side that has factors.
    fileprivate var square: Int {
        unsafe max(rows.hasFactors ? rows.stride : 0, columns.hasFactors ? columns.stride : 0)
    }

    /// Bytes for one block: three matrices, three squares, and what these are decomposed in.
    fileprivate var eachByteCount: Int {
        let floats =
            unsafe 3 * matrixCount + 3 * square * square + SymmetricEigen.floatCount(stride: square) + 2 * square
        return (4 * floats + 63) & ~63
    }
    /// For all blocks; more than there can be where they are too many to count.
    package var byteCount: Int {
        let about = unsafe Double(rows.block) * Double(stride) + Double(square) * Double(square)
        return unsafe about * Double(matrices) < 0x1p56 ? matrices * eachByteCount : .max / 2
    }

    /// Whether one thread does a block by itself: its products are too small to share.
    var isSmall: Bool { unsafe work <= 1 << 22 }
    private var work: Int {
        let (r, c) = unsafe (Double(rows.block), Double(columns.block))
        var work = r * c * (r + c)
        if unsafe isFirst || refreshes {
            if unsafe rows.hasFactors { work += 4 * r * r * r }
            if unsafe columns.hasFactors { work += 4 * c * c * c }
        }
        return Int(min(work, 0x1p60))
    }
    var nanoseconds: Int { unsafe work / 16 }

    /// The stage's share of the work of one block.
    func run(_ stage: Int, _ matrix: Int, _ execution: Execution) {
        let block = unsafe Block(execution: execution, self, matrix)
        switch stage {
        case 1 where unsafe roots != nil: unsafe block.takeRoots()
        case 2 where unsafe roots != nil: unsafe block.multiplyByRoots()
        case _ where unsafe roots != nil: break
        case 1: unsafe block.begin()
        case 2 where unsafe !isFirst: unsafe block.end()
        case 3 where unsafe refreshes: unsafe block.refresh()
        default: break
        }
    }
}

/// One block.
@unsafe private struct Block {
    let execution: Execution
    let form: Preconditioning
    /// Its sizes and its first element in the numbers.
    let rows, columns: Int
    let numbers: UnsafeMutableRawPointer
    let ofRows, ofColumns: SideFactors
    /// The gradient, what is turned, and what it is turned into.
    let gradient, x, t: UnsafeMutablePointer<Float>
    let memory: UnsafeMutablePointer<Float>

    init(execution: Execution, _ form: Preconditioning, _ matrix: Int) {
        unsafe self.execution = unsafe execution
        unsafe self.form = unsafe form
        let (row, column) = unsafe matrix.quotientAndRemainder(dividingBy: form.columns.blocks)
        unsafe rows = unsafe form.rows.length(of: row)
        unsafe columns = unsafe form.columns.length(of: column)
        let first = unsafe row * form.rows.block * form.columns.length + column * form.columns.block
        unsafe numbers = unsafe form.numbers + first * (form.isDouble ? 8 : 4)
        unsafe gradient = unsafe (form.memory + matrix * form.eachByteCount).assumingMemoryBound(to: Float.self)
        unsafe x = unsafe gradient + form.matrixCount
        unsafe t = unsafe x + form.matrixCount
        unsafe memory = unsafe t + form.matrixCount
        // Blocks of one row of them have squares of the same size, and so have those of one column.
        let ofRow =
            unsafe form.rows.hasFactors
            ? row * form.columns.blocks * form.rows.block * form.rows.block + column * rows * rows : 0
        let ofColumn =
            unsafe form.columns.hasFactors
            ? row * form.columns.numbers + column * form.columns.block * form.columns.block : 0
        unsafe ofRows = unsafe SideFactors(
            execution: execution, form.rows, size: rows, offset: ofRow, square: form.square, memory: memory)
        unsafe ofColumns = unsafe SideFactors(
            execution: execution, form.columns, size: columns, offset: ofColumn, square: form.square, memory: memory)
    }

    /// Turns the gradient into the bases; at the first step, makes them.
    func begin() {
        unsafe load(to: gradient)
        if unsafe form.isFirst {
            unsafe average()
            if unsafe form.rows.hasFactors { unsafe ofRows.decompose() }
            if unsafe form.columns.hasFactors { unsafe ofColumns.decompose() }
            return
        }
        unsafe turn(gradient, back: false)
    }

    /// Turns the step back, and moves the averages.
    func end() {
        unsafe load(to: x)
        unsafe turn(x, back: true)
        unsafe average()
    }

    /// Takes the gradient's average from the old bases to the new ones.
    func refresh() {
        unsafe load(to: x)
        unsafe turn(x, back: true)
        unsafe load(to: gradient)
        if unsafe form.rows.hasFactors { unsafe ofRows.refresh() }
        if unsafe form.columns.hasFactors { unsafe ofColumns.refresh() }
        unsafe turn(gradient, back: false)
    }

    /// Moves the averages, and refreshes their roots.
    func takeRoots() {
        unsafe load(to: gradient)
        unsafe average()
        guard let roots = unsafe form.roots, unsafe form.refreshes else { return }
        if unsafe form.rows.hasFactors { unsafe ofRows.takeRoot(roots) }
        if unsafe form.columns.hasFactors { unsafe ofColumns.takeRoot(roots) }
    }

    /// Multiplies the step by the roots, which are symmetric.
    func multiplyByRoots() {
        unsafe load(to: x)
        unsafe turn(x, back: true)
    }

    private func average() {
        let (decay, weight) = unsafe (form.decay, form.weight)
        if unsafe form.rows.hasFactors {
            unsafe ofRows.average(decay, weight, gradient, form.stride, isTurned: false, inner: columns)
        }
        if unsafe form.columns.hasFactors {
            unsafe ofColumns.average(decay, weight, gradient, form.stride, isTurned: true, inner: rows)
        }
    }

    private func load(to matrix: UnsafeMutablePointer<Float>) {
        unsafe execution.run(
            TurnRequest(
                rows: rows, columns: columns, from: numbers, fromDouble: form.isDouble,
                fromStride: form.columns.length, to: matrix, toDouble: false, toStride: form.stride, turns: false,
                scale: 1))
    }

    /// Writes a matrix, turned, to the numbers. It is nobody's afterwards where both sides have factors, but `gradient`.
    private func turn(_ matrix: UnsafeMutablePointer<Float>, back: Bool) {
        var result = unsafe UnsafePointer(matrix)
        if unsafe form.rows.hasFactors {
            unsafe execution.multiply(
                MatrixProduct(
                    rows: rows, inner: rows, columns: columns, left: ofRows.basis(turned: !back),
                    right: Factor(base: result, rowStride: form.stride, columnStride: 1), out: t,
                    outStride: form.stride))
            unsafe result = UnsafePointer(t)
        }
        if unsafe form.columns.hasFactors {
            let target = unsafe x
            unsafe execution.multiply(
                MatrixProduct(
                    rows: rows, inner: columns, columns: columns,
                    left: Factor(base: result, rowStride: form.stride, columnStride: 1),
                    right: ofColumns.basis(turned: back), out: result == target ? t : target,
                    outStride: form.stride))
            unsafe result = UnsafePointer(result == target ? t : target)
        }
        unsafe execution.run(
            TurnRequest(
                rows: rows, columns: columns, from: result, fromDouble: false, fromStride: form.stride,
                to: numbers, toDouble: form.isDouble, toStride: form.columns.length, turns: false, scale: 1))
    }
}
