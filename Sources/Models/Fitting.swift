// The calls that a user makes of a compiled model: train, fit, evaluate and predict, each a walk over batches.
import MartletCompute
import MartletKernelInterface
import MartletOptimizers
import MartletPlatform

extension Model {
    /// Throws `.overlap` where samples share memory with the model's parameters or statistics, or with the gradients of
    /// `trainer`: all that a caller has the address of.
    func checkApart(
        _ samples: Samples, _ subject: @autoclosure () -> String, _ trainer: Trainer? = nil
    ) throws(MartletError) {
        guard let built else { return }
        try unsafe samples.checkApart(from: Samples(built.parameters), subject(), "the model's parameters")
        try unsafe samples.checkApart(from: Samples(built.statistics), subject(), "the model's statistics")
        guard let trainer else { return }
        try unsafe samples.checkApart(from: Samples(trainer.gradients), subject(), "the model's gradients")
    }

    /// One training step on one batch: the samples that `rows` names, or all.
    ///
    /// - Parameter weights: a number for each sample, or samples x outputs numbers, which its loss is multiplied by; nil: ones.
    @discardableResult
    public func train(
        _ x: SampleArrays, _ y: SampleArrays, weights: Samples? = nil, rows: UnsafePointer<Int64>? = nil,
        rowCount: Int = 0
    ) throws(MartletError) -> Score {
        let trainer = try compiled()
        try trainer.checkCounters(epochs: 0, batches: 1)
        let machine = try ExecutionSettings()
        try unsafe differentiate(trainer, x, y, weights, rows, rowCount, machine)
        try trainer.finishStep(machine)
        return trainer.training.score
    }

    /// The first half of a training step: loss, metrics and gradients of a batch, whose running statistics move as they do
    /// in training. Parameters stay as they are until ``step()``.
    @discardableResult
    public func differentiate(
        _ x: SampleArrays, _ y: SampleArrays, weights: Samples? = nil, rows: UnsafePointer<Int64>? = nil,
        rowCount: Int = 0
    ) throws(MartletError) -> Score {
        let trainer = try compiled()
        try unsafe differentiate(trainer, x, y, weights, rows, rowCount, ExecutionSettings())
        return trainer.training.score
    }

    private func differentiate(
        _ trainer: Trainer, _ x: SampleArrays, _ y: SampleArrays, _ weights: Samples?, _ rows: UnsafePointer<Int64>?,
        _ rowCount: Int, _ machine: ExecutionSettings
    ) throws(MartletError) {
        let data = try unsafe LabelledSamples(x, y, weights, self, trainer.scorings)
        try unsafe data.checkApart(from: self, trainer)
        let rows = try unsafe batch(rows, rowCount, of: data.count, trainer)
        let built = try build()
        try unsafe trainer.differentiate(self, built, data, rows, machine, beginsTally: true)
    }

    /// The rows of a batch: those that a caller names, or all of so many samples. Throws `.shape`, `.overlap`, and `.argument`
    /// where one is none of them.
    func batch(
        _ rows: UnsafePointer<Int64>?, _ rowCount: Int, of samples: Int, _ trainer: Trainer
    ) throws(MartletError) -> Rows {
        let rows = unsafe rows.map { unsafe Rows.list($0, count: rowCount) } ?? .range(start: 0, count: samples)
        guard unsafe rows.count >= 1 && rows.count <= Training.mostSamples else {
            throw unsafe MartletError(.shape, "the batch has \(rows.count) samples; expected 1 to 2^31")
        }
        if case .list(let list, let count) = unsafe rows {
            try unsafe checkApart(Samples(base: UnsafeRawPointer(list), count: count, type: .int64), "rows", trainer)
        }
        try unsafe rows.check(samples: samples)
        try unsafe stateKeeper?.check(rows.count, batch: rows.count)
        return unsafe rows
    }

    /// The other half: a step by what stands in ``gradientMemory()``, whoever wrote it.
    public func step() throws(MartletError) {
        let trainer = try compiled()
        try trainer.checkCounters(epochs: 0, batches: 1)
        try trainer.enter(.training)
        try trainer.takeWrittenRows()
        try trainer.finishStep(ExecutionSettings())
    }

    /// Trains for some epochs. `validation`: samples that are evaluated after each.
    @discardableResult
    public func fit(
        _ x: SampleArrays, _ y: SampleArrays, weights: Samples? = nil,
        validation: (x: SampleArrays, y: SampleArrays, weights: Samples?)? = nil, _ loop: Loop = Loop()
    ) throws(MartletError) -> Outcome {
        let trainer = try compiled()
        let data = try unsafe LabelledSamples(x, y, weights, self, trainer.scorings, "loop.")
        try unsafe data.checkApart(from: self, trainer)
        try unsafe data.check(self, trainer.scorings)
        let held = try unsafe validation.map { pair throws(MartletError) in
            try unsafe LabelledSamples(
                pair.x, pair.y, pair.weights, self, trainer.scorings, "loop.validation_")
        }
        if let held = unsafe held {
            try unsafe held.checkApart(from: self, trainer)
            try unsafe held.check(self, trainer.scorings)
        }
        guard loop.epochs >= 1 && loop.epochs <= Int(Int32.max) else {
            throw MartletError(.argument, "loop.epochs is \(loop.epochs); expected 1 to 2^31 - 1")
        }
        let batch = unsafe min(try batchSize(loop), data.count)
        try unsafe stateKeeper?.check(data.count, batch: batch)
        if let held = unsafe held { try unsafe stateKeeper?.check(held.count, batch: batch) }
        // Everything that could fail later, with the model half trained.
        try trainer.checkCounters(epochs: loop.epochs, batches: unsafe (data.count - 1) / batch + 1)
        try trainer.plan(self, batch: batch)
        try trainer.scores(batch: batch)
        try trainer.inputs(self, batch: batch)
        let space = unsafe held == nil ? nil : workspaces.take() ?? Workspace()
        defer { if let space { workspaces.give(space) } }
        _ = try space?.plan(self, batch: batch)
        let machine = try ExecutionSettings()
        _ = try unsafe Execution(mode: .flush, machine)
        var order = try unsafe Order(count: loop.keepsOrder ? 0 : data.count)
        if let held = unsafe held { try unsafe trainer.evaluation.begin(samples: held.count) }
        try unsafe trainer.training.begin(samples: data.count)
        let built = try build()
        var outcome = Outcome(score: trainer.training.score)
        let clock = Stopwatch()
        for epoch in 0..<loop.epochs {
            outcome.validation = nil
            trainer.training.reset()
            if !loop.keepsOrder { try order.shuffle(seed: seed, epoch: UInt64(trainer.epoch), machine) }
            trainer.epoch += 1
            outcome.isStopped = try unsafe walk(data.count, batch, loop, clock, epoch: epoch, trainer.training) {
                (range) throws(MartletError) in
                let rows =
                    unsafe loop.keepsOrder
                    ? Rows.range(start: range.lowerBound, count: range.count) : order.rows(range)
                try unsafe trainer.differentiate(self, built, data, rows, machine)
                try trainer.finishStep(machine)
            }
            try trainer.enter(.evaluation)
            if unsafe trainer.training.samples == data.count { outcome.epochs = epoch + 1 }
            if outcome.isStopped { break }
            if let held = unsafe held, let space {
                trainer.evaluation.reset()
                _ = try unsafe walk(held.count, batch, Loop(), clock, epoch: nil, nil) {
                    (range) throws(MartletError) in
                    try unsafe evaluate(held, range, batch, space, trainer, machine, into: trainer.evaluation)
                }
                outcome.validation = trainer.evaluation.score
            }
        }
        outcome.score = trainer.training.score
        return outcome
    }

    /// Loss and metrics over all samples; an array of `y` without elements says that its output is not scored.
    public func evaluate(
        _ x: SampleArrays, _ y: SampleArrays, weights: Samples? = nil, _ loop: Loop = Loop()
    ) throws(MartletError) -> Outcome {
        let trainer = try compiled()
        let data = try unsafe LabelledSamples(x, y, weights, self, trainer.scorings, "loop.", mayLack: true)
        try unsafe data.check(self, trainer.scorings)
        let batch = unsafe min(try batchSize(loop), data.count)
        try unsafe stateKeeper?.check(data.count, batch: batch)
        let machine = try ExecutionSettings()
        try unsafe trainer.evaluation.begin(samples: data.count)
        let isStopped = try withWorkspace { (space) throws(MartletError) in
            try unsafe walk(data.count, batch, loop, Stopwatch(), epoch: nil, trainer.evaluation) {
                (range) throws(MartletError) in
                try unsafe evaluate(data, range, batch, space, trainer, machine, into: trainer.evaluation)
            }
        }
        var outcome = Outcome(score: trainer.evaluation.score)
        outcome.isStopped = isStopped
        return outcome
    }

    private func evaluate(
        _ data: LabelledSamples, _ range: Range<Int>, _ batch: Int, _ space: Workspace, _ trainer: Trainer,
        _ machine: ExecutionSettings, into tallies: Tallies
    ) throws(MartletError) {
        let scores = try trainer.scores(batch: batch)
        let plan = try space.plan(self, batch: batch)
        try trainer.enter(.evaluation)
        // Behind that, which may move the thread's scratch memory: an execution holds it.
        let execution = try unsafe Execution(mode: .flush, machine)
        let rows = unsafe Rows.range(start: range.lowerBound, count: range.count)
        try unsafe trainer.take(data, rows, scores, execution)
        try unsafe trainer.inputs(self, batch: batch).take(data.x, rows, self, execution, for: plan)
        let built = try build()
        let pass = unsafe BatchPass(self, built, plan, execution, batch: range.count)
        try unsafe trainer.score(self, built, plan, pass, scores, into: tallies)
    }

    /// The output of every sample, of several outputs all samples' of one behind the other's; true where the walk was stopped.
    /// Several threads may be inside at once.
    @discardableResult
    public func predict(
        _ x: SampleArrays, into out: UnsafeMutableBufferPointer<Float>, _ loop: Loop = Loop()
    ) throws(MartletError) -> Bool {
        try checkLayers()
        let count = try x.sampleCount(of: self)
        let target = try unsafe room(out, for: count, of: x, in: self)
        let batch = min(try batchSize(loop), count)
        guard let stateKeeper else { return try unsafe predict(x, count, batch, into: target, loop) }
        try stateKeeper.check(count, batch: batch)
        return try stateKeeper.inTurn { () throws(MartletError) in
            try unsafe predict(x, count, batch, into: target, loop)
        }
    }

    private func predict(
        _ x: SampleArrays, _ count: Int, _ batch: Int, into target: UnsafeMutablePointer<Float>, _ loop: Loop
    ) throws(MartletError) -> Bool {
        try withWorkspace { (space) throws(MartletError) in
            let (plan, inputs) = (try space.plan(self, batch: batch), try space.inputs(self, x, batch: batch))
            let machine = try ExecutionSettings()
            let built = try build()
            try trainer?.enter(.evaluation)
            return try walk(count, batch, loop, Stopwatch(), epoch: nil, nil) { (range) throws(MartletError) in
                let execution = try unsafe Execution(mode: .flush, machine)
                let rows = unsafe Rows.range(start: range.lowerBound, count: range.count)
                try unsafe inputs.take(x, rows, self, execution, for: plan)
                let pass = unsafe BatchPass(self, built, plan, execution, batch: range.count)
                try unsafe forward(plan, pass, graph.steps.indices)
                unsafe copyOutputs(of: plan, range, of: count, to: target)
            }
        }
    }

    /// Where the outputs of `model` for so many samples go: itself, or that of one step. Throws `.shape` where the room is
    /// another, `.overlap`, and `.argument` where a row is none of its table's.
    func room(
        _ out: UnsafeMutableBufferPointer<Float>, for count: Int, of x: SampleArrays, in model: Model
    ) throws(MartletError) -> UnsafeMutablePointer<Float> {
        let elements = model.outputElementCount
        let (wanted, overflow) = count.multipliedReportingOverflow(by: elements)
        guard !overflow, out.count == wanted, let target = out.baseAddress else {
            throw MartletError(
                .shape, "out_count is \(out.count); expected \(wanted), \(count) samples of \(elements) elements")
        }
        let written = unsafe Samples(UnsafeBufferPointer(out))
        for number in 0..<x.count { try unsafe written.checkApart(from: x[number], "out", x.subject(number)) }
        try unsafe checkApart(written, "out")
        try unsafe x.checkIndices(model)
        return unsafe target
    }

    /// Copies what a plan has of some samples, of so many in all, of each output behind the one before.
    func copyOutputs(of plan: Plan, _ range: Range<Int>, of count: Int, to target: UnsafeMutablePointer<Float>) {
        var start = unsafe target
        for (number, value) in graph.outputs.enumerated() {
            let elements = outputShape(number).elementCount
            unsafe (start + range.lowerBound * elements).update(
                from: plan.value(value), count: range.count * elements)
            unsafe start += count * elements
        }
    }

    private func batchSize(_ loop: Loop) throws(MartletError) -> Int {
        guard loop.batchSize >= 0 && loop.batchSize <= Training.mostSamples else {
            throw MartletError(
                .argument, "loop.batch_size is \(loop.batchSize); expected 1 to 2^31, or 0 for the default")
        }
        return loop.batchSize == 0
            ? stateKeeper?.batch ?? trainer?.settings[0].batchSize ?? 32 : loop.batchSize
    }

    /// Calls `body` on batch after batch, and the progress function after each; true where that asked to stop.
    private func walk(
        _ count: Int, _ batch: Int, _ loop: Loop, _ clock: @autoclosure () -> Stopwatch, epoch: Int?,
        _ tallies: Tallies?, _ body: (Range<Int>) throws(MartletError) -> Void
    ) throws(MartletError) -> Bool {
        // Nobody who is told nothing has the time looked at.
        let clock = loop.progress.map { _ in clock() }
        var start = 0
        while start < count {
            let end = min(start + batch, count)
            try body(start..<end)
            start = end
            guard let report = loop.progress, let clock else { continue }
            var progress = Progress()
            progress.epoch = epoch ?? 0
            progress.epochs = epoch == nil ? 1 : loop.epochs
            progress.batch = (end - 1) / batch + 1
            progress.batches = (count - 1) / batch + 1
            progress.samples = end
            if let tallies {
                (progress.loss, progress.accuracy) = (tallies.meanLoss, tallies.outputs[0].value(.accuracy))
            }
            progress.seconds = clock.seconds
            if !report(progress) { return true }
        }
        return false
    }
}
