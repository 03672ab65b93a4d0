// Replaces a file so that a kill at any moment leaves the old one or the new one whole: the pieces go to a temporary
// file in the same folder, which is synced and then renamed over the target. The folder is synced too, so that a
// caller who saw commit() return keeps the new file through a power cut. No formats here, and no reading.

import Glibc
import Synchronization

/// A file being written. Without ``commit()`` the target stays as it was, and the temporary file goes with the value.
/// May be moved between threads, and used by one at a time.
@safe package struct DurableFile: ~Copyable {
    private let target: FileTarget
    /// -1 once closed.
    private var file: Int32
    private var isNamed: Bool
    /// Pieces that are smaller than the buffer are gathered in it.
    private let buffer: UnsafeMutableRawPointer
    private var buffered = 0

    private static var bufferByteCount: Int { 1 << 16 }

    /// Starts replacing the file at `path`, or making it. A symbolic link is followed: the file it points to is
    /// replaced. An existing file keeps its mode; it must be a regular file that the caller may write.
    /// Throws `.file` and `.memory`.
    package init(replacing path: UnsafePointer<CChar>) throws(MartletError) {
        let target = try unsafe FileTarget(path)
        guard let buffer = unsafe malloc(DurableFile.bufferByteCount) else {
            throw MartletError(.memory, "the system gave no memory for a file's buffer")
        }
        do {
            file = try target.createTemporary()
        } catch {
            unsafe free(buffer)
            throw error
        }
        unsafe self.buffer = buffer
        self.target = target
        isNamed = true
    }

    deinit {
        if file >= 0 { close(file) }
        if isNamed { target.removeTemporary() }
        unsafe free(buffer)
    }

    /// Appends `byteCount` bytes. Throws `.file`; the value is then good for nothing but being dropped.
    package mutating func write(_ bytes: UnsafeRawPointer, byteCount: Int) throws(MartletError) {
        if byteCount <= 0 { return }
        if byteCount > DurableFile.bufferByteCount - buffered { try flush() }
        if byteCount >= DurableFile.bufferByteCount {
            try unsafe writeNow(bytes, byteCount: byteCount)
        } else {
            unsafe memcpy(buffer + buffered, bytes, byteCount)
            buffered += byteCount
        }
    }

    /// Puts what was written in the target's place. Throws `.file`; the old file is then still there, but for the one
    /// case that the message names: replaced, and the folder not synced.
    package consuming func commit() throws(MartletError) {
        try flush()
        while fsync(file) != 0 {
            if errno != EINTR { throw target.error("could not be synced", errno) }
        }
        let open = file
        file = -1
        // After EINTR the descriptor is closed all the same.
        guard close(open) == 0 || errno == EINTR else { throw target.error("could not be closed", errno) }
        try target.renameTemporary()
        isNamed = false
        try target.syncFolder()
    }

    private mutating func flush() throws(MartletError) {
        let byteCount = buffered
        buffered = 0
        try unsafe writeNow(buffer, byteCount: byteCount)
    }

    private func writeNow(_ bytes: UnsafeRawPointer, byteCount: Int) throws(MartletError) {
        var written = 0
        while written < byteCount {
            // The system writes a little under 2^31 bytes at once, at most.
            let piece = min(byteCount - written, 1 << 30)
            let count = SizeSignal.held { unsafe Glibc.write(file, bytes + written, piece) }
            if count < 0 {
                if errno == EINTR { continue }
                throw target.error("could not be written", errno)
            }
            written += count
        }
    }
}

/// SIGXFSZ, which ends a process that writes beyond its limit of file size unless it is held back.
private enum SizeSignal {
    /// Runs `body`, a write, so that the limit shows as EFBIG and not as the signal.
    static func held(_ body: () -> Int) -> Int {
        var signals = sigset_t()
        var before = sigset_t()
        var pending = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGXFSZ)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, &before)
        unsafe sigpending(&pending)
        let count = body()
        let code = errno
        if count < 0, code == EFBIG, unsafe sigismember(&pending, SIGXFSZ) == 0 {
            var noTime = timespec()
            while unsafe sigtimedwait(&signals, nil, &noTime) < 0, errno == EINTR {}
        }
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
        errno = code
        return count
    }
}
