// What one call computes with: the kernels, the threads and their scratch, settled when the call starts. Operations of
// models go through here; the steps of optimizers have WorkList.swift.
import MartletKernelInterface
import MartletPlatform

/// What a call takes from the settings of the process. Read once when the call starts: a call of many batches keeps its
/// instruction set and its threads, whatever is set meanwhile.
package struct ExecutionSettings {
    package let isa: InstructionSet
    package let threads: Int

    /// Those in force. Throws `.argument` where the environment's are wrong.
    package init() throws(MartletError) {
        isa = try Settings.isa
        threads = try Settings.threads
    }
}

/// Runs operations piece by piece on the threads. Valid on the thread that made it, until that thread makes another or
/// steps an optimizer, either of which may move the scratch.
@unsafe package struct Execution {
    package let isa: InstructionSet
    let threads: Int
    private let sharesAll: Bool
    private let mode: FloatingPointMode
    private let scratch: UnsafeMutableRawPointer

    /// With the settings in force. Throws `.argument` where the environment's are wrong, and `.memory`; nothing that is
    /// done with it can fail afterwards.
    package init(mode: FloatingPointMode) throws(MartletError) {
        unsafe try self.init(mode: mode, ExecutionSettings())
    }

    /// The same with settings that were read before. Throws `.memory`, and not after an execution with the same settings
    /// was made on this thread: scratch never shrinks.
    package init(mode: FloatingPointMode, _ settings: ExecutionSettings) throws(MartletError) {
        unsafe try self.init(mode: mode, isa: settings.isa, threads: settings.threads)
    }

    /// With settings of its own; the machine must have the instruction set.
    ///
    /// - Parameter sharesAll: whether threads are woken for every run of more than one piece, however short: for tests,
    ///   whose arrays are small.
    package init(
        mode: FloatingPointMode, isa: InstructionSet, threads: Int, sharesAll: Bool = false
    ) throws(MartletError) {
        if ThreadRecord.current?.isLent == true {
            throw MartletError(
                .busy,
                "this thread is inside a function that the library calls; expected no such call before its return")
        }
        let byteCount = unsafe Execution.byteCount(threads: threads)
        guard let scratch = unsafe ThreadRecord.current?.scratch(byteCount: byteCount) else {
            throw MartletError(.memory, "the system gave no memory for the scratch of \(threads) threads")
        }
        unsafe self.init(mode: mode, isa: isa, threads: threads, memory: scratch, sharesAll: sharesAll)
    }

    /// In memory of the caller's, `byteCount(threads:)` bytes aligned to 64, for one that has the thread's scratch in use.
    package init(
        mode: FloatingPointMode, isa: InstructionSet, threads: Int, memory: UnsafeMutableRawPointer,
        sharesAll: Bool = false
    ) {
        unsafe self.isa = isa
        unsafe self.threads = threads
        unsafe self.sharesAll = sharesAll
        unsafe self.mode = mode
        unsafe self.scratch = unsafe memory
    }

    package static func byteCount(threads: Int) -> Int { unsafe threads * PieceScratch.byteCount + sharedByteCount }

    /// One for inside a piece: all on its thread, in its scratch, and nothing that is `shared`.
    func alone(_ scratch: UnsafeMutableRawPointer) -> Execution {
        unsafe Execution(mode: mode, isa: isa, threads: 1, memory: scratch)
    }

    /// The same in another mode.
    func `in`(_ mode: FloatingPointMode) -> Execution {
        unsafe Execution(mode: mode, isa: isa, threads: threads, memory: scratch, sharesAll: sharesAll)
    }

    /// `sharedByteCount` bytes that no piece is given as its own: for what one run leaves for the next. An operation may
    /// use it until it returns.
    package var shared: UnsafeMutableRawPointer { unsafe scratch + threads * PieceScratch.byteCount }
    package static var sharedByteCount: Int { 4 << 20 }

    /// What the threads need to know of a request.
    @unsafe private struct Job {
        var kernel: PieceKernel
        var request: UnsafeRawPointer
        var mode: FloatingPointMode
        var scratch: UnsafeMutableRawPointer
    }

    /// Does every piece of a request.
    package func run<Request: PieceRequest>(_ request: Request) {
        unsafe withUnsafePointer(to: request) { address in
            unsafe run(
                isa.kernel(Request.kernel), on: address, pieces: request.pieces, nanoseconds: request.nanoseconds)
        }
    }

    /// Does as many pieces of a request by any function.
    ///
    /// - Parameters:
    ///   - nanoseconds: about how long one thread takes for all pieces, which decides who is woken for them.
    package func run(_ kernel: PieceKernel, on request: UnsafeRawPointer, pieces: Int, nanoseconds: Int) {
        var job = unsafe Job(kernel: kernel, request: request, mode: mode, scratch: scratch)
        unsafe withUnsafeMutablePointer(to: &job) { job in
            let context = UnsafeMutableRawPointer(job)
            if unsafe threads == 1 || pieces == 1 || (nanoseconds < Execution.leastShared && !sharesAll) {
                for piece in 0..<pieces { unsafe Execution.runPiece(context, piece, 0) }
                return
            }
            unsafe ThreadPool.run(
                chunks: pieces, threads: threads, wake: sharesAll || nanoseconds >= Execution.leastWoken, warm: true,
                body: Execution.runPiece, context: context)
        }
    }

    /// Work that takes less is not worth handing to a thread that waits for some: a few microseconds pass until both
    /// know of each other.
    private static var leastShared: Int { 4_000 }
    /// Work that takes more is worth waking threads, which takes some 50 us.
    private static var leastWoken: Int { 150_000 }

    private static let runPiece: ThreadPool.Body = { context, piece, thread in
        let job = unsafe context.assumingMemoryBound(to: Job.self).pointee
        unsafe job.mode.run(job.kernel, job.request, piece, job.scratch + thread * PieceScratch.byteCount)
    }
}
