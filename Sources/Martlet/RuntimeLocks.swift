// Leads every lock of the Swift runtime through the gate that forks wait for, so that no child inherits one locked: the
// linker puts these functions in place of what the runtime calls (`--wrap` in the manifest). The runtime takes locks
// where something is made for the first time, types, conformances, lazy values; calls that have run before take none.
// Only the product has this: a program that uses the Swift modules shares its runtime with other code.
import CMachine
import Glibc
import MartletPlatform
import Synchronization

@_cdecl("__wrap_pthread_mutex_lock")
package func lock(_ mutex: UnsafeMutableRawPointer) -> Int32 {
    ForkGate.enter()
    return unsafe machine_mutex_lock(mutex)
}

@_cdecl("__wrap_pthread_mutex_unlock")
package func unlock(_ mutex: UnsafeMutableRawPointer) -> Int32 {
    defer { ForkGate.leave() }
    return unsafe machine_mutex_unlock(mutex)
}

/// The start of a function's static variable in C++: 1 where the caller is to make it, and to end with a release.
@_cdecl("__wrap___cxa_guard_acquire")
package func acquireGuard(_ guarded: UnsafeMutableRawPointer) -> Int32 {
    ForkGate.enter()
    let isFirst = unsafe machine_guard_acquire(guarded)
    if isFirst == 0 { ForkGate.leave() }
    return isFirst
}

@_cdecl("__wrap___cxa_guard_release")
package func releaseGuard(_ guarded: UnsafeMutableRawPointer) {
    unsafe machine_guard_release(guarded)
    ForkGate.leave()
}

/// A lazy value's start: `once` is two words of 32 bits, a flag that is below 0 when the value is there, and a lock. It
/// replaces `swift::threading_impl::once_slow`, whose lock knows threads by numbers that it remembers over a fork: in
/// a child, a thread that meets another one here would wait for a thread of the parent's.
@_cdecl("__wrap__ZN5swift14threading_impl9once_slowERNS0_6once_tEPFvPvES3_")
package func once(
    _ once: UnsafeMutableRawPointer, _ make: @convention(c) (UnsafeMutableRawPointer?) -> Void,
    _ context: UnsafeMutableRawPointer?
) {
    let flag = unsafe once.assumingMemoryBound(to: Atomic<Int32>.self)
    let lock = unsafe flag + 1
    ForkGate.enter()
    defer { ForkGate.leave() }
    while unsafe !lock.pointee.weakCompareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged {
        sched_yield()
    }
    if unsafe flag.pointee.load(ordering: .acquiring) == 0 {
        unsafe make(context)
        unsafe flag.pointee.store(-1, ordering: .releasing)
    }
    unsafe lock.pointee.store(0, ordering: .releasing)
}
