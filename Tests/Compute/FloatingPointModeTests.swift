// The floating-point mode: arithmetic of ours runs in one of its own, and the host finds its own again, on its thread
// and on the workers, rounding, flushing, traps and sticky bits alike.

import CMachine
import Glibc
import MartletCompute
import MartletKernelInterface
import MartletPlatform
import MartletTestSupport
import Testing

/// What a host may have set: rounding up, down and to zero, flushing, an open trap, and sticky bits.
private var hostModes: [UInt64] {
    #if arch(x86_64)
        [0x1F80, 0x1FA1, 0x3F80, 0x5F80, 0x7F80, 0x9FC0, 0xFFFF, 0x1F80 & ~0x0800]
    #else
        [0, 1 << 22, 2 << 22, 3 << 22, 1 << 24, 1 << 24 | 3 << 22]
    #endif
}

/// Calls `body` with the calling thread in a mode, and returns the mode that it is in afterwards.
@inline(never)
private func inMode(_ mode: UInt64, _ body: () -> Void) -> UInt64 {
    let before = machine_float_mode_get()
    machine_float_mode_set(mode)
    body()
    let after = machine_float_mode_get()
    machine_float_mode_set(before)
    return after
}

/// Fields for a body without captures: what it works on, and the mode that it saw.
private struct Seen {
    var number: Double
    var mode: UInt64 = 0
}

@Suite struct FloatingPointModeTests {
    @Test func bodyRunsInItsMode() {
        for host in hostModes {
            for (mode, expected) in [
                (FloatingPointMode.exact, machine_float_mode_exact()), (.flush, machine_float_mode_flush()),
            ] {
                var seen = Seen(number: 3)
                let after = inMode(host) {
                    withUnsafeMutablePointer(to: &seen) { seen in
                        mode.call(
                            { context in
                                let seen = context.assumingMemoryBound(to: Seen.self)
                                seen.pointee.mode = machine_float_mode_get()
                                // Inexact: sets a sticky bit, and would trap where the host asked for that.
                                seen.pointee.number = 1 / seen.pointee.number
                            }, seen)
                    }
                }
                #expect(after == host)
                #expect(seen.mode == expected)
                #expect(seen.number == 1.0 / 3)
            }
        }
    }

    /// A step leaves the host's mode as it was and gives the same bits in every one of them.
    @Test func stepsDoNotSeeTheHostsMode() {
        func run(_ host: UInt64, threads: Int) -> (bytes: [[UInt8]], mode: UInt64) {
            let arrays = Arrays(count: 3000)
            arrays.randomize(seed: 6)
            let ordinary = arrays.keep(.ordinary)
            let items = [
                arrays.item(0..<2000, ordinary), arrays.item(2000..<3000, stride: 3, ordinary, mode: .flush),
            ]
            var count = 0
            let after = inMode(host) { count = arrays.run(items, threads: threads, leastPiece: 64) }
            #expect(count > 0)
            return (arrays.bytes, after)
        }
        let reference = run(hostModes[0], threads: 1).bytes
        for host in hostModes {
            for threads in [1, 3] {
                let found = run(host, threads: threads)
                #expect(found.mode == host)
                let isSame = found.bytes == reference
                #expect(isSame, "mode \(host)")
            }
        }
    }

    /// The same on workers: after steps that flush, none of them is left flushing.
    @Test func workersKeepTheirs() {
        let arrays = Arrays(count: 1 << 18)
        arrays.randomize(seed: 7)
        let items = [arrays.item(0..<arrays.count, arrays.keep(.ordinary), mode: .flush)]
        let modes = Memory(byteCount: 64 * 8)
        var most = 0
        // Other tests use the pool too, and it serves one at a time.
        let end = time(nil) + 60
        var round = 0
        while round < 50 || (most < 2 && time(nil) < end) {
            round += 1
            most = max(most, arrays.run(items, threads: 4, leastPiece: 64))
            ThreadPool.run(
                chunks: 64, threads: 4, wake: true,
                body: { context, chunk, _ in
                    context.assumingMemoryBound(to: UInt64.self)[chunk] |= machine_float_mode_get()
                }, context: modes.base)
        }
        #expect(most > 1)
        let control = ~UInt64(0x3F)
        for mode in modes.contents(UInt64.self) { #expect(mode & control == machine_float_mode_exact() & control) }
    }

    /// Numbers below the normal range: zero where flushed, kept where not.
    @Test func flushing() {
        let small = Float(bitPattern: 0x0040_0000)
        for (mode, isKept) in [(FloatingPointMode.exact, true), (.flush, false)] {
            var coefficients = AdamCoefficients.counting
            coefficients.oneMinusBeta2 = 0
            for count in [1, 16, 40] {
                let arrays = Arrays(count: count)
                arrays.memories[2].fill(small)
                arrays.memories[3].fill(small)
                for isa in InstructionSet.allCases where isa.isSupported {
                    let item = arrays.item(0..<count, arrays.keep(coefficients), mode: mode)
                    _ = arrays.run([item], isa: isa, threads: 1, leastPiece: 64)
                    for moment in 2...3 {
                        #expect(arrays.memories[moment].contents(Float.self).allSatisfy { $0 == (isKept ? small : 0) })
                    }
                }
            }
        }
    }
}
