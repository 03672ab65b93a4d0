// Reading a regular file at given offsets into memory of the caller's. By read, not by mapping: a file that shrinks
// while it is mapped ends the process with SIGBUS. Pipes and devices are refused without waiting for them.

import Glibc

/// An open file; closed when the value goes. Any thread may read, several at once too.
package struct ReadableFile: ~Copyable {
    private let file: Int32
    /// Bytes in the file when it was opened.
    package let byteCount: Int

    /// Throws `.file` where `path` cannot be opened or is not a regular file.
    package init(path: UnsafePointer<CChar>) throws(MartletError) {
        // Without O_NONBLOCK, opening a pipe would wait for a writer.
        var file = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        while file < 0, errno == EINTR { file = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
        guard file >= 0 else { throw unsafe FileError.make(path, "could not be opened", errno) }
        var status = stat()
        guard unsafe fstat(file, &status) == 0 else {
            let code = errno
            close(file)
            throw unsafe FileError.make(path, "could not be opened", code)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            close(file)
            throw unsafe FileError.notRegular(path)
        }
        self.file = file
        byteCount = Int(status.st_size)
    }

    deinit { close(file) }

    /// Reads `byteCount` bytes from `offset` on. Throws `.file` where the system refuses, or the file is shorter than
    /// it was.
    package func read(into memory: UnsafeMutableRawPointer, byteCount: Int, at offset: Int) throws(MartletError) {
        var done = 0
        while done < byteCount {
            let count = unsafe pread(file, memory + done, min(byteCount - done, 1 << 30), off_t(offset + done))
            if count < 0 {
                if errno == EINTR { continue }
                let reason = unsafe String(cString: strerror(errno))
                throw MartletError(.file, "the file could not be read at byte \(offset + done): \(reason)")
            }
            guard count > 0 else {
                throw MartletError(.file, "the file ended at byte \(offset + done) while it was read")
            }
            done += count
        }
    }
}
