// The settings of the process: how many threads, which instruction set, how small a piece of work may be.
// The defaults come from the environment and the machine, are worked out at the first use (never at load) and kept,
// because getenv may not run beside a setenv. Reading a setting is one atomic load.

import Glibc
import Synchronization

/// Process-wide settings. Any thread may read and write them at any time; a call under way keeps what it started with.
/// Results of models and products depend on the instruction set; on nothing else here, and those of optimizers on none.
public enum Settings {
    /// How many threads a call may use, 1 to 1,024.
    ///
    /// The default is `MARTLET_NUM_THREADS` where the environment sets it, else ``defaultThreads``.
    /// Throws `.argument` when the environment's value is no number from 1 to 1,024 and none was set.
    public static var threads: Int {
        get throws(MartletError) {
            let inForce = threadsInForce.load(ordering: .relaxed)
            return inForce != 0 ? inForce : try defaultInForceThreads()
        }
    }

    /// Sets ``threads``, 1 to 1,024; 0 returns to the default. Throws `.argument` for anything else.
    public static func setThreads(_ count: Int) throws(MartletError) {
        guard count >= 0, count <= Machine.mostThreads else {
            throw MartletError(
                .argument, "threads is \(count); expected 1 to \(Machine.mostThreads), or 0 for the default")
        }
        threadsInForce.store(count, ordering: .relaxed)
    }

    /// The least of CPU affinity, cgroup quota and `OMP_NUM_THREADS`, worked out once; 1 to 1,024.
    public static var defaultThreads: Int {
        let known = machineThreads.load(ordering: .relaxed)
        if known != 0 { return known }
        let found = min(Machine.processorCount(), Environment.openMPThreads() ?? Machine.mostThreads)
        machineThreads.store(found, ordering: .relaxed)
        return found
    }

    /// The best instruction set that kernels may run on: ``chosenISA``, else the machine's best. Throws as that does.
    public static var isa: InstructionSet {
        get throws(MartletError) { try chosenISA ?? .best }
    }

    /// The instruction set that was asked for, by ``setISA(_:)`` or else by `MARTLET_ISA` (baseline, avx2 or avx512) in
    /// the environment; nil where none was, and each call may take what suits it.
    /// Throws `.argument` when the environment's value is unknown or not supported here and none was set.
    public static var chosenISA: InstructionSet? {
        get throws(MartletError) {
            if let set = InstructionSet(rawValue: setISANumber.load(ordering: .relaxed)) { return set }
            let known = startingISA.load(ordering: .relaxed)
            if known != 0 { return InstructionSet(rawValue: known) }
            let found = try Environment.isa()
            startingISA.store(found?.rawValue ?? -1, ordering: .relaxed)
            return found
        }
    }

    /// Sets ``chosenISA``; nil returns to the default. Throws `.argument` for one that the machine lacks.
    public static func setISA(_ isa: InstructionSet?) throws(MartletError) {
        if let isa, !isa.isSupported {
            throw MartletError(
                .argument, "isa is \(isa.name), which this machine lacks; its best is \(InstructionSet.best.name)")
        }
        setISANumber.store(isa?.rawValue ?? 0, ordering: .relaxed)
    }

    /// The least number of elements that is handed to a thread at once, 64 to 2^40; the default is 2,048.
    public static var chunk: Int { chunkInForce.load(ordering: .relaxed) }

    /// Sets ``chunk``, 64 to 2^40; 0 returns to the default. Throws `.argument` for anything else.
    public static func setChunk(_ elements: Int) throws(MartletError) {
        guard elements == 0 || (elements >= 64 && elements <= 1 << 40) else {
            throw MartletError(
                .argument, "chunk is \(elements); expected 64 to 2^40, or 0 for the default of \(defaultChunk)")
        }
        chunkInForce.store(elements == 0 ? defaultChunk : elements, ordering: .relaxed)
    }

    private static var defaultChunk: Int { 2048 }

    // 0 stands for "not known yet". Two threads that come here at once work out the same value.
    private static let threadsInForce = Atomic<Int>(0)
    private static let setISANumber = Atomic<Int32>(0)
    private static let chunkInForce = Atomic<Int>(2048)
    private static let machineThreads = Atomic<Int>(0)
    private static let startingThreads = Atomic<Int>(0)
    /// -1 where the environment names none.
    private static let startingISA = Atomic<Int32>(0)

    private static func defaultInForceThreads() throws(MartletError) -> Int {
        var value = startingThreads.load(ordering: .relaxed)
        if value == 0 {
            value = try Environment.threads() ?? defaultThreads
            startingThreads.store(value, ordering: .relaxed)
        }
        // Another thread's setting made in the meantime stays.
        _ = threadsInForce.compareExchange(expected: 0, desired: value, ordering: .relaxed)
        return value
    }
}
