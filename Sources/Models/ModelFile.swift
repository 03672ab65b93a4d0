// A model as a safetensors file: its layers as lines of the metadata, parameters and statistics as tensors under their
// views' names, and after compile the loss, the optimizer's hyperparameters, counters, and moments
// ("dense/kernel.exp_avg"): enough to go on to the bit.
import MartletCheckpoints
import MartletCompute
import MartletKernelInterface
import MartletOptimizers
import MartletPlatform

extension Model {
    /// Saves the model. A kill at any moment leaves the old file or the new one whole.
    public func save(to path: String) throws(MartletError) {
        try unsafe path.withFileName { path throws(MartletError) in try unsafe save(to: path) }
    }

    /// Makes a model from what `save` wrote.
    public static func load(from path: String) throws(MartletError) -> Model {
        try unsafe path.withFileName { path throws(MartletError) in try unsafe load(from: path) }
    }

    package func save(to path: UnsafePointer<CChar>) throws(MartletError) {
        let built = try made()
        try trainer?.enter(.evaluation)
        var writer = SafetensorsWriter()
        try writer.addMetadata("format", "\(Model.format)")
        var general = NumberLine()
        general.add("version", 1)
        general.add("seed", Int(Int64(bitPattern: seed)))
        general.add("layers", nodes.count - 1)
        for (place, size) in input.list.enumerated() { general.add("input\(place)", size) }
        try writer.addMetadata("model", general.text)
        for (index, node) in nodes.enumerated().dropFirst() {
            var line = node.layer.line
            line.add("inputs", node.inputs)
            try writer.addMetadata("layer.\(index)", line.text)
            try writer.addMetadata("layer.\(index).name", node.name.string)
        }
        try unsafe add(to: &writer, built.parameters.base, built.parameterViews)
        try unsafe add(to: &writer, built.statistics.base, built.statisticViews)
        if let trainer { try add(to: &writer, trainer, built.parameterViews) }
        try unsafe writer.write(to: path)
        keep(built)
    }

    fileprivate static var format: StaticString { "martlet.model" }

    private func add(
        to writer: inout SafetensorsWriter, _ trainer: Trainer, _ views: [View]
    ) throws(MartletError) {
        try writer.addMetadata("training", trainer.settings.line.text)
        var state = NumberLine()
        state.add("algorithm", Int(trainer.optimizer.configurations[0].algorithm.rawValue))
        state.add("step", Int(trainer.step))
        state.add("epoch", Int(trainer.epoch))
        state.add("optimizer_step", Int(try trainer.optimizerStep()))
        try writer.addMetadata("state", state.text)
        for (key, value) in trainer.optimizer.configurations[0].text {
            try writer.addMetadata("optimizer.\(key)", value)
        }
        for moment in Moment.all(trainer.optimizer.configurations[0], views) {
            try unsafe writer.add(
                name: moment.name, type: moment.type, shape: moment.shape, data: moment.place(in: trainer.optimizer),
                byteCount: moment.byteCount)
        }
    }

    private func add(
        to writer: inout SafetensorsWriter, _ base: UnsafeMutablePointer<Float>, _ views: [View]
    ) throws(MartletError) {
        for view in views {
            try unsafe writer.add(
                name: view.name.string, type: .f32, shape: view.shape.list, data: base + view.offset,
                byteCount: 4 * view.shape.elementCount)
        }
    }

    // MARK: - Loading

    package static func load(from path: UnsafePointer<CChar>) throws(MartletError) -> Model {
        let file = try unsafe ModelReader(path: path)
        try file.checkFormat()
        let general = try file.line("model")
        guard general.integer("version") == 1, let seed = general.integer("seed"),
            let count = general.integer("layers"), count >= 1, count < Model.mostNodes
        else { throw file.wrong("model", general.text, "version 1, a seed, and 1 to \(Model.mostNodes - 1) layers") }
        var sizes: [Int] = []
        for place in 0..<Shape.maximumRank {
            guard let size = general.integer("input\(place)") else { break }
            sizes.append(size)
        }
        let model = try Model(
            input: try file.checked { () throws(MartletError) in try Shape(sizes, "the file's input") },
            seed: UInt64(bitPattern: Int64(seed)))
        for index in 1...count {
            let line = try file.line("layer.\(index)")
            guard let layer = Layer(line, name: try file.text("layer.\(index).name", longest: Layer.longestName)) else {
                throw file.wrong("layer.\(index)", line.text, "the numbers of a layer")
            }
            _ = try file.checked { () throws(MartletError) in
                try model.add(layer, inputs: line.integers("inputs"), prefix: "the file's layer.\(index).")
            }
        }
        try model.read(file)
        return model
    }

    /// Reads parameters, statistics, and what training needs. Memory is taken for what the file holds alone.
    private func read(_ file: borrowing ModelReader) throws(MartletError) {
        let laid = try file.checked { () throws(MartletError) in try laidOut() }
        try file.check(laid.parameters.views)
        try file.check(laid.statistics.views)
        var expected = laid.parameters.views.count + laid.statistics.views.count
        let built = try build()
        try unsafe file.read(built.parameters.base, built.parameterViews)
        try unsafe file.read(built.statistics.base, built.statisticViews)
        if file.has("training") { expected += try readTraining(file, built) }
        guard file.tensorCount == expected else {
            throw MartletError(.format, "the file has \(file.tensorCount) tensors; expected \(expected) for its layers")
        }
    }

    /// Compiles, and reads counters and moments; returns how many tensors that took.
    private func readTraining(_ file: borrowing ModelReader, _ built: Built) throws(MartletError) -> Int {
        let views = built.parameterViews
        let line = try file.line("training")
        guard let settings = Training(line) else { throw file.wrong("training", line.text, "the numbers of training") }
        let state = try file.line("state")
        guard let algorithm: Algorithm = state.choice("algorithm"), let step = state.integer("step"),
            let epoch = state.integer("epoch"),
            let taken = state.integer("optimizer_step"), [step, epoch, taken].allSatisfy({ $0 >= 0 })
        else { throw file.wrong("state", state.text, "an algorithm, and counters of 0 or more") }
        var configuration = Configuration(algorithm)
        for (key, _) in configuration.text { try file.set(&configuration, key) }
        // Every moment's tensor must be there before memory is taken for it.
        let moments = Moment.all(configuration, views)
        for moment in moments { _ = try file.find(moment.name, moment.type, moment.shape) }
        let trainer = try file.checked { () throws(MartletError) in
            try settings.check("training.")
            return try Trainer(self, built, settings, configuration)
        }
        trainer.step = Int64(step)
        trainer.epoch = Int64(epoch)
        for moment in moments {
            try unsafe file.read(moment.name, moment.type, moment.shape, into: moment.place(in: trainer.optimizer))
        }
        for parameter in 0..<trainer.optimizer.count {
            try trainer.optimizer.setStepCount(of: parameter, to: Int64(taken))
        }
        // As `save` left them.
        if algorithm.hasEvaluationPoint { trainer.optimizer.mode = .evaluation }
        self.trainer = trainer
        return moments.count
    }
}

/// A tensor of the optimizer's state: a slot of one view, or a scalar.
private struct Moment {
    let name: String
    let type: TensorType
    let shape: [Int]
    /// Where it is: a slot of a parameter of the optimizer's, from an element on.
    let parameter, slot, offset: Int

    var byteCount: Int { shape.reduce(type == .f64 ? 8 : 4, *) }

    /// Those of a model with these views: of one parameter for all of them, or one for each where they cannot be one.
    static func all(_ configuration: Configuration, _ views: [View]) -> [Moment] {
        var found: [Moment] = []
        if views.isEmpty { return found }
        let isByView = configuration.algorithm.takesWholeParameters
        for (index, slot) in configuration.slots.enumerated() {
            if slot.kind == .scalar && !isByView {
                found.append(
                    Moment(name: "optimizer.\(slot.name)", type: .f64, shape: [], parameter: 0, slot: index, offset: 0))
                continue
            }
            for (place, view) in views.enumerated() where slot.exists(for: view.shape.list) {
                found.append(
                    Moment(
                        name: "\(view.name.string).\(slot.name)", type: slot.kind == .scalar ? .f64 : .f32,
                        shape: slot.sizes(for: view.shape.list), parameter: isByView ? place : 0, slot: index,
                        offset: isByView ? 0 : view.offset))
            }
        }
        return found
    }

    /// Its first number.
    func place(in optimizer: Optimizer) throws(MartletError) -> UnsafeMutableRawPointer {
        guard let base = unsafe try optimizer.state(of: parameter, slot: slot).base else {
            throw MartletError(.order, "the optimizer has no \(name)")
        }
        return unsafe base + 4 * offset
    }
}

/// A file that may be a model's; every failure is `.format` but those of the system.
private struct ModelReader: ~Copyable {
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

    /// Runs `body`; what a user would be told of a wrong argument is told of the file.
    func checked<Result>(_ body: () throws(MartletError) -> Result) throws(MartletError) -> Result {
        do throws(MartletError) {
            return try body()
        } catch {
            throw error.kind == .memory ? error : MartletError(.format, error.message)
        }
    }

    func set(_ configuration: inout Configuration, _ key: String) throws(MartletError) {
        guard let text = unsafe reader.metadata("optimizer.\(key)"), unsafe configuration.set(key, to: text) else {
            throw MartletError(.format, "the file's optimizer.\(key) is missing or wrong; expected a number")
        }
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
