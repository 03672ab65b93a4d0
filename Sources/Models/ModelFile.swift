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
        try build { (built) throws(MartletError) in
            try trainer?.enter(.evaluation)
            try unsafe write(built, to: path)
        }
    }

    private func write(_ built: Built, to path: UnsafePointer<CChar>) throws(MartletError) {
        var writer = SafetensorsWriter()
        try writer.addMetadata("format", "\(Model.format)")
        var general = NumberLine()
        general.add("version", 1)
        general.add("seed", Int(Int64(bitPattern: seed)))
        general.add("layers", nodes.count - 1)
        for (place, size) in input.list.enumerated() { general.add("input\(place)", size) }
        if outputNodes != [nodes.count - 1] { general.add("outputs", outputNodes) }
        try writer.addMetadata("model", general.text)
        for (index, node) in nodes.enumerated().dropFirst() {
            var line = node.layer.line
            if !node.inputs.isEmpty { line.add("inputs", node.inputs) }
            if let first = node.first { line.add("first", first) }
            try writer.addMetadata("layer.\(index)", line.text)
            try writer.addMetadata("layer.\(index).name", node.name.string)
        }
        try unsafe add(to: &writer, built.parameters.base, built.parameterViews)
        try unsafe add(to: &writer, built.statistics.base, built.statisticViews)
        if let trainer { try add(to: &writer, trainer, built.parameterViews) }
        try notes.add(to: &writer)
        try unsafe writer.write(to: path)
    }

    static var format: StaticString { "martlet.model" }

    private func add(
        to writer: inout SafetensorsWriter, _ trainer: Trainer, _ views: [View]
    ) throws(MartletError) {
        for (number, settings) in trainer.settings.enumerated() {
            try writer.addMetadata(Training.key(number), settings.line.text)
        }
        let groups = trainer.groups
        var state = NumberLine()
        state.add("algorithm", Int(groups.configurations[0].algorithm.rawValue))
        state.add("step", Int(trainer.step))
        state.add("epoch", Int(trainer.epoch))
        state.add("optimizer_step", Int(try trainer.optimizerStep()))
        if groups.configurations.count > 1 { state.add("groups", groups.configurations.count) }
        try writer.addMetadata("state", state.text)
        for (index, configuration) in groups.configurations.enumerated() {
            try configuration.describe { (key, value) throws(MartletError) in
                try writer.addMetadata(ParameterGroups.key(index) + key, value)
            }
            if configuration.seed != 0 {
                try writer.addMetadata(ParameterGroups.key(index) + "seed", "\(configuration.seed)")
            }
            if index > 0 { try writer.addMetadata("group.\(index)", groups.line(index).text) }
        }
        for (index, group) in groups.ofViews.enumerated() where group > 0 {
            try writer.addMetadata("view.\(index)", "group=\(group)")
        }
        for moment in Moment.all(groups, views, trainer.settings[0].stateType) {
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
                let (inputs, first) = (line.integers("inputs"), line.integer("first"))
                return try model.add(layer, inputs: inputs, prefix: "the file's layer.\(index).", again: first)
            }
        }
        if let outputs = general.integers("outputs") {
            try file.checked { () throws(MartletError) in try model.setOutputs(outputs) }
        }
        try model.read(file)
        try file.readNotes(into: &model.notes)
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
        var outputs: [Training] = []
        for number in 0..<outputCount {
            let line = try file.line(Training.key(number))
            guard let settings = Training(line) else {
                throw file.wrong(Training.key(number), line.text, "the numbers of training")
            }
            outputs.append(settings)
        }
        let state = try file.line("state")
        guard let step = state.integer("step"), let epoch = state.integer("epoch"),
            let taken = state.integer("optimizer_step"), [step, epoch, taken].allSatisfy({ $0 >= 0 })
        else { throw file.wrong("state", state.text, "an algorithm, and counters of 0 or more") }
        let groups = try file.groups(state, viewCount: views.count)
        try file.checked { () throws(MartletError) in
            for settings in outputs { try settings.check("training.") }
            try groups.check(views)
        }
        // Every moment's tensor must be there before memory is taken for it.
        let moments = Moment.all(groups, views, outputs[0].stateType)
        for moment in moments { _ = try file.find(moment.name, moment.type, moment.shape) }
        let trainer = try file.checked { () throws(MartletError) in
            return try Trainer(self, built, outputs, groups)
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
        if groups.haveEvaluationPoint { trainer.optimizer.mode = .evaluation }
        self.trainer = trainer
        return moments.count
    }
}

extension Training {
    /// The key of an output's numbers.
    fileprivate static func key(_ number: Int) -> String { number == 0 ? "training" : "training.\(number)" }
}

extension ParameterGroups {
    /// What stands before the keys of a group's numbers.
    static func key(_ group: Int) -> String { group == 0 ? "optimizer." : "optimizer.\(group)." }

    /// What is said of a group but its numbers.
    fileprivate func line(_ group: Int) -> NumberLine {
        var line = NumberLine()
        line.add("algorithm", Int(configurations[group].algorithm.rawValue))
        line.add("share", bits: shares[group])
        return line
    }
}
