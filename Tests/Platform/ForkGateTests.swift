// The gate between forks and locks. That the runtime's locks lie behind it is for Tests/kernels_closed.py, and that no
// child hangs for Tests/C/fork_first.c: the tests' own runtime is not led through it.

import Glibc
import MartletPlatform
import MartletTestSupport
import Synchronization
import Testing

@Suite struct ForkGateTests {
    private static let isForking = Atomic<Bool>(false)
    private static let isReleased = Atomic<Bool>(false)
    private static let verdict = Atomic<Int32>(-1)

    /// A fork that comes while a lock is held finds it released.
    @Test func forkWaitsForWhoIsInside() {
        ForkGate.enter()
        ForkGate.enter()
        let forking = TestThread {
            ForkGateTests.isForking.store(true, ordering: .releasing)
            let code = inChild { ForkGateTests.isReleased.load(ordering: .relaxed) ? 0 : 1 }
            ForkGateTests.verdict.store(code, ordering: .releasing)
        }
        while !ForkGateTests.isForking.load(ordering: .acquiring) { sched_yield() }
        usleep(20_000)
        ForkGate.leave()
        usleep(20_000)
        // An inner lock may still be taken.
        ForkGate.enter()
        ForkGate.leave()
        ForkGateTests.isReleased.store(true, ordering: .relaxed)
        ForkGate.leave()
        forking.join()
        let verdict = ForkGateTests.verdict.load(ordering: .acquiring)
        #expect(verdict == 0)
    }

    private static let isThere = Atomic<Bool>(false)
    private static let isInside = Atomic<Bool>(false)

    /// While a fork is under way, the forking thread comes in and others wait.
    @Test func othersWaitForTheFork() {
        ForkGate.close()
        ForkGate.close()
        ForkGate.enter()
        ForkGate.leave()
        let other = TestThread {
            ForkGateTests.isThere.store(true, ordering: .releasing)
            ForkGate.enter()
            ForkGateTests.isInside.store(true, ordering: .releasing)
            ForkGate.leave()
        }
        while !ForkGateTests.isThere.load(ordering: .acquiring) { sched_yield() }
        usleep(20_000)
        let wasInside = ForkGateTests.isInside.load(ordering: .acquiring)
        ForkGate.open()
        other.join()
        let isInside = ForkGateTests.isInside.load(ordering: .acquiring)
        #expect(!wasInside && isInside)
        // A gate that was open stays so, and can close again.
        ForkGate.open()
        ForkGate.close()
        ForkGate.open()
    }
}
