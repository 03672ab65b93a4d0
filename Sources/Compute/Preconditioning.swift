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

    /// Bytes for one block: a matrix, one more of numbers in fp64, three squares, and what these are decomposed in.
    fileprivate var eachByteCount: Int {
        let floats =
            unsafe (isDouble ? 2 : 1) * matrixCount + 3 * square * square
            + SymmetricEigen.floatCount(stride: square) + 2 * square
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
        case 2 where unsafe roots != nil: unsafe block.turnBack()
        case _ where unsafe roots != nil: break
        case 1: unsafe block.begin()
        case 2 where unsafe !isFirst: unsafe block.turnBack()
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
    /// The numbers in fp32, which are the numbers themselves or, of fp64, a copy; and what they are turned in.
    let x, t: Plane

    /// A matrix and the distance of its rows.
    @unsafe struct Plane {
        let base: UnsafeMutablePointer<Float>
        let stride: Int

        var factor: Factor { unsafe Factor(base: base, rowStride: stride, columnStride: 1) }
    }

    init(execution: Execution, _ form: Preconditioning, _ matrix: Int) {
        unsafe self.execution = unsafe execution
        unsafe self.form = unsafe form
        let (row, column) = unsafe matrix.quotientAndRemainder(dividingBy: form.columns.blocks)
        unsafe rows = unsafe form.rows.length(of: row)
        unsafe columns = unsafe form.columns.length(of: column)
        let first = unsafe row * form.rows.block * form.columns.length + column * form.columns.block
        unsafe numbers = unsafe form.numbers + first * (form.isDouble ? 8 : 4)
        let memory = unsafe (form.memory + matrix * form.eachByteCount).assumingMemoryBound(to: Float.self)
        unsafe t = unsafe Plane(base: memory, stride: form.stride)
        let behind = unsafe memory + form.matrixCount
        let squares = unsafe form.isDouble ? behind + form.matrixCount : behind
        unsafe x =
            unsafe form.isDouble
            ? Plane(base: behind, stride: form.stride)
            : Plane(base: numbers.assumingMemoryBound(to: Float.self), stride: form.columns.length)
        // Blocks of one row of them have squares of the same size, and so have those of one column.
        let ofRow =
            unsafe form.rows.hasFactors
            ? row * form.columns.blocks * form.rows.block * form.rows.block + column * rows * rows : 0
        let ofColumn =
            unsafe form.columns.hasFactors
            ? row * form.columns.numbers + column * form.columns.block * form.columns.block : 0
        unsafe ofRows = unsafe SideFactors(
            execution: execution, form.rows, size: rows, offset: ofRow, square: form.square, memory: squares)
        unsafe ofColumns = unsafe SideFactors(
            execution: execution, form.columns, size: columns, offset: ofColumn, square: form.square, memory: squares)
    }

    /// Moves the averages, and turns the gradient into the bases; at the first step, makes them.
    func begin() {
        unsafe average()
        if unsafe form.isFirst {
            if unsafe form.rows.hasFactors { unsafe ofRows.decompose() }
            if unsafe form.columns.hasFactors { unsafe ofColumns.decompose() }
        } else {
            unsafe turn(back: false)
        }
    }

    /// Turns the step back, or multiplies it by roots, which are symmetric.
    func turnBack() {
        unsafe load()
        unsafe turn(back: true)
    }

    /// Takes the gradient's average from the old bases to the new ones.
    func refresh() {
        unsafe turnBack()
        if unsafe form.rows.hasFactors { unsafe ofRows.refresh() }
        if unsafe form.columns.hasFactors { unsafe ofColumns.refresh() }
        unsafe load()
        unsafe turn(back: false)
    }

    /// Moves the averages, and refreshes their roots.
    func takeRoots() {
        unsafe average()
        guard let roots = unsafe form.roots, unsafe form.refreshes else { return }
        if unsafe form.rows.hasFactors { unsafe ofRows.takeRoot(roots) }
        if unsafe form.columns.hasFactors { unsafe ofColumns.takeRoot(roots) }
    }

    private func average() {
        unsafe load()
        let (decay, weight) = unsafe (form.decay, form.weight)
        if unsafe form.rows.hasFactors {
            unsafe ofRows.average(decay, weight, x.base, x.stride, isTurned: false, inner: columns)
        }
        if unsafe form.columns.hasFactors {
            unsafe ofColumns.average(decay, weight, x.base, x.stride, isTurned: true, inner: rows)
        }
    }

    private func load() {
        if unsafe !form.isDouble { return }
        unsafe execution.run(
            TurnRequest(
                rows: rows, columns: columns, from: numbers, fromDouble: true, fromStride: form.columns.length,
                to: x.base, toDouble: false, toStride: x.stride, turns: false, scale: 1))
    }

    /// Turns `x`, and writes it to the numbers.
    private func turn(back: Bool) {
        var (from, to) = unsafe (x, t)
        if unsafe form.rows.hasFactors {
            unsafe execution.multiply(
                MatrixProduct(
                    rows: rows, inner: rows, columns: columns, left: ofRows.basis(turned: !back), right: from.factor,
                    out: to.base, outStride: to.stride))
            unsafe swap(&from, &to)
        }
        if unsafe form.columns.hasFactors {
            unsafe execution.multiply(
                MatrixProduct(
                    rows: rows, inner: columns, columns: columns, left: from.factor,
                    right: ofColumns.basis(turned: back), out: to.base, outStride: to.stride))
            unsafe swap(&from, &to)
        }
        if unsafe from.base == numbers { return }
        unsafe execution.run(
            TurnRequest(
                rows: rows, columns: columns, from: from.base, fromDouble: false, fromStride: from.stride,
                to: numbers, toDouble: form.isDouble, toStride: form.columns.length, turns: false, scale: 1))
    }
}
