// Replacing files: the new one whole or the old one whole, and nothing left beside it. Reading: regular files only.

import Glibc
import MartletPlatform
import MartletTestSupport
import Testing

/// Replaces `path` by `pieces`.
private func replace(_ path: String, _ pieces: [UInt8]...) throws(MartletError) {
    var file = try DurableFile(replacing: path)
    for piece in pieces { try file.write(piece, byteCount: piece.count) }
    try file.commit()
}

/// The error that `body` throws; nil where it does not.
private func failure(_ body: () throws(MartletError) -> Void) -> MartletError? {
    do throws(MartletError) {
        try body()
        return nil
    } catch {
        return error
    }
}

@Suite struct DurableFileTests {
    @Test func newFile() throws {
        let folder = Folder()
        let before = umask(0o027)
        umask(before)
        try replace(folder["new"], [1, 2, 3], [], [4])
        #expect(folder.read("new") == [1, 2, 3, 4])
        #expect(folder.mode("new") & 0o777 == 0o666 & ~before)
        #expect(umask(before) == before)
        #expect(folder.names == ["new"])
    }

    /// Pieces around the buffer's size, in the order given.
    @Test func piecesOfEverySize() throws {
        let folder = Folder()
        var wanted: [UInt8] = []
        var file = try DurableFile(replacing: folder["large"])
        for (index, count) in [1, 65535, 1, 65536, 7, 65537, 200_000, 3, 40_000, 40_000, 0, 1].enumerated() {
            let piece = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ index) }
            try file.write(piece, byteCount: count)
            wanted += piece
        }
        try file.commit()
        #expect(folder.read("large") == wanted)
    }

    @Test(arguments: [0o600, 0o640, 0o755, 0o666] as [mode_t]) func modeIsKept(mode: mode_t) throws {
        let folder = Folder()
        folder.write("file", "old")
        chmod(folder["file"], mode)
        try replace(folder["file"], [9])
        #expect(folder.read("file") == [9])
        #expect(folder.mode("file") & 0o777 == mode)
    }

    @Test func uncommittedLeavesTheOldFile() throws {
        let folder = Folder()
        folder.write("file", "old")
        do {
            var file = try DurableFile(replacing: folder["file"])
            try file.write([1, 2, 3] as [UInt8], byteCount: 3)
            #expect(folder.names.count == 2)
        }
        #expect(folder.read("file") == Array("old".utf8))
        #expect(folder.names == ["file"])
    }

    @Test func symbolicLinks() throws {
        let folder = Folder()
        folder.write("real/file", "old")
        symlink("real/file", folder["relative"])
        symlink(folder["relative"], folder["absolute"])
        symlink("real/absent", folder["dangling"])
        symlink("loop", folder["loop"])
        try replace(folder["absolute"], [7])
        #expect(folder.read("real/file") == [7])
        try replace(folder["dangling"], [8])
        #expect(folder.read("real/absent") == [8])
        for name in ["relative", "absolute", "dangling"] { #expect(folder.mode(name) & S_IFMT == S_IFLNK) }
        #expect(failure { () throws(MartletError) in try replace(folder["loop"], [1]) }?.kind == .file)
        #expect(folder.names == ["absolute", "dangling", "loop", "real", "relative"])
    }

    @Test func relativePath() throws {
        let folder = Folder()
        let code = inChild {
            chdir(folder.path)
            guard var file = try? DurableFile(replacing: "here") else { return 1 }
            // The folder that was meant is the one at the start.
            chdir("/")
            guard (try? file.write([5] as [UInt8], byteCount: 1)) != nil, (try? file.commit()) != nil else { return 2 }
            return 0
        }
        #expect(code == 0)
        #expect(folder.read("here") == [5])
    }

    @Test func refusedPaths() {
        let folder = Folder()
        folder.write("file", "old")
        mkdir(folder["folder"], 0o755)
        mkfifo(folder["pipe"], 0o644)
        let name = String(repeating: "n", count: 256)
        let paths = [
            "", "/", folder.path, folder["folder"], folder["folder/"], folder["absent/file"], folder["file/below"],
            folder[name], folder[String(repeating: "d/", count: 3000)], folder["pipe"], folder["folder/."],
        ]
        for path in paths {
            let error = failure { () throws(MartletError) in try replace(path, [1]) }
            #expect(error?.kind == .file, "\(path)")
            #expect((error?.message.utf8.count ?? 0) < 600)
        }
        #expect(folder.names == ["file", "folder", "pipe"])
        #expect(folder.read("file") == Array("old".utf8))
    }

    /// The longest name that a file can have leaves no room for a longer one beside it.
    @Test func longestName() throws {
        let folder = Folder()
        let name = String(repeating: "n", count: 255)
        try replace(folder[name], [1])
        try replace(folder[name], [2])
        #expect(folder.read(name) == [2])
        #expect(folder.names == [name])
    }

    /// What a killed process of the same number left behind is not in the way.
    @Test func leftoversAreNotInTheWay() throws {
        let folder = Folder()
        for count in 1...300 { folder.write(".file.\(getpid()).\(count).tmp", "x") }
        try replace(folder["file"], [3])
        #expect(folder.read("file") == [3])
        #expect(folder.names.count == 301)
    }

    /// The system refuses to write on: an error, not a signal; the old file stays, and nothing beside it.
    @Test(arguments: [100, 65536, 300_000]) func limitOfFileSize(limit: Int) {
        let folder = Folder()
        folder.write("file", "old")
        let code = inChild {
            // Whoever started the tests may have the signal ignored, and the tests' own threads block it.
            signal(SIGXFSZ, SIG_DFL)
            var signals = sigset_t()
            sigemptyset(&signals)
            sigaddset(&signals, SIGXFSZ)
            pthread_sigmask(SIG_UNBLOCK, &signals, nil)
            var limits = rlimit(rlim_cur: rlim_t(limit), rlim_max: rlim_t(limit))
            if setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limits) != 0 { return 1 }
            let bytes = [UInt8](repeating: 1, count: 400_000)
            guard let error = failure({ () throws(MartletError) in try replace(folder["file"], [1], bytes) }) else {
                return 2
            }
            // The signal is not left behind either.
            var pending = sigset_t()
            sigpending(&pending)
            if sigismember(&pending, SIGXFSZ) != 0 { return 3 }
            return error.kind == .file ? 0 : 4
        }
        #expect(code == 0)
        #expect(folder.read("file") == Array("old".utf8))
        #expect(folder.names == ["file"])
    }

    /// Killed at some moment of the writing: the old file or the new one, whole.
    @Test func killed() throws {
        let folder = Folder()
        let bytes = [UInt8](repeating: 2, count: 1 << 20)
        try replace(folder["file"], bytes)
        for round in 0..<40 {
            let code = inChild {
                let other = [UInt8](repeating: UInt8(round), count: 1 << 20)
                let parent = getppid()
                let killer = inChildWithoutWaiting(after: useconds_t(round * 100), kill: getpid())
                while getppid() == parent {
                    _ = failure { () throws(MartletError) in try replace(folder["file"], other) }
                }
                return killer > 0 ? 0 : 1
            }
            #expect(code == 1000 + SIGKILL)
            let found = folder.read("file")
            #expect(found?.count == 1 << 20 && found.map { Set($0).count } == 1)
        }
    }

    /// Forks a child that kills `process` after a while.
    private func inChildWithoutWaiting(after microseconds: useconds_t, kill process: pid_t) -> pid_t {
        typealias Fork = @convention(c) () -> pid_t
        let child = unsafeBitCast(dlsym(nil, "fork"), to: Fork.self)()
        if child == 0 {
            usleep(microseconds)
            Glibc.kill(process, SIGKILL)
            _exit(0)
        }
        return child
    }
}

@Suite struct ReadableFileTests {
    @Test func reads() throws {
        let folder = Folder()
        folder.write("file", "0123456789")
        let file = try ReadableFile(path: folder["file"])
        #expect(file.byteCount == 10)
        var bytes = [UInt8](repeating: 0, count: 4)
        try file.read(into: &bytes, byteCount: 4, at: 3)
        #expect(bytes == Array("3456".utf8))
        try file.read(into: &bytes, byteCount: 0, at: 10)
    }

    @Test func refusesWhatIsNoRegularFile() {
        let folder = Folder()
        mkfifo(folder["pipe"], 0o644)
        for path in [folder["pipe"], folder.path, folder["absent"], "/dev/null", "/dev/zero", "", "/proc/self/mem/x"] {
            let error = failure { () throws(MartletError) in _ = try ReadableFile(path: path).byteCount }
            #expect(error?.kind == .file, "\(path)")
        }
    }

    /// A file that shrinks under the reader is an error, not a signal.
    @Test func shrinkingFile() throws {
        let folder = Folder()
        folder.write("file", "0123456789")
        let file = try ReadableFile(path: folder["file"])
        truncate(folder["file"], 5)
        let error = failure { () throws(MartletError) in
            var bytes = [UInt8](repeating: 0, count: 10)
            try file.read(into: &bytes, byteCount: 10, at: 0)
        }
        #expect(error?.kind == .file)
    }
}
