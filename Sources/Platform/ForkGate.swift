// Keeps forks and locks apart: who takes a lock that no fork handler knows enters first and leaves after, and a fork waits
// until nobody is inside, since a child has no thread that could release what others held. What enters here are the
// Swift runtime's locks, under which it makes whatever is needed for the first time; the product leads them here
// (Martlet/RuntimeLocks.swift). Our own code takes no lock.

import Glibc
import Synchronization

package enum ForkGate {
    /// How many locks are held or waited for; below 0 while a fork is under way, and then minus the forking thread's
    /// `pthread_self`.
    private static let state = Atomic<Int>(0)

    /// Comes before a lock is taken, by any thread, also by one that is inside already: the gate closes only when
    /// nobody is, so whoever finds it closed holds nothing.
    package static func enter() {
        ForkEpoch.watch()
        wait {
            var seen = state.load(ordering: .relaxed)
            while seen >= 0 {
                let (entered, now) = state.weakCompareExchange(
                    expected: seen, desired: seen &+ 1, successOrdering: .acquiring, failureOrdering: .relaxed)
                if entered { return true }
                seen = now
            }
            // What the forking thread takes in another fork handler it gives back there, and it is not counted.
            return seen == closedByThisThread
        }
    }

    /// Comes after the lock is released.
    package static func leave() {
        if state.load(ordering: .relaxed) > 0 { state.wrappingSubtract(1, ordering: .releasing) }
    }

    /// Before a fork: waits until nobody is inside.
    package static func close() {
        wait {
            let (closed, seen) = state.compareExchange(
                expected: 0, desired: closedByThisThread, successOrdering: .acquiring, failureOrdering: .relaxed)
            return closed || seen == closedByThisThread
        }
    }

    /// After a fork, in the parent.
    package static func open() {
        _ = state.compareExchange(expected: closedByThisThread, desired: 0, ordering: .releasing)
    }

    /// After a fork, in the child, where no other thread is.
    static func openInChild() { state.store(0, ordering: .relaxed) }

    private static var closedByThisThread: Int { 0 &- Int(bitPattern: UInt(pthread_self())) }

    /// Waits as long as it takes, which is microseconds inside and a fork outside, but gives up after five seconds: then
    /// a fork handler of the host waits for a thread that waits here, or a signal handler forks that interrupted a thread
    /// inside, and a wait would never end.
    private static func wait(until attempt: () -> Bool) {
        var deadline = 0
        while !attempt() {
            let now = Clock.nanoseconds()
            if deadline == 0 { deadline = now + 5_000_000_000 }
            if now > deadline { return }
            sched_yield()
        }
    }
}
