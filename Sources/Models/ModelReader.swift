// What a model's file says, looked up by name and checked.
import MartletCheckpoints
import MartletOptimizers
import MartletPlatform

/// A file that may be a model's; every failure is `.format` but those of the system.
struct ModelReader: ~Copyable {
    private let reader: SafetensorsReader

    init(path: UnsafePointer<CChar>) throws(MartletError) {
        reader = try unsafe SafetensorsReader(path: path)
    }

    /// Throws where the file says that it is something else.
    func checkFormat() throws(MartletError) {
        guard let format = unsafe reader.metadata("format"), unsafe Bytes.areEqual(format, Model.format) else {
            throw MartletError(
                .format, "the file's format is not \"\(Model.format)\"; expected what a model's save wrote")
        }
    }

    var tensorCount: Int { reader.count }

    func has(_ key: String) -> Bool { unsafe reader.metadata(key) != nil }

    func wrong(_ key: String, _ text: String, _ expected: String) -> MartletError {
        MartletError(.format, "the file's \(key) is \"\(text.prefix(80))\"; expected \(expected)")
    }

    func line(_ key: String) throws(MartletError) -> NumberLine {
        guard let bytes = unsafe reader.metadata(key) else {
            throw MartletError(.format, "the file has no \(key); expected what a model's save wrote")
        }
        guard let line = unsafe NumberLine(parsing: bytes) else {
            throw MartletError(
                .format, "the file's \(key) is \"\(unsafe Bytes.excerpt(bytes))\"; expected named numbers")
        }
        return line
    }

    func text(_ key: String, longest: Int) throws(MartletError) -> String {
        guard let bytes = unsafe reader.metadata(key), bytes.count <= longest else {
            throw MartletError(.format, "the file's \(key) is missing or too long; expected \(longest) bytes at most")
        }
        return unsafe String(decoding: bytes, as: UTF8.self)
    }

    func readNotes(into notes: inout Notes) throws(MartletError) {
        let prefix = Notes.prefix.utf8CodeUnitCount
        for index in 0..<reader.metadataCount {
            let (key, text) = unsafe reader.metadataBytes(index)
            guard key.count >= prefix,
                unsafe Bytes.areEqual(UnsafeRawBufferPointer(rebasing: key[..<prefix]), Notes.prefix)
            else { continue }
            do throws(MartletError) {
                try unsafe notes.set(UnsafeRawBufferPointer(rebasing: key[prefix...]), text)
            } catch {
                throw error.kind == .memory
                    ? error : MartletError(.format, "the file's notes: \(error.message)")
            }
        }
    }

    /// Runs `body`; what a user would be told of a wrong argument is told of the file.
    func checked<Result>(_ body: () throws(MartletError) -> Result) throws(MartletError) -> Result {
        do throws(MartletError) {
            return try body()
        } catch {
            throw error.kind == .memory ? error : MartletError(.format, error.message)
        }
    }

    /// The groups of a file that says so much of them, which have not been checked.
    func groups(_ state: NumberLine, viewCount: Int) throws(MartletError) -> ParameterGroups {
        let count = state.integer("groups") ?? 1
        guard count >= 1 && count <= ParameterGroups.most else {
            throw wrong("state", state.text, "1 to \(ParameterGroups.most) groups")
        }
        var configurations: [Configuration] = []
        var shares = [1.0]
        for group in 0..<count {
            let line = group == 0 ? state : try self.line("group.\(group)")
            guard let algorithm: Algorithm = line.choice("algorithm") else {
                throw wrong(group == 0 ? "state" : "group.\(group)", line.text, "an algorithm")
            }
            if group > 0 {
                guard let share = line.double("share"), !(share < 0), !share.isInfinite else {
                    throw wrong("group.\(group)", line.text, "a share of the rate, 0 or more")
                }
                shares.append(share)
            }
            configurations.append(try configuration(algorithm, ParameterGroups.key(group)))
        }
        var ofViews = [Int](repeating: 0, count: viewCount)
        if count > 1 {
            for view in ofViews.indices where has("view.\(view)") {
                let line = try self.line("view.\(view)")
                guard let group = line.integer("group") else { throw wrong("view.\(view)", line.text, "a group") }
                ofViews[view] = group
            }
        }
        return ParameterGroups(configurations, ofViews: ofViews, shares: shares)
    }

    private func configuration(_ algorithm: Algorithm, _ prefix: String) throws(MartletError) -> Configuration {
        var configuration = Configuration(algorithm)
        try Configuration.forEachKey(of: algorithm) { (key, isNeeded) throws(MartletError) in
            let text = unsafe reader.metadata(prefix + key)
            if unsafe text == nil && !isNeeded { return }
            guard let text = unsafe text, unsafe configuration.set(key, to: text) else {
                throw MartletError(.format, "the file's \(prefix)\(key) is missing or wrong; expected a number")
            }
        }
        if let seed = unsafe reader.metadata(prefix + "seed"), unsafe !configuration.set("seed", to: seed) {
            throw MartletError(.format, "the file's \(prefix)seed is wrong; expected a number")
        }
        return configuration
    }

    /// Throws where the file lacks a tensor of the name and shape of one of them.
    func check(_ views: [View]) throws(MartletError) {
        for view in views { _ = try find(view.name.string, .f32, view.shape.list) }
    }

    func find(_ name: String, _ type: TensorType, _ shape: [Int]) throws(MartletError) -> Int {
        guard let index = reader.index(of: name) else {
            throw MartletError(.format, "the file has no tensor \"\(name)\"")
        }
        let sizes = unsafe Array(reader.shape(index))
        guard reader.type(index) == type, sizes == shape else {
            throw MartletError(
                .format,
                "the file's \"\(name)\" is \(reader.type(index).name) \(Shape.text(sizes)); "
                    + "expected \(type.name) \(Shape.text(shape))")
        }
        return index
    }

    func read(
        _ name: String, _ type: TensorType, _ shape: [Int], into base: UnsafeMutableRawPointer
    ) throws(MartletError) {
        try unsafe reader.read(try find(name, type, shape), into: base)
    }

    func read(_ base: UnsafeMutablePointer<Float>, _ views: [View]) throws(MartletError) {
        for view in views { try unsafe read(view.name.string, .f32, view.shape.list, into: base + view.offset) }
    }
}
