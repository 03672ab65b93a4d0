// What the machine offers: instruction sets and processors. Facts only; what is in force is decided in Settings.
// Nothing here is remembered but the answer of CPUID, which is slow under a hypervisor.

import CMachine
import Glibc
import Synchronization

/// An instruction set that the kernels are compiled for; the raw values are `MARTLET_ISA_...` of `martlet.h`.
public enum InstructionSet: Int32, Sendable, CaseIterable {
    /// SSE2 on x86-64, NEON on arm64.
    case baseline = 1
    /// x86-64-v3.
    case avx2 = 2
    /// x86-64-v4.
    case avx512 = 3

    /// The name that `MARTLET_ISA` takes.
    public var name: StaticString {
        switch self {
        case .baseline: "baseline"
        case .avx2: "avx2"
        case .avx512: "avx512"
        }
    }

    /// The best that processor and system support.
    public static var best: InstructionSet {
        if let known = InstructionSet(rawValue: bestFound.load(ordering: .relaxed)) { return known }
        let found: InstructionSet = machine_has_avx512() != 0 ? .avx512 : machine_has_avx2() != 0 ? .avx2 : .baseline
        bestFound.store(found.rawValue, ordering: .relaxed)
        return found
    }

    /// Whether this machine can run it.
    public var isSupported: Bool { rawValue <= InstructionSet.best.rawValue }

    private static let bestFound = Atomic<Int32>(0)
}

/// The processors that this process may use.
package enum Machine {
    /// The most threads that a call can be given.
    package static var mostThreads: Int { 1024 }

    /// How many processors the process may use: the least of its CPU affinity and its cgroup's quota (rounded up);
    /// 1 to 1,024.
    package static func processorCount() -> Int {
        let allowed = affinityCount() ?? max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        return min(max(1, min(allowed, CgroupQuota.processors() ?? allowed)), mostThreads)
    }

    /// How many processors the calling thread may be scheduled on; nil where the system does not say.
    package static func affinityCount() -> Int? {
        // The system refuses a set smaller than its own, so the set grows until it is accepted.
        var byteCount = 128
        while byteCount <= 1 << 16 {
            guard let set = unsafe calloc(1, byteCount) else { return nil }
            defer { unsafe free(set) }
            let status = unsafe machine_affinity_get(0, byteCount, set)
            if status == 0 {
                let words = unsafe UnsafeRawBufferPointer(start: set, count: byteCount)
                let count = unsafe words.reduce(0) { $0 + $1.nonzeroBitCount }
                return count > 0 ? count : nil
            }
            if errno != EINVAL { return nil }
            byteCount *= 2
        }
        return nil
    }
}
