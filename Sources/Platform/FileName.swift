// A file's name as Swift has it, given to the system, which reads it to its first zero byte. C gives pointers, which end
// there by themselves.

extension String {
    /// Calls `body` with the name of a file as C has it. Throws `.argument` for one that holds a zero character: the
    /// system would take what stands before it for the whole.
    package func withFileName<Result>(
        _ body: (UnsafePointer<CChar>) throws(MartletError) -> Result
    ) throws(MartletError) -> Result {
        guard !utf8.contains(0) else {
            throw MartletError(.argument, "the file's name \(debugDescription) holds a zero character; expected none")
        }
        return try unsafe utf8CString.withUnsafeBufferPointer { name throws(MartletError) in
            try unsafe body(name.baseAddress!)
        }
    }
}
