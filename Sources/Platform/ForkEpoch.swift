// Counts the forks that led to this process, so that what a fork cuts short can be recognised in the child:
// the pool of threads (which a child does not inherit) and handles that another thread was inside.

import Glibc
import Synchronization

package enum ForkEpoch {
    /// How many forks lie between the process that first asked and this one. The first call starts the counting, so
    /// whoever compares two values must have asked for the first before the fork.
    package static var current: UInt32 {
        watch()
        return count.load(ordering: .relaxed)
    }

    /// Starts the counting; later calls cost one load.
    @inline(__always)
    static func watch() {
        if isWatched.load(ordering: .acquiring) == 0 { startWatching() }
    }

    private static let count = Atomic<UInt32>(0)
    private static let isWatched = Atomic<UInt32>(0)

    @inline(never)
    private static func startWatching() {
        // Two threads may both register: the child then counts one fork as two, which is as good, and a gate that the
        // second handler finds closed is the first one's.
        let status = pthread_atfork(
            { ForkGate.close() }, { ForkGate.open() },
            {
                ForkGate.openInChild()
                ForkEpoch.count.wrappingAdd(1, ordering: .relaxed)
                ThreadPool.abandon()
            })
        if status == 0 { isWatched.store(1, ordering: .releasing) }
    }
}
