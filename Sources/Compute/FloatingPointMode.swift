// The scoped floating-point mode. Whatever rounding, flushing or trapping the host has set, arithmetic of ours runs
// in a mode of its own, and the host's comes back, with its sticky exception bits.
//
// Nothing here does arithmetic: each function sets the mode, calls what cannot be inlined, and puts the mode back, so
// that the optimizer has nothing to move across.
import CMachine
import MartletKernelInterface

/// How arithmetic of ours treats numbers below the normal range.
package enum FloatingPointMode: UInt8, BitwiseCopyable {
    /// As IEEE 754 says.
    case exact
    /// As zero, read and written (FTZ and DAZ on x86-64, FZ on arm64).
    case flush

    @inline(__always)
    private var controlWord: UInt64 {
        self == .flush ? machine_float_mode_flush() : machine_float_mode_exact()
    }

    /// The calling thread's mode, whatever it is, to be put back by ``Host/restore()``.
    package struct Host {
        fileprivate let word: UInt64

        @inline(never)
        package func restore() { machine_float_mode_set(word) }
    }

    /// The calling thread's mode.
    @inline(never)
    package static func host() -> Host { Host(word: machine_float_mode_get()) }

    /// Puts the calling thread into this mode, for arithmetic that is no kernel's. Returns what was before. Neither this
    /// nor `restore` is inlined, and what is computed between them is kept in memory, so that nothing moves out.
    @inline(never)
    package func enter() -> Host {
        let host = Host(word: machine_float_mode_get())
        machine_float_mode_set(controlWord)
        return host
    }

    /// Runs one sweep over one run of elements in this mode, on the calling thread.
    @inline(never)
    func run(_ sweep: Sweep, _ operands: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
        let host = machine_float_mode_get()
        machine_float_mode_set(controlWord)
        unsafe sweep(operands, coefficients)
        machine_float_mode_set(host)
    }

    /// Runs one piece of a request in this mode, on the calling thread.
    @inline(never)
    func run(_ kernel: PieceKernel, _ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
        let host = machine_float_mode_get()
        machine_float_mode_set(controlWord)
        unsafe kernel(request, piece, scratch)
        machine_float_mode_set(host)
    }

    /// Calls `body` on `context` in this mode, on the calling thread.
    @inline(never)
    package func call(_ body: @convention(c) (UnsafeMutableRawPointer) -> Void, _ context: UnsafeMutableRawPointer) {
        let host = machine_float_mode_get()
        machine_float_mode_set(controlWord)
        unsafe body(context)
        machine_float_mode_set(host)
    }
}
