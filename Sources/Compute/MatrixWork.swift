// What is done with whole matrices between the passes of a step, to the numbers that a pass has left for each element: small
// matrices each on a thread, large ones one after another on all of them.
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

    /// The same with the numbers' address, and that of `byteCount` bytes, aligned to 64.
    package func placed(
        numbers: UnsafeMutableRawPointer, memory: UnsafeMutableRawPointer
    ) -> MatrixWork {
        switch unsafe self {
        case .orthogonalization(var form):
            unsafe (form.numbers, form.memory) = unsafe (numbers, memory)
            return unsafe .orthogonalization(form)
        case .preconditioning(var form):
            unsafe (form.numbers, form.memory) = unsafe (numbers, memory)
            return unsafe .preconditioning(form)
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

    /// About how long one thread takes for all of them.
    fileprivate var nanoseconds: Int {
        switch unsafe self {
        case .orthogonalization(let form): unsafe form.matrices * form.nanoseconds
        case .preconditioning(let form): unsafe form.matrices * form.nanoseconds
        }
    }

    fileprivate func run(_ stage: Int, _ matrix: Int, _ execution: Execution) {
        switch unsafe self {
        case .orthogonalization(let form): if stage == 1 { unsafe form.run(matrix, execution) }
        case .preconditioning(let form): unsafe form.run(stage, matrix, execution)
        }
    }
}

extension Execution {
    /// Does what stands between the passes `stage` - 1 and `stage`, counted from 0.
    package func run(_ list: UnsafeBufferPointer<MatrixWork>, stage: Int) {
        unsafe runSmall(list, stage)
        for place in list.indices where unsafe !list[place].isSmall {
            for matrix in unsafe 0..<list[place].matrices { unsafe list[place].run(stage, matrix, self) }
        }
    }

    private func runSmall(_ list: UnsafeBufferPointer<MatrixWork>, _ stage: Int) {
        var pieces = 0
        var nanoseconds = 0
        for place in list.indices where unsafe list[place].isSmall {
            unsafe pieces += list[place].matrices
            unsafe nanoseconds += list[place].nanoseconds
        }
        if pieces == 0 { return }
        var small = unsafe SmallMatrices(list: list, stage: stage, execution: self)
        unsafe run(SmallMatrices.run, on: &small, pieces: pieces, nanoseconds: nanoseconds)
    }
}

/// Matrices that one thread each works on.
@unsafe private struct SmallMatrices {
    let list: UnsafeBufferPointer<MatrixWork>
    let stage: Int
    let execution: Execution

    static let run: PieceKernel = { request, piece, scratch in
        let small = unsafe request.assumingMemoryBound(to: SmallMatrices.self).pointee
        var matrix = piece
        for place in unsafe small.list.indices where unsafe small.list[place].isSmall {
            if unsafe matrix < small.list[place].matrices {
                return unsafe small.list[place].run(small.stage, matrix, small.execution.alone(scratch))
            }
            unsafe matrix -= small.list[place].matrices
        }
    }
}
