// The pool: every chunk once, whoever asks, however often and with however many threads; in forked children too.

import Glibc
import MartletPlatform
import MartletTestSupport
import Synchronization
import Testing

/// A job whose chunks leave traces: how often each was done, and by which thread.
private final class Traced {
    let counts: UnsafeMutablePointer<Atomic<Int>>
    let threads: UnsafeMutablePointer<pthread_t>
    let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        counts = .allocate(capacity: capacity)
        threads = .allocate(capacity: capacity)
        for index in 0..<capacity { (counts + index).initialize(to: Atomic(0)) }
        threads.initialize(repeating: 0, count: capacity)
    }

    deinit {
        counts.deallocate()
        threads.deallocate()
    }

    /// Runs the job and says whether each chunk, and nothing else, was done once by as many threads as reported.
    func isDoneOnce(chunks: Int, threads limit: Int, wake: Bool, warm: Bool = false) -> Bool {
        let reported = ThreadPool.run(
            chunks: chunks, threads: limit, wake: wake, warm: warm,
            body: { context, chunk, _ in
                let job = Unmanaged<Traced>.fromOpaque(context).takeUnretainedValue()
                job.counts[chunk].wrappingAdd(1, ordering: .relaxed)
                job.threads[chunk] = pthread_self()
            }, context: Unmanaged.passUnretained(self).toOpaque())
        var isRight = true
        for index in 0..<capacity {
            isRight = isRight && counts[index].exchange(0, ordering: .relaxed) == (index < chunks ? 1 : 0)
        }
        return isRight && reported == Set((0..<chunks).map { threads[$0] }).count && reported <= max(limit, 1)
    }
}

/// A job whose chunks wait for one another, so that it ends only if as many threads as chunks do it.
private struct Meeting: ~Copyable {
    let arrived = Atomic<Int>(0)
    let wanted: Int

    /// Whether `threads` threads met within 20 seconds.
    static func succeeds(threads: Int) -> Bool {
        var meeting = Meeting(wanted: threads)
        let reported = withUnsafeMutablePointer(to: &meeting) { meeting in
            ThreadPool.run(
                chunks: threads, threads: threads, wake: true,
                body: { context, _, _ in
                    let meeting = context.assumingMemoryBound(to: Meeting.self)
                    let wanted = meeting.pointee.wanted
                    meeting.pointee.arrived.wrappingAdd(1, ordering: .relaxed)
                    let end = time(nil) + 20
                    while meeting.pointee.arrived.load(ordering: .relaxed) < wanted, time(nil) < end { sched_yield() }
                }, context: meeting)
        }
        return reported == threads
    }
}

@Suite(.serialized) struct ThreadPoolTests {
    @Test(arguments: [1, 2, 3, 7]) func everyChunkOnce(threads: Int) {
        let job = Traced(capacity: 64)
        var failures = 0
        for round in 0..<25_000 {
            let chunks = round % 65
            if !job.isDoneOnce(chunks: chunks, threads: threads, wake: round % 16 == 0) { failures += 1 }
        }
        #expect(failures == 0)
    }

    @Test func manyChunks() {
        let job = Traced(capacity: 100_000)
        #expect(job.isDoneOnce(chunks: Ticket.mostChunks, threads: 3, wake: true))
    }

    @Test func jobsThatFollowCloselyWakeWorkers() {
        let job = Traced(capacity: 16)
        var failures = 0
        for _ in 0..<20_000 where !job.isDoneOnce(chunks: 16, threads: 2, wake: false, warm: true) { failures += 1 }
        #expect(failures == 0)
    }

    /// In a child without workers, jobs that ask for no waking start and meet one if they follow closely, and never if
    /// a millisecond lies between them.
    @Test(arguments: [true, false])
    func onlyJobsThatFollowCloselyWake(closely: Bool) {
        let code = inChild {
            let context = UnsafeMutableRawPointer.allocate(byteCount: 8, alignment: 8)
            let body: ThreadPool.Body = { _, _, _ in for _ in 0..<200 { sched_yield() } }
            for _ in 0..<(closely ? 2000 : 100) {
                let worked = ThreadPool.run(
                    chunks: 4, threads: 2, wake: false, warm: true, body: body, context: context)
                if worked == 2 { return ThreadPool.workerCount > 0 ? 2 : 3 }
                if !closely { usleep(1000) }
            }
            return ThreadPool.workerCount == 0 ? 0 : 1
        }
        #expect(code == (closely ? 2 : 0))
    }

    @Test func noChunksAndNoThreads() {
        let job = Traced(capacity: 4)
        #expect(ThreadPool.run(chunks: 0, threads: 4, wake: true, body: { _, _, _ in }, context: job.counts) == 0)
        #expect(ThreadPool.run(chunks: -1, threads: 4, wake: true, body: { _, _, _ in }, context: job.counts) == 0)
        #expect(job.isDoneOnce(chunks: 4, threads: 0, wake: true))
        #expect(job.isDoneOnce(chunks: 4, threads: .min, wake: true))
    }

    /// Two jobs never share a ticket, however alike they are, so a late worker's claim of the first cannot succeed.
    @Test func ticketsDiffer() {
        for start in [0, UInt64.max, 5 << 28] {
            let first = Ticket(word: start).next(chunks: 3)
            let used = first.withoutFirst.withoutLast.withoutFirst
            let second = used.next(chunks: 3)
            #expect(first.start == 0 && first.end == 3 && second.start == 0 && second.end == 3)
            #expect(first.withoutFirst.start == 1 && first.withoutLast.end == 2)
            #expect(Set([first.word, first.withoutFirst.word, first.withoutLast.word, used.word]).count == 4)
            #expect(used.isEmpty && !first.isEmpty)
            #expect(first.word >> 28 != second.word >> 28)
        }
        let largest = Ticket(word: 0).next(chunks: Ticket.mostChunks)
        #expect(largest.start == 0 && largest.end == Ticket.mostChunks)
    }

    /// Threads really work at once, and the pool grows and shrinks with the count asked for.
    @Test func threadsMeet() {
        for threads in [2, 7, 3, 9, 1, 2] { #expect(Meeting.succeeds(threads: threads)) }
        #expect(ThreadPool.workerCount >= 8)
    }

    /// Workers that are awake from a wider job leave a narrower one alone.
    @Test func noMoreThreadsThanAskedFor() {
        let job = Traced(capacity: 64)
        var failures = 0
        for _ in 0..<500 {
            _ = Meeting.succeeds(threads: 6)
            for _ in 0..<20 where !job.isDoneOnce(chunks: 64, threads: 2, wake: true) { failures += 1 }
        }
        #expect(failures == 0)
    }

    @Test func severalCallers() {
        let failures = Atomic<Int>(0)
        withUnsafePointer(to: failures) { failures in
            let address = UInt(bitPattern: failures)
            let threads = (0..<4).map { number in
                TestThread {
                    let failures = UnsafePointer<Atomic<Int>>(bitPattern: address)
                    let job = Traced(capacity: 33)
                    for round in 0..<5000
                    where !job.isDoneOnce(chunks: (round + number) % 34, threads: 3, wake: round % 8 == 0) {
                        failures?.pointee.wrappingAdd(1, ordering: .relaxed)
                    }
                }
            }
            for thread in threads { thread.join() }
        }
        #expect(failures.load(ordering: .relaxed) == 0)
    }

    /// A body that calls the pool gets its job done, on its own thread.
    @Test func nestedJobs() {
        let count = Atomic<Int>(0)
        withUnsafePointer(to: count) { count in
            for _ in 0..<1000 {
                ThreadPool.run(
                    chunks: 8, threads: 3, wake: true,
                    body: { context, _, _ in
                        ThreadPool.run(
                            chunks: 5, threads: 3, wake: true,
                            body: { context, _, _ in
                                let count = context.assumingMemoryBound(to: Atomic<Int>.self)
                                count.pointee.wrappingAdd(1, ordering: .relaxed)
                            }, context: context)
                    }, context: UnsafeMutableRawPointer(mutating: count))
            }
        }
        #expect(count.load(ordering: .relaxed) == 40_000)
    }

    @Test func workersBlockSignalsAndTheCallerDoesNot() {
        var before = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &before)
        // 0: not seen; 1: seen with signals blocked; 2: seen with a signal open.
        let seen = UnsafeMutablePointer<Int>.allocate(capacity: 16)
        seen.initialize(repeating: 0, count: 16)
        defer { seen.deallocate() }
        for _ in 0..<200 {
            ThreadPool.run(
                chunks: 16, threads: 4, wake: true,
                body: { context, chunk, _ in
                    usleep(10)
                    guard pthread_self() != ThreadPoolTests.caller.load(ordering: .relaxed) else { return }
                    var mask = sigset_t()
                    pthread_sigmask(SIG_BLOCK, nil, &mask)
                    let isBlocked = [SIGINT, SIGTERM, SIGUSR1, SIGPROF, SIGCHLD].allSatisfy {
                        sigismember(&mask, $0) == 1
                    }
                    let seen = context.assumingMemoryBound(to: Int.self)
                    seen[chunk] = max(seen[chunk], isBlocked ? 1 : 2)
                }, context: ThreadPoolTests.marked(seen))
        }
        let all = (0..<16).map { seen[$0] }
        #expect(all.contains(1))
        #expect(!all.contains(2))
        var after = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &after)
        for signal in 1...31 as ClosedRange<Int32> {
            #expect(sigismember(&before, signal) == sigismember(&after, signal))
        }
    }

    private static let caller = Atomic<pthread_t>(0)

    /// `context`, and the calling thread remembered as the caller.
    private static func marked(_ context: UnsafeMutablePointer<Int>) -> UnsafeMutableRawPointer {
        caller.store(pthread_self(), ordering: .relaxed)
        return UnsafeMutableRawPointer(context)
    }

    // MARK: fork

    @Test func childHasItsOwnThreads() {
        #expect(Meeting.succeeds(threads: 2))
        let epoch = ForkEpoch.current
        let code = inChild {
            if ForkEpoch.current == epoch { return 1 }
            if ThreadPool.workerCount != 0 { return 2 }
            if !Meeting.succeeds(threads: 3) { return 3 }
            // A child of the child too.
            return inChild { Meeting.succeeds(threads: 2) ? 0 : 4 }
        }
        #expect(code == 0)
        #expect(ForkEpoch.current == epoch)
        #expect(Meeting.succeeds(threads: 3))
    }

    @Test func withoutWakeNothingIsStarted() {
        let code = inChild {
            let job = Traced(capacity: 8)
            if !job.isDoneOnce(chunks: 8, threads: 4, wake: false) { return 1 }
            return ThreadPool.workerCount == 0 ? 0 : 2
        }
        #expect(code == 0)
    }

    /// A fork may catch another thread in the middle of a job.
    @Test func forkDuringJobs() {
        let isOver = Atomic<Bool>(false)
        withUnsafePointer(to: isOver) { isOver in
            let address = UInt(bitPattern: isOver)
            let busy = TestThread {
                guard let isOver = UnsafePointer<Atomic<Bool>>(bitPattern: address) else { return }
                let job = Traced(capacity: 64)
                while !isOver.pointee.load(ordering: .relaxed) {
                    _ = job.isDoneOnce(chunks: 64, threads: 3, wake: true)
                }
            }
            for _ in 0..<60 {
                let code = inChild { Meeting.succeeds(threads: 3) ? 0 : 1 }
                #expect(code == 0)
            }
            isOver.pointee.store(true, ordering: .relaxed)
            busy.join()
        }
    }

    /// Where the system refuses threads, the work is done with those there are.
    @Test func refusedThreads() {
        let job = Traced(capacity: 400)
        let code = inChild {
            if !Meeting.succeeds(threads: 2) { return 1 }
            // No address space for more stacks than those that lie ready from the parent's threads.
            var limit = rlimit(rlim_cur: 1 << 20, rlim_max: 1 << 20)
            if setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) != 0 { return 2 }
            if !job.isDoneOnce(chunks: 400, threads: 400, wake: true) { return 3 }
            return ThreadPool.workerCount < 399 ? 0 : 4
        }
        #expect(code == 0)
    }
}
