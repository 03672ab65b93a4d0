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
        try unsafe path.withFileName { path throws(MartletError) in try unsafe save(to: path) }
    }

    /// Loads what `save` wrote, into an optimizer with the same algorithm, as many groups, and parameters of the same
    /// names, types and counts. On an error nothing has changed.
    public func load(from path: String) throws(MartletError) {
        try unsafe path.withFileName { path throws(MartletError) in try unsafe load(from: path) }
    }

    package func save(to path: UnsafePointer<CChar>) throws(MartletError) {
        try finish()
        var writer = SafetensorsWriter()
        try writer.addMetadata("format", "martlet.optimizer")
        try writer.addMetadata("algorithm", "\(configurations[0].algorithm.name)")
        try writer.addMetadata("groups", "\(configurations.count)")
        if mode == .evaluation { try writer.addMetadata("mode", "evaluation") }
        for index in 0..<configurations.count {
            let configuration = configurations[index]
            if configuration.algorithm != configurations[0].algorithm {
                try writer.addMetadata("group.\(index).algorithm", "\(configuration.algorithm.name)")
            }
            if configuration.seed != 0 { try writer.addMetadata("group.\(index).seed", "\(configuration.seed)") }
            try configuration.describe { (key, value) throws(MartletError) in
                try writer.addMetadata("group.\(index).\(key)", value)
            }
        }
        for index in 0..<count { try parameters[index].add(to: &writer, slots(of: index)) }
        try unsafe writer.write(to: path)
    }

    package func load(from path: UnsafePointer<CChar>) throws(MartletError) {
        let reader = try unsafe SafetensorsReader(path: path)
        let loaded = try configurations(in: reader)
        let mode = unsafe reader.metadata("mode") == nil ? OptimizerMode.training : .evaluation
        if mode == .evaluation { try expect("mode", "evaluation", in: reader) }
        try finish()
        // Everything is read beside the optimizer's own state before any of it is put in place.
        do throws(MartletError) {
            var expected = 0
            for index in 0..<count {
                let entry = parameters[index]
                entry.staged = try entry.state(in: reader, slots(of: index))
                expected += slots(of: index).count { $0.exists(for: entry.shape) } + 1
                expected += entry.slots.count { $0.type.isSmall }
            }
            guard reader.count == expected else {
                throw MartletError(
                    .format, "the file has \(reader.count) tensors; expected \(expected) for these parameters")
            }
        } catch {
            for index in 0..<count { parameters[index].staged = nil }
            throw error
        }
        configurations = loaded
        self.mode = mode
        for index in 0..<count { parameters[index].adoptStaged() }
    }

    private func slots(of parameter: Int) -> Slots { configurations[parameters[parameter].group].slots }

    private func configurations(in reader: borrowing SafetensorsReader) throws(MartletError) -> RawList<Configuration> {
        try expect("format", "martlet.optimizer", in: reader)
        try expect("algorithm", "\(configurations[0].algorithm.name)", in: reader)
        try expect("groups", "\(configurations.count)", in: reader)
        var loaded = RawList<Configuration>()
        for index in 0..<configurations.count {
            let algorithm = configurations[index].algorithm
            let key = "group.\(index).algorithm"
            if unsafe algorithm != configurations[0].algorithm || reader.metadata(key) != nil {
                try expect(key, "\(algorithm.name)", in: reader)
            }
            var configuration = Configuration(algorithm)
            try Configuration.forEachKey(of: algorithm) { (key, isNeeded) throws(MartletError) in
                let name = "group.\(index).\(key)"
                let text = unsafe reader.metadata(name)
                if unsafe text == nil && !isNeeded { return }
                guard let text = unsafe text, unsafe configuration.set(key, to: text) else {
                    throw MartletError(.format, unsafe "the file's \(name) is \(quoted(text)); expected a number")
                }
            }
            let seed = "group.\(index).seed"
            if let text = unsafe reader.metadata(seed), unsafe !configuration.set("seed", to: text) {
                throw MartletError(.format, unsafe "the file's \(seed) is \(quoted(text)); expected a number")
            }
            do {
                try configuration.check("the file's group.\(index)")
            } catch {
                throw MartletError(.format, error.message)
            }
            let (found, expected) = (configuration.slots, configurations[index].slots)
            guard found.names == expected.names else {
                throw MartletError(
                    .format, "the file's group.\(index) keeps \(found.names); expected \(expected.names)")
            }
            try loaded.append(configuration)
        }
        return loaded
    }

    /// Throws where the file's text under a key is another one.
    private func expect(
        _ key: String, _ value: String, in reader: borrowing SafetensorsReader
    ) throws(MartletError) {
        let found = unsafe reader.metadata(key)
        let isRight = unsafe value.utf8Span.span.withUnsafeBytes { value in
            unsafe found.map { unsafe Bytes.areEqual($0, value) } ?? false
        }
        guard isRight else {
            throw MartletError(.format, unsafe "the file's \(key) is \(quoted(found)); expected \"\(value)\"")
        }
    }

    /// The beginning of a file's text, for a message.
    private func quoted(_ text: UnsafeRawBufferPointer?) -> String {
        unsafe text.map { unsafe "\"\(Bytes.excerpt($0))\"" } ?? "missing"
    }
}

extension ParameterEntry {
    /// Adds this parameter's state to a file.
    fileprivate func add(to writer: inout SafetensorsWriter, _ described: Slots) throws(MartletError) {
        for (slot, description) in zip(slots, described) where description.exists(for: shape) {
            switch slot.type {
            case .wide(let type):
                try unsafe add(
                    to: &writer, "\(description.name)", TensorType(type), description.sizes(for: sizes), slot.view.base,
                    slot.byteCount)
            case .small(let type):
                let (codes, scales) = type.partNames(description.name)
                try unsafe add(to: &writer, codes, .u8, [slot.dataBytes], slot.view.base, slot.dataBytes)
                try unsafe add(
                    to: &writer, scales, .f32, [slot.scaleBytes / 4], slot.view.scales, slot.scaleBytes)
            }
        }
        try unsafe add(to: &writer, "step", .i64, [], stepAddress, 8)
    }

    private func add(
        to writer: inout SafetensorsWriter, _ part: String, _ type: TensorType, _ shape: [Int],
        _ data: UnsafeRawPointer?, _ byteCount: Int
    ) throws(MartletError) {
        let suffix = ".\(part)"
        try unsafe suffix.utf8Span.span.withUnsafeBytes { (suffix: UnsafeRawBufferPointer) throws(MartletError) in
            try unsafe shape.span.withUnsafeBufferPointer { (shape: UnsafeBufferPointer<Int>) throws(MartletError) in
                try unsafe writer.add(
                    name: name, suffix: suffix, type: type, shape: shape, data: data, byteCount: byteCount)
            }
        }
    }

    /// Reads this parameter's state into memory of its own.
    fileprivate func state(
        in reader: borrowing SafetensorsReader, _ described: Slots
    ) throws(MartletError) -> ParameterState {
        var loaded: [StateSlot] = []
        for (slot, description) in zip(slots, described) {
            guard description.exists(for: shape) else {
                loaded.append(slot)
                continue
            }
            let copy = try StateSlot(type: slot.type, count: slot.count)
            func read(
                _ part: String, _ type: TensorType, _ byteCount: Int, into base: UnsafeMutableRawPointer?
            ) throws(MartletError) {
                let tensor = try find(part, type, byteCount, in: reader)
                if let base = unsafe base { try unsafe reader.read(tensor, into: base) }
            }
            switch slot.type {
            case .wide(let type):
                try unsafe read("\(description.name)", TensorType(type), slot.byteCount, into: copy.view.base)
            case .small(let type):
                let (codes, scales) = type.partNames(description.name)
                try unsafe read(codes, .u8, slot.dataBytes, into: copy.view.base)
                try unsafe read(scales, .f32, slot.scaleBytes, into: copy.view.scales)
            }
            loaded.append(copy)
        }
        let tensor = try find("step", .i64, 8, in: reader)
        var step: Int64 = 0
        try unsafe reader.read(tensor, into: &step)
        guard step >= 0 else {
            throw MartletError(.format, "the file's \(tensorName("step")) is \(step); expected 0 or more")
        }
        return ParameterState(slots: loaded, step: step)
    }

    private func find(
        _ part: String, _ type: TensorType, _ byteCount: Int, in reader: borrowing SafetensorsReader
    ) throws(MartletError) -> Int {
        let suffix = ".\(part)"
        let index = unsafe suffix.utf8Span.span.withUnsafeBytes { unsafe reader.index(of: name, suffix: $0) }
        guard let index else {
            throw MartletError(.format, "the file has no tensor \"\(tensorName(part))\"")
        }
        guard reader.type(index) == type && reader.byteCount(index) == byteCount else {
            throw MartletError(
                .format,
                "the file's \"\(tensorName(part))\" has \(reader.byteCount(index)) bytes of "
                    + "\(reader.type(index).name); expected \(byteCount) of \(type.name)")
        }
        return index
    }

    /// What messages call a tensor of this parameter.
    private func tensorName(_ part: String) -> String { unsafe "\(Bytes.excerpt(name)).\(part)" }
}

extension SmallType {
    /// The names of a slot's codes and scales in a file, which say how they are to be read.
    package func partNames(_ slot: StaticString) -> (codes: String, scales: String) {
        ("\(slot).\(self)", "\(slot).scales")
    }
}

extension TensorType {
    package init(_ type: ElementType) {
        switch type {
        case .fp64: self = .f64
        case .fp32: self = .f32
        case .bf16: self = .bf16
        case .fp16: self = .f16
        }
    }
}

extension Configuration {
    /// Gives what the algorithm reads, as text, to a function. A hyperparameter stands there twice: as the bits of its fp64,
    /// which are what is loaded (reading decimals depends on the host's rounding mode), and in decimals for people; those that
    /// every algorithm reads, where they ask for something.
    package func describe(_ body: (_ key: String, _ value: String) throws(MartletError) -> Void) throws(MartletError) {
        try body("semantics", "\(semantics.rawValue)")
        try body("flags", "\(flags.rawValue)")
        for hyperparameter in Hyperparameter.allCases where algorithm.defaultValue(hyperparameter) != nil {
            let value = self[hyperparameter]
            if hyperparameter.defaultEverywhere == value { continue }
            try body("\(hyperparameter.name).bits", String(value.bitPattern, radix: 16))
            try body("\(hyperparameter.name)", NumberText.text(of: value))
        }
    }

    /// Gives all keys that `describe` may have to a function, and whether it has them in any case.
    package static func forEachKey(
        of algorithm: Algorithm, _ body: (_ key: String, _ isNeeded: Bool) throws(MartletError) -> Void
    ) throws(MartletError) {
        try body("semantics", true)
        try body("flags", true)
        for hyperparameter in Hyperparameter.allCases where algorithm.defaultValue(hyperparameter) != nil {
            let isNeeded = hyperparameter.defaultEverywhere == nil
            try body("\(hyperparameter.name).bits", isNeeded)
            try body("\(hyperparameter.name)", isNeeded)
        }
    }

    /// Sets what `describe` gave under this key; false where the text is none of it, or the decimals are not the bits'.
    package mutating func set(_ key: String, to bytes: UnsafeRawBufferPointer) -> Bool {
        // No number that is written there is longer; a file's text may be of any length.
        if bytes.count > 40 { return false }
        let text = unsafe String(decoding: bytes, as: UTF8.self)
        switch key {
        case "semantics":
            guard let semantics = Int32(text).flatMap(Semantics.init(rawValue:)) else { return false }
            self.semantics = semantics
        case "seed":
            guard let seed = UInt64(text) else { return false }
            self.seed = seed
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
