// The wrapper around every export that can fail: what is thrown inside becomes a status and this thread's last error.
import CMartlet
import MartletPlatform

/// Runs the body of an export. `function` is its name, as messages begin with it.
func report(_ function: StaticString, _ body: () throws(MartletError) -> Void) -> martlet_status {
    do throws(MartletError) {
        try body()
        return MARTLET_OK
    } catch {
        ThreadRecord.current?.setError("\(function)", ": ", error.message)
        return error.kind.rawValue
    }
}

/// The address behind a pointer that must be neither NULL nor misaligned.
func required<Pointee>(
    _ pointer: UnsafePointer<Pointee>?, _ name: @autoclosure () -> String
) throws(MartletError) -> UnsafePointer<Pointee> {
    guard let pointer = unsafe pointer else {
        throw MartletError(.null, "\(name()) is NULL; expected an address")
    }
    guard UInt(bitPattern: pointer) % UInt(MemoryLayout<Pointee>.alignment) == 0 else {
        throw MartletError.misaligned(
            name(), at: UInt(bitPattern: pointer), to: MemoryLayout<Pointee>.alignment)
    }
    return unsafe pointer
}

func required<Pointee>(
    _ pointer: UnsafeMutablePointer<Pointee>?, _ name: @autoclosure () -> String
) throws(MartletError) -> UnsafeMutablePointer<Pointee> {
    let checked: UnsafePointer<Pointee> = try unsafe required(pointer.map { unsafe UnsafePointer($0) }, name())
    return unsafe UnsafeMutablePointer(mutating: checked)
}
