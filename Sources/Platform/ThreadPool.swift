// Shares a job, cut into numbered chunks, with worker threads of the library's own: the caller's side. Which chunks
// there are depends on the job alone, never on the threads, so results do not depend on them either.
// No Dispatch and no Swift concurrency: neither survives a fork. Memory and protocol are in Pool.swift, the workers'
// side is in Worker.swift.

import CMachine
import Glibc
import Synchronization

package enum ThreadPool {
    /// One chunk of a job: the job's context, the chunk's number, and which of the job's threads it runs on (0 for the
    /// caller, less than the threads asked for), so that each may have memory of its own. Called on several threads at
    /// once.
    package typealias Body = @convention(c) (_ context: UnsafeMutableRawPointer, _ chunk: Int, _ thread: Int) -> Void

    /// Calls `body` once for each of `chunks` numbers from 0 up, on the calling thread and workers, and returns when
    /// all are done.
    ///
    /// - Parameters:
    ///   - threads: the most threads that may work, the caller among them.
    ///   - wake: whether sleeping workers are woken and missing ones started, which costs about 50 us until they
    ///     work. Without it only workers that spin after earlier work take part.
    ///   - warm: whether, without `wake`, the workers are woken too once such jobs follow one another closely
    ///     (several in a row, each less than 90 us behind the one before): the workers then spin from job to job.
    /// - Returns: how many threads did at least one chunk; 0 for no chunks.
    ///
    /// Any thread may call it, a body too. One job is shared at a time; who comes in the meantime does the work alone.
    /// Allocates nothing once the workers run, and cannot fail.
    @discardableResult
    package static func run(
        chunks: Int, threads: Int, wake: Bool, warm: Bool = false, body: Body, context: UnsafeMutableRawPointer
    ) -> Int {
        let width = min(threads, chunks, Machine.mostThreads)
        guard width > 1, chunks <= Ticket.mostChunks, let pool = unsafe pool(create: wake || warm),
            unsafe pool.acquire()
        else { return unsafe runAlone(chunks: chunks, body: body, context: context) }
        let helpers = width - 1
        defer { unsafe pool.release() }
        let wakes = unsafe wake || (warm && pool.isFollowedClosely())
        if wakes { unsafe pool.grow(to: helpers) }
        guard unsafe wakes || pool.awakeCount > 0 else {
            defer { if warm { unsafe pool.noteEnd() } }
            return unsafe runAlone(chunks: chunks, body: body, context: context)
        }
        unsafe pool.publish(Job(body: body, context: context, helpers: helpers), chunks: chunks)
        if wakes { unsafe pool.wake(helpers) }
        let own = unsafe pool.work(as: nil)
        return unsafe pool.awaitHelpers(doing: chunks - own) + (own > 0 ? 1 : 0)
    }

    /// How many workers have been started in this process.
    package static var workerCount: Int {
        guard let pool = unsafe pool(create: false) else { return 0 }
        return unsafe pool.workerCount
    }

    /// In a forked child: forgets the parent's pool, whose workers did not come along and whose state may be halfway
    /// through a job. Its memory is left as it is; the next job makes a fresh pool.
    static func abandon() {
        address.store(0, ordering: .relaxed)
    }

    private static func runAlone(chunks: Int, body: Body, context: UnsafeMutableRawPointer) -> Int {
        guard chunks > 0 else { return 0 }
        for chunk in 0..<chunks { unsafe body(context, chunk, 0) }
        return 1
    }

    /// The address of the process's pool; 0 before there is one. Pools are never freed, so an address stays good.
    private static let address = Atomic<UInt>(0)

    private static func pool(create: Bool) -> Pool? {
        if let pool = unsafe Pool(address: address.load(ordering: .acquiring)) { return unsafe pool }
        return unsafe create ? makePool() : nil
    }

    @inline(never)
    private static func makePool() -> Pool? {
        ForkEpoch.watch()
        guard let made = unsafe Pool.make() else { return nil }
        let (exchanged, original) = unsafe address.compareExchange(
            expected: 0, desired: made.address, ordering: .acquiringAndReleasing)
        if exchanged { return unsafe made }
        unsafe made.unmake()
        return unsafe Pool(address: original)
    }
}
