// Work that whichever of several threads comes first does for all of them: they wait until it is done. No lock of the
// system's is held meanwhile, so a fork leaves none behind; a child is told that the work was cut short.
import Glibc
import MartletPlatform
import Synchronization

/// Whether something has been done.
@safe struct Once: ~Copyable {
    private let memory: ZeroedMemory

    /// Throws `.memory`.
    init() throws(MartletError) { memory = try ZeroedMemory(byteCount: MemoryLayout<Atomic<UInt64>>.size) }

    /// 0: not yet; 1: it is done; else under way, in the process with this many forks before it, plus 2. A field of this type
    /// would bring all of Synchronization into the library.
    private var state: UnsafeMutablePointer<Atomic<UInt64>> {
        unsafe memory.base.assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    /// What was done before is seen by whoever finds this true.
    var isDone: Bool { unsafe state.pointee.load(ordering: .acquiring) == 1 }

    /// Says that it is done, or is to be done again: for a thread that is alone.
    func finish() { unsafe state.pointee.store(1, ordering: .releasing) }
    func reset() { unsafe state.pointee.store(0, ordering: .releasing) }

    /// Does it, where it has not been done; another thread that is at it is waited for. Where it fails, the next one tries.
    /// Throws `.interrupted` where a thread was at it when this process was forked.
    func perform(_ work: () throws(MartletError) -> Void) throws(MartletError) {
        let mine = UInt64(ForkEpoch.current) + 2
        while !isDone {
            let (isFirst, seen) = unsafe state.pointee.compareExchange(
                expected: 0, desired: mine, ordering: .acquiring)
            if isFirst {
                do throws(MartletError) {
                    try work()
                } catch {
                    reset()
                    throw error
                }
                return finish()
            }
            guard seen == mine || seen <= 1 else {
                throw MartletError(
                    .interrupted, "another thread was inside the model when this process was forked; destroy it")
            }
            sched_yield()
        }
    }
}
