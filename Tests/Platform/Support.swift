// What the tests of this room share: threads, forked children and a folder of one's own.

import Glibc
import Synchronization

/// Runs `body` in a forked child and returns its exit code; 1000 plus the signal where one ended it, -1 after 60 s.
func inChild(_ body: () -> Int32) -> Int32 {
    // Swift marks fork as unavailable, since children of Swift programs rarely survive; being able to is what is tested.
    typealias Fork = @convention(c) () -> pid_t
    let fork = unsafeBitCast(dlsym(nil, "fork"), to: Fork.self)
    let child = fork()
    if child == 0 { _exit(body()) }
    var status: Int32 = 0
    for _ in 0..<60_000 {
        if waitpid(child, &status, WNOHANG) == child {
            return status & 0x7F == 0 ? (status >> 8) & 0xFF : 1000 + status & 0x7F
        }
        usleep(1000)
    }
    kill(child, SIGKILL)
    waitpid(child, &status, 0)
    return -1
}

/// A thread that runs a closure.
final class TestThread {
    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private var thread = pthread_t()

    init(_ body: @escaping @Sendable () -> Void) {
        let work = Unmanaged.passRetained(Work(body)).toOpaque()
        pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body()
                return nil
            }, work)
    }

    func join() { pthread_join(thread, nil) }
}

/// A folder that goes with its owner.
final class Folder {
    let path: String

    init() {
        var template = Array("/tmp/martlet-test-XXXXXX".utf8CString)
        path = String(cString: mkdtemp(&template))
    }

    deinit { Folder.removeAll(path) }

    subscript(_ name: String) -> String { path + "/" + name }

    /// Writes a file, its folders first.
    func write(_ name: String, _ text: String) {
        var folder = path
        for part in name.split(separator: "/").dropLast() {
            folder += "/" + part
            mkdir(folder, 0o755)
        }
        let file = open(self[name], O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        _ = Array(text.utf8).withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        close(file)
    }

    /// A file's bytes; nil where there is none.
    func read(_ name: String) -> [UInt8]? {
        let file = open(self[name], O_RDONLY)
        if file < 0 { return nil }
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = Glibc.read(file, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
        return bytes
    }

    /// The names in the folder, sorted.
    var names: [String] { Folder.names(in: path) }

    private static func removeAll(_ path: String) {
        for name in names(in: path) { removeAll(path + "/" + name) }
        remove(path)
    }

    private static func names(in path: String) -> [String] {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return [] }
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    func mode(_ name: String) -> mode_t {
        var status = stat()
        lstat(self[name], &status)
        return status.st_mode
    }
}
