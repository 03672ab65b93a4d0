// An optimizer's state as a safetensors file: tensors "<name>.<slot>" in the parameter's sizes and "<name>.step", and in
// the metadata the algorithm and every group's hyperparameters as text. The parameters' values are not in it: they
// belong to the caller, who has a way to save them.
import MartletCheckpoints
import MartletCompute
import MartletKernelInterface
import MartletPlatform

extension Optimizer {
    /// Saves moments, counters and hyperparameters. A kill at any moment leaves the old file or the new one whole.
    public func save(to path: String) throws(MartletError) {
        try unsafe path.utf8CString.withUnsafeBufferPointer { path throws(MartletError) in
            try unsafe save(to: path.baseAddress!)
        }
    }

    /// Loads what `save` wrote, into an optimizer with the same algorithm, as many groups, and parameters of the same
    /// names, types and counts. On an error nothing has changed.
    public func load(from path: String) throws(MartletError) {
        try unsafe path.utf8CString.withUnsafeBufferPointer { path throws(MartletError) in
            try unsafe load(from: path.baseAddress!)
        }
    }

    package func save(to path: UnsafePointer<CChar>) throws(MartletError) {
        var writer = SafetensorsWriter()
        try writer.addMetadata("format", "martlet.optimizer")
        try writer.addMetadata("algorithm", "\(configurations[0].algorithm.name)")
        try writer.addMetadata("groups", "\(configurations.count)")
        for (index, configuration) in configurations.enumerated() {
            for (key, value) in configuration.text { try writer.addMetadata("group.\(index).\(key)", value) }
        }
        for entry in entries {
            for (slot, name) in zip(entry.slots, entry.slotNames(configurations)) {
                try unsafe writer.add(
                    name: "\(entry.name).\(name)", type: TensorType(slot.type), shape: entry.sizes,
                    data: slot.view.base,
                    byteCount: slot.byteCount)
            }
            try unsafe writer.add(
                name: "\(entry.name).step", type: .i64, shape: [], data: entry.stepAddress, byteCount: 8)
        }
        try unsafe writer.write(to: path)
    }

    package func load(from path: UnsafePointer<CChar>) throws(MartletError) {
        let reader = try unsafe SafetensorsReader(path: path)
        let loaded = try configurations(in: reader)
        // Everything is read beside the optimizer's own state before any of it is put in place.
        do throws(MartletError) {
            for entry in entries { entry.staged = try entry.state(in: reader, loaded) }
            let expected = entries.reduce(0) { $0 + $1.slots.count + 1 }
            guard reader.count == expected else {
                throw MartletError(
                    .format, "the file has \(reader.count) tensors; expected \(expected) for these parameters")
            }
        } catch {
            for entry in entries { entry.staged = nil }
            throw error
        }
        configurations = loaded
        for entry in entries { entry.adoptStaged() }
    }

    private func configurations(in reader: borrowing SafetensorsReader) throws(MartletError) -> [Configuration] {
        let algorithm = configurations[0].algorithm
        let expected = [
            ("format", "martlet.optimizer"), ("algorithm", "\(algorithm.name)"), ("groups", "\(configurations.count)"),
        ]
        for (key, value) in expected {
            let found = reader.metadata(key)
            guard found == value else {
                throw MartletError(
                    .format, "the file's \(key) is \(found.map { "\"\($0)\"" } ?? "missing"); expected \"\(value)\"")
            }
        }
        var loaded: [Configuration] = []
        for index in configurations.indices {
            var configuration = Configuration(algorithm)
            for (key, _) in configurations[index].text {
                let name = "group.\(index).\(key)"
                let text = reader.metadata(name)
                guard let text, configuration.set(key, to: text) else {
                    throw MartletError(
                        .format, "the file's \(name) is \(text.map { "\"\($0)\"" } ?? "missing"); expected a number")
                }
            }
            do {
                try configuration.check("the file's group.\(index)")
            } catch {
                throw MartletError(.format, error.message)
            }
            guard configuration.slotCount == configurations[index].slotCount else {
                throw MartletError(
                    .format,
                    "the file's group.\(index) keeps \(configuration.slotCount) moments; expected "
                        + "\(configurations[index].slotCount)")
            }
            loaded.append(configuration)
        }
        return loaded
    }
}

extension ParameterEntry {
    fileprivate func slotNames(_ configurations: [Configuration]) -> [StaticString] {
        configurations[group].algorithm.slotNames
    }

    /// Reads this parameter's state into memory of its own.
    fileprivate func state(
        in reader: borrowing SafetensorsReader, _ configurations: [Configuration]
    ) throws(MartletError) -> ParameterState {
        var loaded: [StateSlot] = []
        for (slot, name) in zip(slots, slotNames(configurations)) {
            let tensor = try find("\(self.name).\(name)", TensorType(slot.type), slot.byteCount, in: reader)
            let copy = try StateSlot(type: slot.type, count: slot.count)
            if let base = unsafe copy.view.base { try unsafe reader.read(tensor, into: base) }
            loaded.append(copy)
        }
        let tensor = try find("\(name).step", .i64, 8, in: reader)
        var step: Int64 = 0
        try unsafe reader.read(tensor, into: &step)
        guard step >= 0 && step < .max else {
            throw MartletError(.format, "the file's \(name).step is \(step); expected 0 ..< 2^63 - 1")
        }
        return ParameterState(slots: loaded, step: step)
    }

    private func find(
        _ name: String, _ type: TensorType, _ byteCount: Int, in reader: borrowing SafetensorsReader
    ) throws(MartletError) -> Int {
        guard let index = reader.index(of: name) else {
            throw MartletError(.format, "the file has no tensor \"\(name)\"")
        }
        guard reader.type(index) == type && reader.byteCount(index) == byteCount else {
            throw MartletError(
                .format,
                "the file's \"\(name)\" has \(reader.byteCount(index)) bytes of \(reader.type(index).name); "
                    + "expected \(byteCount) of \(type.name)")
        }
        return index
    }
}

extension TensorType {
    fileprivate init(_ type: ElementType) {
        switch type {
        case .fp64: self = .f64
        case .fp32: self = .f32
        case .bf16: self = .bf16
        case .fp16: self = .f16
        }
    }
}

extension Configuration {
    /// What the algorithm reads, as text. A hyperparameter stands there twice: as the bits of its fp64, which are what is
    /// loaded (reading decimals depends on the host's rounding mode), and in decimals for people.
    fileprivate var text: [(key: String, value: String)] {
        var pairs = [("semantics", "\(semantics.rawValue)"), ("flags", "\(flags.rawValue)")]
        for hyperparameter in Hyperparameter.allCases where algorithm.defaultValue(hyperparameter) != nil {
            let value = self[hyperparameter]
            pairs.append(("\(hyperparameter.name).bits", String(value.bitPattern, radix: 16)))
            pairs.append(("\(hyperparameter.name)", NumberText.text(of: value)))
        }
        return pairs
    }

    /// Sets what `text` gave under this key; false where the text is none of it, or the decimals are not the bits'.
    fileprivate mutating func set(_ key: String, to text: String) -> Bool {
        switch key {
        case "semantics":
            guard let semantics = Int32(text).flatMap(Semantics.init(rawValue:)) else { return false }
            self.semantics = semantics
        case "flags":
            guard let bits = UInt32(text), bits & ~Flags.all.rawValue == 0 else { return false }
            flags = Flags(rawValue: bits)
        default:
            for hyperparameter in Hyperparameter.allCases {
                if key == "\(hyperparameter.name)" { return text == NumberText.text(of: self[hyperparameter]) }
                guard key == "\(hyperparameter.name).bits" else { continue }
                guard let bits = UInt64(text, radix: 16) else { return false }
                self[hyperparameter] = Double(bitPattern: bits)
            }
        }
        return true
    }
}

/// The text of a number for people to read, formed in a floating-point mode of our own: the host's may round another way,
/// or trap.
private struct NumberText {
    private var value: Double
    private var text = ""

    static func text(of value: Double) -> String {
        var number = NumberText(value: value)
        unsafe withUnsafeMutablePointer(to: &number) { number in
            unsafe FloatingPointMode.exact.call(
                { unsafe $0.assumingMemoryBound(to: NumberText.self).pointee.format() }, UnsafeMutableRawPointer(number)
            )
        }
        return number.text
    }

    private init(value: Double) { self.value = value }

    private mutating func format() { text = "\(value)" }
}
