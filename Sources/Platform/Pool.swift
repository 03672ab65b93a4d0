// The pool's memory and the protocol between caller and workers. Lock-free but for one flag that says whose job is
// shared, and that flag is only ever tried: nothing here can be inherited locked by a forked child.
//
// One word, the ticket, holds the job's generation and which chunks are left to claim: a range, from whose start the
// caller takes and from whose end the workers do, so that in a loop each side meets the chunks, and the data in its
// cache, that it had in the step before. A chunk is claimed by exchanging the ticket for one with less. The job's
// fields are read before the exchange and used only if it succeeds: the ticket was then still of the job that they
// belong to, since fields change only after every chunk is done. So a worker that comes late, however late, finds
// nothing left and touches nothing.

import CMachine
import Glibc
import Synchronization

/// What the caller wants done.
@unsafe struct Job {
    var body: ThreadPool.Body
    var context: UnsafeMutableRawPointer
    /// Workers with an index below this take part.
    var helpers: Int
}

/// The word that chunks are claimed from: 36 bits of generation above the start and the end of the range of chunks left,
/// 14 bits each.
package struct Ticket {
    package static var mostChunks: Int { 1 << 14 - 1 }
    package var word: UInt64

    package init(word: UInt64) { self.word = word }

    /// The first chunk left, and the one after the last.
    package var start: Int { Int(word >> 14) & Ticket.mostChunks }
    package var end: Int { Int(word) & Ticket.mostChunks }
    package var isEmpty: Bool { start == end }

    /// The ticket after the chunk `start` is claimed.
    package var withoutFirst: Ticket { Ticket(word: word &+ 1 << 14) }
    /// The ticket after the chunk `end - 1` is claimed.
    package var withoutLast: Ticket { Ticket(word: word &- 1) }

    /// The next job's ticket. A generation comes back after 2^36 jobs: half a day, if each takes a microsecond, during
    /// which a late worker would have to stand between two instructions.
    package func next(chunks: Int) -> Ticket { Ticket(word: ((word >> 28 &+ 1) << 28) | UInt64(chunks)) }
}

/// A view of the pool's memory, which is mapped pages: everything that is shared is an atomic there, each group on cache
/// lines of its own (two lines apart, since processors fetch them in pairs).
@unsafe struct Pool {
    private let base: UnsafeMutableRawPointer

    init?(address: UInt) {
        guard let base = unsafe UnsafeMutableRawPointer(bitPattern: address) else { return nil }
        unsafe self.base = base
    }

    var address: UInt { unsafe UInt(bitPattern: base) }

    /// Maps a pool without workers; nil where the system gives no memory. Pages are committed as they are touched.
    static func make() -> Pool? {
        let start = unsafe mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let start = unsafe start, unsafe start != MAP_FAILED else { return nil }
        // Atomics of all-zero bytes are atomics of 0.
        return unsafe Pool(address: UInt(bitPattern: start))
    }

    /// Unmaps a pool that no other thread has seen.
    func unmake() { unsafe munmap(base, Pool.byteCount) }

    // MARK: Layout

    private static var slotsOffset: Int { 1024 }
    private static var byteCount: Int { unsafe slotsOffset + Machine.mostThreads * WorkerSlot.stride }

    private func word(_ offset: Int) -> UnsafeMutablePointer<Atomic<Int>> {
        unsafe (base + offset).assumingMemoryBound(to: Atomic<Int>.self)
    }

    private var ticket: UnsafeMutablePointer<Atomic<UInt64>> {
        unsafe base.assumingMemoryBound(to: Atomic<UInt64>.self)
    }
    /// Chunks that workers have done in the low half, workers that did some in the high half.
    private var done: UnsafeMutablePointer<Atomic<Int>> { unsafe word(128) }
    private var jobBody: UnsafeMutablePointer<Atomic<Int>> { unsafe word(256) }
    private var jobContext: UnsafeMutablePointer<Atomic<Int>> { unsafe word(264) }
    private var jobHelpers: UnsafeMutablePointer<Atomic<Int>> { unsafe word(280) }
    private var owned: UnsafeMutablePointer<Atomic<Int>> { unsafe word(384) }
    private var workers: UnsafeMutablePointer<Atomic<Int>> { unsafe word(392) }
    private var holdOff: UnsafeMutablePointer<Atomic<Int>> { unsafe word(400) }
    private var lastEnd: UnsafeMutablePointer<Atomic<Int>> { unsafe word(408) }
    private var streak: UnsafeMutablePointer<Atomic<Int>> { unsafe word(416) }
    private var awake: UnsafeMutablePointer<Atomic<Int>> { unsafe word(512) }

    func slot(_ index: Int) -> WorkerSlot {
        unsafe WorkerSlot(base: base + (Pool.slotsOffset + index * WorkerSlot.stride))
    }

    // MARK: The caller's side

    /// Tries to make the caller the one whose job is shared.
    func acquire() -> Bool {
        unsafe owned.pointee.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged
    }

    func release() { unsafe owned.pointee.store(0, ordering: .releasing) }

    var workerCount: Int { unsafe workers.pointee.load(ordering: .relaxed) }

    /// Workers that are not asleep.
    var awakeCount: Int { unsafe awake.pointee.load(ordering: .relaxed) }

    func noteAwake() { unsafe awake.pointee.wrappingAdd(1, ordering: .relaxed) }
    func noteAsleep() { unsafe awake.pointee.wrappingSubtract(1, ordering: .relaxed) }

    /// Starts workers until there are `wanted`, or the system refuses; then leaves it at fewer for some jobs, since a
    /// refusal is slow too.
    func grow(to wanted: Int) {
        var count = unsafe workerCount
        guard count < wanted else { return }
        let wait = unsafe holdOff.pointee.load(ordering: .relaxed)
        guard wait == 0 else {
            unsafe holdOff.pointee.store(wait - 1, ordering: .relaxed)
            return
        }
        while count < wanted {
            guard unsafe Worker.start(count, of: self) else {
                unsafe holdOff.pointee.store(1000, ordering: .relaxed)
                return
            }
            count += 1
            unsafe workers.pointee.store(count, ordering: .relaxed)
        }
    }

    /// Offers a job to the workers that look. The one before it must be done.
    func publish(_ job: Job, chunks: Int) {
        unsafe done.pointee.store(0, ordering: .relaxed)
        unsafe jobBody.pointee.store(unsafeBitCast(job.body, to: Int.self), ordering: .relaxed)
        unsafe jobContext.pointee.store(Int(bitPattern: job.context), ordering: .relaxed)
        unsafe jobHelpers.pointee.store(job.helpers, ordering: .relaxed)
        let last = unsafe Ticket(word: ticket.pointee.load(ordering: .relaxed))
        // In one order with the workers' going to sleep: either the waker sees one asleep, or it sees this.
        unsafe ticket.pointee.store(last.next(chunks: chunks).word, ordering: .sequentiallyConsistent)
    }

    /// Wakes the first `count` workers where they sleep. A system call wakes one, so a woken worker wakes the two below
    /// it in turn: the caller makes one call, and all are awake after a few.
    func wake(_ count: Int) {
        if count > 0 { unsafe wake(0, of: min(count, workerCount)) }
    }

    /// The part of a worker that has been woken.
    func passOnWake(from index: Int) {
        let count = unsafe min(jobHelpers.pointee.load(ordering: .relaxed), workerCount)
        unsafe wake(2 * index + 1, of: count)
        unsafe wake(2 * index + 2, of: count)
    }

    private func wake(_ index: Int, of count: Int) {
        if index >= count { return }
        if unsafe slot(index).wake(in: self) { return }
        unsafe wake(2 * index + 1, of: count)
        unsafe wake(2 * index + 2, of: count)
    }

    /// Waits until workers have done `chunks` of the job; returns how many workers had a part in it.
    func awaitHelpers(doing chunks: Int) -> Int {
        var spins = 0
        while true {
            let word = unsafe done.pointee.load(ordering: .acquiring)
            if word & 0xFFFF_FFFF == chunks { return word >> 32 }
            machine_pause()
            spins += 1
            // A worker may have lost its processor to this very loop.
            if spins > 2000 { sched_yield() }
        }
    }

    /// Whether the caller's job is one of several that follow one another closely.
    func isFollowedClosely() -> Bool {
        // Workers that spin already need no waking.
        if unsafe awakeCount > 0 { return false }
        let gap = unsafe Clock.nanoseconds() &- lastEnd.pointee.load(ordering: .relaxed)
        let count = unsafe gap < 90_000 ? streak.pointee.load(ordering: .relaxed) + 1 : 0
        unsafe streak.pointee.store(count >= 8 ? 0 : count, ordering: .relaxed)
        return count >= 8
    }

    func noteEnd() { unsafe lastEnd.pointee.store(Clock.nanoseconds(), ordering: .relaxed) }

    // MARK: Either side

    /// Claims chunks and does them until none is left; `index` is the worker's, nil for the caller. Returns how many.
    /// A worker's are counted as done.
    func work(as index: Int?) -> Int {
        var count = 0
        while let (job, chunk) = unsafe claim(as: index) {
            unsafe job.body(job.context, chunk, index.map { $0 + 1 } ?? 0)
            count += 1
        }
        if index != nil, count > 0 {
            unsafe done.pointee.wrappingAdd(1 << 32 | count, ordering: .releasing)
        }
        return count
    }

    /// Whether chunks are left to claim, for whomever.
    var hasWork: Bool { unsafe !Ticket(word: ticket.pointee.load(ordering: .relaxed)).isEmpty }

    /// The same, in one order with ``publish(_:)`` and the going to sleep.
    var hasWorkBeforeSleep: Bool {
        unsafe !Ticket(word: ticket.pointee.load(ordering: .sequentiallyConsistent)).isEmpty
    }

    private func claim(as index: Int?) -> (job: Job, chunk: Int)? {
        var seen = unsafe Ticket(word: ticket.pointee.load(ordering: .acquiring))
        while !seen.isEmpty {
            let helpers = unsafe jobHelpers.pointee.load(ordering: .relaxed)
            if let index, index >= helpers { return nil }
            let body = unsafe jobBody.pointee.load(ordering: .relaxed)
            let address = unsafe jobContext.pointee.load(ordering: .relaxed)
            guard let context = unsafe UnsafeMutableRawPointer(bitPattern: address) else { return nil }
            let (exchanged, original) = unsafe ticket.pointee.compareExchange(
                expected: seen.word, desired: (index == nil ? seen.withoutFirst : seen.withoutLast).word,
                ordering: .acquiring)
            if exchanged {
                let body = unsafe unsafeBitCast(body, to: ThreadPool.Body.self)
                let job = unsafe Job(body: body, context: context, helpers: helpers)
                return unsafe (job, index == nil ? seen.start : seen.end - 1)
            }
            seen = Ticket(word: original)
        }
        return nil
    }
}
