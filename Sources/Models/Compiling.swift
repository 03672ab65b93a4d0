// What makes a model ready to train: a loss for each output, and the groups of parameters that step with numbers of their own.
import MartletCompute
import MartletKernelInterface
import MartletOptimizers
import MartletPlatform

extension Model {
    /// Makes the model ready to train: moments at zero, memory planned. May be called again.
    public func compile(_ training: Training, optimizer: Configuration = Configuration(.adam)) throws(MartletError) {
        try compile([training], optimizer: optimizer)
    }

    /// The same for a model of several outputs, each with a loss of its own, of which the weighted sum is trained for. Batches
    /// and moments are as the first says.
    public func compile(
        _ outputs: [Training], optimizer: Configuration = Configuration(.adam)
    ) throws(MartletError) {
        try compile(outputs) { views in ParameterGroups(optimizer, viewCount: views.count) }
    }

    /// The same with several groups of parameters, each with an algorithm and numbers of its own, as Muon for kernels with
    /// AdamW for the rest. `group` gives a parameter's place among `groups`, by its name, as "dense/kernel", and its sizes,
    /// of which a kernel's last is that of the outputs.
    public func compile(
        _ training: Training, groups: [Configuration], group: (_ name: String, _ sizes: [Int]) -> Int
    ) throws(MartletError) {
        try compile([training]) { views in
            ParameterGroups(groups, ofViews: views.map { group($0.name.string, $0.shape.list) })
        }
    }

    /// The same with a group for each of the parameters' views.
    package func compile(
        _ outputs: [Training], groups: [Configuration], ofViews: [Int]
    ) throws(MartletError) {
        try compile(outputs) { _ in ParameterGroups(groups, ofViews: ofViews) }
    }

    private func compile(_ outputs: [Training], _ groups: ([View]) -> ParameterGroups) throws(MartletError) {
        for (number, training) in outputs.enumerated() {
            try training.check(Training.prefix(number, of: outputs.count))
        }
        let built = try made()
        try self.trainer?.finish()
        let trainer = try Trainer(self, built, outputs, groups(built.parameterViews))
        let batch = outputs[0].batchSize
        try trainer.plan(self, batch: batch)
        try trainer.scores(batch: batch)
        try trainer.inputs(self, batch: batch)
        keep(built)
        self.trainer = trainer
    }

    /// Throws `.order` before compile.
    func compiled() throws(MartletError) -> Trainer {
        guard let trainer else {
            throw MartletError(.order, "the model is not compiled; expected compile to be called before")
        }
        return trainer
    }
}
