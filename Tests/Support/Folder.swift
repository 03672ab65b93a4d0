// A folder for tests to write files in.

import Glibc

/// A folder that goes with its owner.
package final class Folder {
    package let path: String

    package init() {
        var template = Array("/tmp/martlet-test-XXXXXX".utf8CString)
        path = String(cString: mkdtemp(&template))
    }

    deinit { Folder.removeAll(path) }

    package subscript(_ name: String) -> String { path + "/" + name }

    /// Writes a file, its folders first.
    package func write(_ name: String, _ text: String) {
        var folder = path
        for part in name.split(separator: "/").dropLast() {
            folder += "/" + part
            mkdir(folder, 0o755)
        }
        write(name, Array(text.utf8))
    }

    package func write(_ name: String, _ bytes: [UInt8]) {
        let file = open(self[name], O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        _ = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        close(file)
    }

    /// A file's bytes; nil where there is none.
    package func read(_ name: String) -> [UInt8]? {
        let file = open(self[name], O_RDONLY)
        if file < 0 { return nil }
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = Glibc.read(file, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
        return bytes
    }

    /// The names in the folder, sorted.
    package var names: [String] { Folder.names(in: path) }

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

    package func mode(_ name: String) -> mode_t {
        var status = stat()
        lstat(self[name], &status)
        return status.st_mode
    }
}
