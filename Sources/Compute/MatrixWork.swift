// What is done with whole matrices between the passes of a step, to the numbers that a pass has left for each element: small
// matrices each on a thread, and so are large ones that are to be decomposed, while there is one for every thread; others one
// after another on all threads.
import MartletKernelInterface

/// The matrices of one parameter, and what becomes of them.
@unsafe package enum MatrixWork: BitwiseCopyable {
    case orthogonalization(Orthogonalization)
    case preconditioning(Preconditioning)

    /// Bytes for all of them.
    package var byteCount: Int {
        switch unsafe self {
        case .orthogonalization(let form): unsafe form.byteCount
        case .preconditioning(let form): unsafe form.byteCount
        }
    }

    /// The same with the numbers' address, and that of `byteCount` bytes, aligned to 64; to be done in a mode.
    package func placed(
        numbers: UnsafeMutableRawPointer, memory: UnsafeMutableRawPointer, mode: FloatingPointMode
    ) -> MatrixItem {
        switch unsafe self {
        case .orthogonalization(var form):
            unsafe (form.numbers, form.memory) = unsafe (numbers, memory)
            return unsafe MatrixItem(work: .orthogonalization(form), mode: mode)
        case .preconditioning(var form):
            unsafe (form.numbers, form.memory) = unsafe (numbers, memory)
            return unsafe MatrixItem(work: .preconditioning(form), mode: mode)
        }
    }

    fileprivate var matrices: Int {
        switch unsafe self {
        case .orthogonalization(let form): unsafe form.matrices
        case .preconditioning(let form): unsafe form.matrices
        }
    }

    fileprivate var isSmall: Bool {
        switch unsafe self {
        case .orthogonalization(let form): unsafe form.isSmall
        case .preconditioning(let form): unsafe form.isSmall
        }
    }

    /// About how long one thread takes for each of them.
    fileprivate var nanoseconds: Int {
        switch unsafe self {
        case .orthogonalization(let form): unsafe form.nanoseconds
        case .preconditioning(let form): unsafe form.nanoseconds
        }
    }

    /// Whether there is more to it than products, so that threads which share a large one would wait for each other.
    fileprivate var isManyRuns: Bool {
        switch unsafe self {
        case .orthogonalization: false
        case .preconditioning: true
        }
    }

    fileprivate func run(_ stage: Int, _ matrix: Int, _ execution: Execution) {
        switch unsafe self {
        case .orthogonalization(let form): if stage == 1 { unsafe form.run(matrix, execution) }
        case .preconditioning(let form): unsafe form.run(stage, matrix, execution)
        }
    }
}

/// The matrices of one parameter where they lie, and the mode of all arithmetic with them.
@unsafe package struct MatrixItem: BitwiseCopyable {
    fileprivate let work: MatrixWork
    fileprivate let mode: FloatingPointMode
}

extension Execution {
    /// Does what stands between the passes `stage` - 1 and `stage`, counted from 0.
    package func run(_ list: UnsafeBufferPointer<MatrixItem>, stage: Int) {
        let small = unsafe Matrices(list: list, areSmall: true)
        unsafe runBeside(small, 0..<small.count, stage)
        let large = unsafe Matrices(list: list, areSmall: false)
        let count = unsafe large.count
        var index = 0
        while index < count {
            let next = unsafe index..<min(index + threads, count)
            if unsafe next.count == threads && large.goBeside(next) {
                unsafe runBeside(large, next, stage)
                index = next.upperBound
            } else {
                unsafe large.run(index, stage, self)
                index += 1
            }
        }
    }

    /// Each matrix on a thread.
    private func runBeside(_ matrices: Matrices, _ range: Range<Int>, _ stage: Int) {
        if range.isEmpty { return }
        var beside = unsafe MatricesBeside(matrices: matrices, first: range.lowerBound, stage: stage, execution: self)
        unsafe run(
            MatricesBeside.run, on: &beside, pieces: range.count, nanoseconds: matrices.nanoseconds(range))
    }
}

/// The small matrices of a list, or the large ones, numbered in their order.
@unsafe private struct Matrices {
    let list: UnsafeBufferPointer<MatrixItem>
    let areSmall: Bool

    var count: Int {
        var count = 0
        for index in unsafe list.indices where unsafe list[index].work.isSmall == areSmall {
            unsafe count += list[index].work.matrices
        }
        return count
    }

    /// A matrix, as one of a parameter's.
    private subscript(index: Int) -> (item: MatrixItem, matrix: Int)? {
        var matrix = index
        for place in unsafe list.indices where unsafe list[place].work.isSmall == areSmall {
            let count = unsafe list[place].work.matrices
            if matrix < count { return unsafe (list[place], matrix) }
            matrix -= count
        }
        return nil
    }

    /// Does the stage's share of the work of one.
    func run(_ index: Int, _ stage: Int, _ execution: Execution) {
        guard let (item, matrix) = unsafe self[index] else { return }
        var one = unsafe MatrixRun(item: item, matrix: matrix, stage: stage, execution: execution.in(item.mode))
        unsafe item.mode.call(MatrixRun.serve, &one)
    }

    func nanoseconds(_ range: Range<Int>) -> Int {
        var (first, total) = (0, 0)
        for place in unsafe list.indices where unsafe list[place].work.isSmall == areSmall {
            let work = unsafe list[place].work
            let those = unsafe (first..<first + work.matrices).clamped(to: range)
            unsafe total += those.count * work.nanoseconds
            unsafe first += work.matrices
        }
        return total
    }

    /// Whether it pays that threads do one each: they are busy for nearly as long.
    func goBeside(_ range: Range<Int>) -> Bool {
        let most = unsafe nanoseconds(range) / range.count / 4 * 5
        return range.allSatisfy { index in
            guard let work = unsafe self[index]?.item.work else { return false }
            return unsafe work.isManyRuns && work.nanoseconds <= most
        }
    }
}

/// One matrix, by a thread or by all, in its mode.
@unsafe private struct MatrixRun {
    let item: MatrixItem
    let matrix, stage: Int
    let execution: Execution

    static let serve: @convention(c) (UnsafeMutableRawPointer) -> Void = { context in
        let one = unsafe context.assumingMemoryBound(to: MatrixRun.self).pointee
        unsafe one.item.work.run(one.stage, one.matrix, one.execution)
    }
}

/// Matrices that one thread each works on.
@unsafe private struct MatricesBeside {
    let matrices: Matrices
    let first, stage: Int
    let execution: Execution

    static let run: PieceKernel = { request, piece, scratch in
        let beside = unsafe request.assumingMemoryBound(to: MatricesBeside.self).pointee
        unsafe beside.matrices.run(beside.first + piece, beside.stage, beside.execution.alone(scratch))
    }
}
