// Keeps the Swift runtime's crash reports out of the library, so that loading it installs no signal handler whatever
// the host's environment says. The linker takes the runtime's Backtrace object for two names alone; both are defined
// here, so the object stays out. Only the product has this: programs that use the Swift modules keep their reports.
import CMachine

/// Asked by swiftrt.o, never called: nothing here prints a stack.
@_cdecl("_swift_backtrace_isThunkFunction")
package func isThunkFunction(_ name: UnsafePointer<CChar>?) -> Bool {
    machine_backtraces() != 0
}
