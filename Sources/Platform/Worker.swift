// A worker thread: spins for work for about 100 us after its last, then sleeps on a semaphore until it is woken. It lives
// as long as the process. Signals that someone sends are blocked in it and go to the host's threads; those of a fault in
// the worker itself are not, since the host's handlers want to see them.

import CMachine
import Glibc
import Synchronization

/// What the pool keeps for one worker.
@unsafe struct WorkerSlot {
    static var stride: Int { 128 }
    let base: UnsafeMutableRawPointer

    /// 0: awake; 1: asleep, or about to be.
    private var isAsleep: UnsafeMutablePointer<Atomic<Int>> {
        unsafe base.assumingMemoryBound(to: Atomic<Int>.self)
    }
    private var semaphore: UnsafeMutablePointer<sem_t> {
        unsafe (base + 64).assumingMemoryBound(to: sem_t.self)
    }
    /// Where the pool is and which slot this is: written before the thread starts.
    fileprivate var poolAddress: UnsafeMutablePointer<UInt> {
        unsafe (base + 16).assumingMemoryBound(to: UInt.self)
    }
    fileprivate var index: UnsafeMutablePointer<Int> {
        unsafe (base + 24).assumingMemoryBound(to: Int.self)
    }

    fileprivate func prepare() { unsafe sem_init(semaphore, 0, 0) }

    /// Wakes the worker if it sleeps; false where it does not.
    func wake(in pool: Pool) -> Bool {
        guard unsafe isAsleep.pointee.load(ordering: .sequentiallyConsistent) == 1,
            unsafe isAsleep.pointee.compareExchange(expected: 1, desired: 0, ordering: .acquiringAndReleasing).exchanged
        else { return false }
        // Counted before the worker can go to sleep again.
        unsafe pool.noteAwake()
        unsafe sem_post(semaphore)
        return true
    }

    fileprivate func announceSleep() { unsafe isAsleep.pointee.store(1, ordering: .sequentiallyConsistent) }

    /// Takes the announcement back; false where a waker was faster.
    fileprivate func cancelSleep() -> Bool {
        unsafe isAsleep.pointee.compareExchange(expected: 1, desired: 0, ordering: .acquiringAndReleasing).exchanged
    }

    fileprivate func sleep() {
        while unsafe sem_wait(semaphore) != 0 {}
    }
}

enum Worker {
    /// Starts the worker with this index; false where the system refuses.
    static func start(_ index: Int, of pool: Pool) -> Bool {
        let slot = unsafe pool.slot(index)
        unsafe slot.prepare()
        unsafe slot.poolAddress.pointee = pool.address
        unsafe slot.index.pointee = index
        unsafe pool.noteAwake()

        var all = sigset_t()
        var before = sigset_t()
        unsafe sigfillset(&all)
        unsafe sigdelset(&all, SIGSEGV)
        unsafe sigdelset(&all, SIGBUS)
        unsafe sigdelset(&all, SIGFPE)
        unsafe sigdelset(&all, SIGILL)
        unsafe sigdelset(&all, SIGTRAP)
        unsafe pthread_sigmask(SIG_BLOCK, &all, &before)
        // A process whose libraries have large thread-local variables needs more than the small stack.
        let started = unsafe create(stackByteCount: 512 << 10, slot: slot) || create(stackByteCount: nil, slot: slot)
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)

        if !started { unsafe pool.noteAsleep() }
        return started
    }

    private static func create(stackByteCount: Int?, slot: WorkerSlot) -> Bool {
        var attributes = pthread_attr_t()
        guard unsafe pthread_attr_init(&attributes) == 0 else { return false }
        defer { unsafe pthread_attr_destroy(&attributes) }
        unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        if let stackByteCount { unsafe pthread_attr_setstacksize(&attributes, stackByteCount) }
        var thread = pthread_t()
        return unsafe pthread_create(&thread, &attributes, { unsafe Worker.main($0) }, slot.base) == 0
    }

    private static func main(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let base = unsafe argument else { return nil }
        let slot = unsafe WorkerSlot(base: base)
        guard let pool = unsafe Pool(address: slot.poolAddress.pointee) else { return nil }
        let index = unsafe slot.index.pointee
        while true {
            unsafe spin(on: pool, as: index)
            unsafe slot.announceSleep()
            // Work that came before the announcement may have woken nobody. What is not for this worker is left.
            if unsafe pool.hasWorkBeforeSleep, unsafe pool.work(as: index) > 0, unsafe slot.cancelSleep() { continue }
            unsafe pool.noteAsleep()
            unsafe slot.sleep()
            unsafe pool.passOnWake(from: index)
        }
    }

    /// Works while there is work, and returns 100 us after the last.
    private static func spin(on pool: Pool, as index: Int) {
        var deadline = Clock.nanoseconds() + 100_000
        while true {
            // The clock costs as much as several looks at the ticket, so it is asked after some of them.
            for _ in 0..<32 {
                if unsafe pool.hasWork, unsafe pool.work(as: index) > 0 { deadline = Clock.nanoseconds() + 100_000 }
                machine_pause()
            }
            if Clock.nanoseconds() > deadline { return }
        }
    }
}

enum Clock {
    /// Nanoseconds since some moment; never goes back.
    static func nanoseconds() -> Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}
