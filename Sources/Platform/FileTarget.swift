// Where a file that is to be replaced really is: its folder (held open, so that a change of the working directory in
// the meantime changes nothing), its name with symbolic links followed, the mode it has, and the name of the temporary
// file beside it. Used by DurableFile alone.

import Glibc
import Synchronization

@safe struct FileTarget: ~Copyable {
    /// One block: the resolved path, room to read a link, and the temporary name.
    private let path: UnsafeMutablePointer<CChar>
    /// Where the file's name starts within the path.
    private let nameOffset: Int
    private let folder: Int32
    /// Of the file that is there; nil where there is none.
    private let existing: (mode: mode_t, user: uid_t, group: gid_t)?

    private static var pathLimit: Int { Int(PATH_MAX) }
    private static var nameLimit: Int { Int(NAME_MAX) + 1 }

    init(_ given: UnsafePointer<CChar>) throws(MartletError) {
        guard let block = unsafe malloc(2 * FileTarget.pathLimit + FileTarget.nameLimit) else {
            throw MartletError(.memory, "the system gave no memory for a file's name")
        }
        let path = unsafe block.assumingMemoryBound(to: CChar.self)
        do throws(MartletError) {
            try unsafe FileTarget.resolve(given, into: path)
            let (folder, nameOffset) = try unsafe FileTarget.openFolder(of: path)
            do throws(MartletError) {
                existing = try unsafe FileTarget.look(at: path, nameOffset, in: folder)
            } catch {
                close(folder)
                throw error
            }
            self.folder = folder
            self.nameOffset = nameOffset
        } catch {
            unsafe free(block)
            throw error
        }
        unsafe self.path = path
    }

    deinit {
        close(folder)
        unsafe free(path)
    }

    private var name: UnsafeMutablePointer<CChar> { unsafe path + nameOffset }
    private var temporaryName: UnsafeMutablePointer<CChar> { unsafe path + 2 * FileTarget.pathLimit }

    /// Makes the temporary file, with the existing file's mode and, where that is allowed, owner.
    func createTemporary() throws(MartletError) -> Int32 {
        for _ in 0..<1000 {
            nameTemporary()
            let mode: mode_t = existing == nil ? 0o666 : 0o600
            let file = unsafe openat(folder, temporaryName, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
            if file < 0 {
                // Left behind by a killed process, or being written from another container.
                if errno == EEXIST || errno == EINTR { continue }
                throw error("could not be made beside it", errno)
            }
            if let existing, let code = FileTarget.take(existing, file) {
                close(file)
                removeTemporary()
                throw error("could not be given the old file's mode", code)
            }
            return file
        }
        throw error("could not be made beside it", EEXIST)
    }

    func removeTemporary() { unsafe unlinkat(folder, temporaryName, 0) }

    func renameTemporary() throws(MartletError) {
        guard unsafe renameat(folder, temporaryName, folder, name) == 0 else {
            throw error("could not be replaced", errno)
        }
    }

    func syncFolder() throws(MartletError) {
        while fsync(folder) != 0 {
            let code = errno
            if code == EINTR { continue }
            // Some file systems cannot sync a folder; there is nothing more to be done on them.
            if code == EINVAL || code == EOPNOTSUPP || code == EROFS { return }
            throw error("was replaced, but its folder could not be synced", code)
        }
    }

    func error(_ what: StaticString, _ code: Int32) -> MartletError { unsafe FileError.make(path, what, code) }

    // MARK: Steps of opening

    /// Copies `given` to `path`, and follows links until it names a file or nothing.
    private static func resolve(_ given: UnsafePointer<CChar>, into path: UnsafeMutablePointer<CChar>)
        throws(MartletError)
    {
        let length = unsafe strnlen(given, pathLimit)
        guard length < pathLimit else { throw unsafe FileError.make(given, "could not be opened", ENAMETOOLONG) }
        guard length > 0 else { throw unsafe FileError.make(given, "could not be opened", ENOENT) }
        unsafe memcpy(path, given, length + 1)
        let link = unsafe path + pathLimit
        for _ in 0..<40 {
            let count = unsafe readlink(path, link, pathLimit - 1)
            if count < 0 {
                // No link, or nothing there yet.
                if errno == EINVAL || errno == ENOENT { return }
                throw unsafe FileError.make(given, "could not be opened", errno)
            }
            // A relative link counts from the folder that the link is in.
            let kept = unsafe link[0] == slash ? 0 : folderLength(path)
            guard kept + count < pathLimit else {
                throw unsafe FileError.make(given, "could not be opened", ENAMETOOLONG)
            }
            unsafe memcpy(path + kept, link, count)
            unsafe path[kept + count] = 0
        }
        throw unsafe FileError.make(given, "could not be opened", ELOOP)
    }

    private static var slash: CChar { 0x2F }

    /// The length of the part up to and with the last slash; 0 where there is none.
    private static func folderLength(_ path: UnsafePointer<CChar>) -> Int {
        var length = unsafe strlen(path)
        while length > 0, unsafe path[length - 1] != slash { length -= 1 }
        return length
    }

    private static func openFolder(
        of path: UnsafeMutablePointer<CChar>
    ) throws(MartletError) -> (folder: Int32, nameOffset: Int) {
        let length = unsafe folderLength(path)
        guard unsafe path[length] != 0 else { throw unsafe FileError.make(path, "could not be opened", EISDIR) }
        let first = unsafe path[length]
        unsafe path[length] = 0
        let folder = unsafe openFolder(length == 0 ? nil : path)
        let code = errno
        unsafe path[length] = first
        guard folder >= 0 else { throw unsafe FileError.make(path, "could not be opened, its folder neither", code) }
        return (folder, length)
    }

    private static func openFolder(_ path: UnsafePointer<CChar>?) -> Int32 {
        unsafe open(path ?? StaticString(".").cString, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }

    private static func look(
        at path: UnsafePointer<CChar>, _ nameOffset: Int, in folder: Int32
    ) throws(MartletError) -> (mode: mode_t, user: uid_t, group: gid_t)? {
        var status = stat()
        guard unsafe fstatat(folder, path + nameOffset, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            if errno == ENOENT { return nil }
            throw unsafe FileError.make(path, "could not be opened", errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw unsafe FileError.notRegular(path) }
        guard unsafe faccessat(folder, path + nameOffset, W_OK, AT_EACCESS) == 0 else {
            throw unsafe FileError.make(path, "may not be written", errno)
        }
        return (status.st_mode & 0o777, status.st_uid, status.st_gid)
    }

    /// Gives `file` the mode and owner of the file it is to replace; an error number where the mode cannot be set.
    private static func take(_ existing: (mode: mode_t, user: uid_t, group: gid_t), _ file: Int32) -> Int32? {
        var status = stat()
        guard unsafe fstat(file, &status) == 0 else { return errno }
        if status.st_uid != existing.user || status.st_gid != existing.group {
            // Only the superuser may give files away; the others keep what they can.
            _ = fchown(file, existing.user, existing.group)
        }
        // A file system without modes shows the same one everywhere and refuses to change it.
        if status.st_mode & 0o777 == existing.mode { return nil }
        return fchmod(file, existing.mode) == 0 ? nil : errno
    }

    /// ".<name>.<process>.<count>.tmp", the name cut short so that it fits.
    private func nameTemporary() {
        var length = 0
        func append(_ byte: CChar) {
            unsafe temporaryName[length] = byte
            length += 1
        }
        func append(_ number: UInt64) {
            var divisor: UInt64 = 1
            while number / divisor >= 10 { divisor *= 10 }
            while divisor > 0 {
                append(CChar(truncatingIfNeeded: 0x30 + number / divisor % 10))
                divisor /= 10
            }
        }
        let dot: CChar = 0x2E
        append(dot)
        for index in unsafe 0..<min(strlen(name), 180) { unsafe append(name[index]) }
        append(dot)
        append(UInt64(UInt32(bitPattern: getpid())))
        append(dot)
        append(FileTarget.counter.wrappingAdd(1, ordering: .relaxed).newValue)
        for byte: CChar in [0x2E, 0x74, 0x6D, 0x70, 0] { append(byte) }
    }

    private static let counter = Atomic<UInt64>(0)
}

/// The sentences for refused file operations.
enum FileError {
    static func make(_ path: UnsafePointer<CChar>, _ what: StaticString, _ code: Int32) -> MartletError {
        let reason = unsafe String(cString: strerror(code))
        return unsafe MartletError(.file, "file '\(excerpt(path))' \(what): \(reason)")
    }

    static func notRegular(_ path: UnsafePointer<CChar>) -> MartletError {
        unsafe MartletError(.file, "file '\(excerpt(path))' is not a regular file")
    }

    /// The path, or its end where it is long.
    private static func excerpt(_ path: UnsafePointer<CChar>) -> String {
        let length = unsafe strnlen(path, Int(PATH_MAX))
        let shown = min(length, 400)
        let bytes = unsafe UnsafeRawBufferPointer(start: path + (length - shown), count: shown)
        return unsafe (shown < length ? "..." : "") + String(decoding: bytes, as: UTF8.self)
    }
}
