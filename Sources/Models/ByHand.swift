// A batch forward and backward by a caller's own loss: its outputs as training computes them, and from their slopes the
// gradients of parameters and of inputs.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// A batch whose backward pass is the caller's to begin. Its gradients come from the caller's slopes of each output, and from
/// the library's losses, whose numbers are behind those in the plan.
final class HandBatch {
    /// The most samples.
    let batch: Int
    let plan: Plan
    let inputs: BatchInputs
    /// The rows that it reads of tables that are trained by rows.
    let tables: [TableRows]
    /// Samples that have been run forward, and not backward yet.
    var count = 0
    /// Whether the library has scored each output.
    var isScored: [Bool]

    /// Throws `.shape` and `.memory`.
    init(_ model: Model, _ scorings: [Scoring], batch: Int, tables: [TableRows]) throws(MartletError) {
        self.batch = batch
        self.tables = tables.map { TableRows(like: $0) }
        for table in self.tables { try table.reserve(batch) }
        plan = try Plan(
            model.graph, batch: batch, scored: model.graph.outputs + scorings.map(\.value), ofInputs: true)
        inputs = try BatchInputs(model, batch: batch)
        isScored = scorings.map { _ in false }
    }
}

extension Model {
    /// The outputs of a batch as training computes them: with dropout by the steps taken, and by the batch's own statistics,
    /// which move. What a backward pass needs, samples too, is kept in memory of its own for ``backward(_:inputs:)``, until a
    /// step is taken or another batch is run forward. Throws before anything but the mode has changed.
    ///
    /// - Parameters:
    ///   - y: what each output should give by its loss of the library's, an array without elements where that is not looked at;
    ///     nil: none is.
    ///   - weights: a number for each sample, which these losses are multiplied by; nil: ones.
    ///   - out: room for all samples of the first output, then of the next.
    /// - Returns: the losses and metrics of the outputs that have a `y`; nil where `y` is.
    @discardableResult
    public func forward(
        _ x: SampleArrays, _ y: SampleArrays? = nil, weights: Samples? = nil, rows: UnsafePointer<Int64>? = nil,
        rowCount: Int = 0, into out: UnsafeMutableBufferPointer<Float>
    ) throws(MartletError) -> Score? {
        let trainer = try compiled()
        let data = try unsafe y.map { y throws(MartletError) in
            try unsafe LabelledSamples(x, y, weights, self, trainer.scorings, mayLack: true)
        }
        guard unsafe y != nil || weights == nil else {
            throw MartletError(.argument, "weights are given, and y is NULL; expected both, or no weights")
        }
        let samples: Int
        if let data = unsafe data {
            samples = unsafe data.count
            try unsafe data.checkApart(from: self, trainer)
        } else {
            samples = try x.sampleCount(of: self)
            try x.checkApart(from: self, trainer)
        }
        let rows = try unsafe batch(rows, rowCount, of: samples, trainer)
        let count = unsafe rows.count
        let wanted = try elements(outputElementCount, times: count)
        guard out.count == wanted, let target = out.baseAddress else {
            throw MartletError(
                .shape,
                "out_count is \(out.count); expected \(wanted), \(count) samples of \(outputElementCount) elements")
        }
        let written = unsafe Samples(UnsafeBufferPointer(out))
        for number in 0..<x.count { try unsafe written.checkApart(from: x[number], "out", x.subject(number)) }
        if let y {
            for number in 0..<y.count { try unsafe written.checkApart(from: y[number], "out", y.subject(number)) }
        }
        if let weights = unsafe weights { try unsafe written.checkApart(from: weights, "out", "weights") }
        try unsafe checkApart(written, "out", trainer)
        try unsafe x.checkIndices(self, rows)
        let machine = try ExecutionSettings()
        let built = try build()
        let hand = try trainer.handMemory(self, batch: count)
        let scores = unsafe try data == nil ? [] : trainer.scores(batch: count)
        if let data = unsafe data {
            try unsafe trainer.take(data, rows, scores, Execution(mode: .flush, machine))
            try trainer.training.begin(samples: count)
        }
        try trainer.enter(.training)
        let gathering = try unsafe Execution(mode: .flush, machine)
        // A batch that waits is written over from here on, where nothing fails any more but functions of the caller's.
        hand.count = 0
        try unsafe hand.inputs.take(x, rows, self, gathering, for: hand.plan, copies: true)
        for table in hand.tables { try table.take(hand.plan, batch: count) }
        try trainer.catchUp(hand.tables)
        trainer.hand = hand
        // Another one, as that may have moved the thread's scratch memory, which an execution holds.
        let execution = try unsafe Execution(mode: .flush, machine)
        let pass = unsafe BatchPass(
            self, built, hand.plan, execution, batch: count, trainingStep: UInt64(trainer.step))
        try trainer.keepingStatistics(built) { () throws(MartletError) in
            if scores.isEmpty {
                try unsafe forward(hand.plan, pass, graph.steps.indices)
            } else {
                try unsafe trainer.score(self, built, hand.plan, pass, scores, into: trainer.training, byHand: true)
            }
        }
        for number in hand.isScored.indices { hand.isScored[number] = !scores.isEmpty && scores[number].isScored }
        var start = unsafe target
        for (number, value) in graph.outputs.enumerated() {
            let elements = count * outputShape(number).elementCount
            unsafe start.update(from: hand.plan.value(value), count: elements)
            unsafe start += elements
        }
        hand.count = count
        return scores.isEmpty ? nil : trainer.training.score
    }

    /// The gradients of parameters, in ``gradientMemory()``, from slopes of the outputs that ``forward(_:rows:rowCount:into:)``
    /// gave, which lie as those do: what a loss changes by with each, with a softmax's probabilities where it gives those. The
    /// library's losses of outputs that had a `y`, and what layers add, are added. ``step()`` steps by them. Throws before
    /// anything but the mode has changed.
    ///
    /// - Parameter inputs: nil, or for each input as many numbers of fp32 as its samples had, which become their gradients,
    ///   zeros where no output depends on them; an array of no elements: nothing is written.
    public func backward(
        _ slopes: UnsafeBufferPointer<Float>, inputs: SampleArrays? = nil
    ) throws(MartletError) {
        let trainer = try compiled()
        guard let hand = trainer.hand, hand.count > 0 else {
            throw MartletError(
                .order, "no batch has been run forward since the last backward pass or step; expected forward before")
        }
        let count = hand.count
        let wanted = count * outputElementCount
        guard slopes.count == wanted, let source = slopes.baseAddress else {
            throw MartletError(
                .shape,
                "slope_count is \(slopes.count); expected \(wanted), \(count) samples of \(outputElementCount) elements"
            )
        }
        try unsafe checkApart(Samples(slopes), "slopes", trainer)
        if let inputs { try unsafe check(inputs, count, slopes, trainer) }
        let machine = try ExecutionSettings()
        let built = try build()
        try trainer.enter(.training)
        let execution = try unsafe Execution(mode: .flush, machine)
        var start = unsafe source
        for number in 0..<outputCount {
            let elements = count * outputShape(number).elementCount
            unsafe hand.plan.lossGradient(number)?.update(from: start, count: elements)
            unsafe start += elements
            if hand.isScored[number] { continue }
            let read = graph.values[trainer.scorings[number].value].shape.elementCount
            unsafe hand.plan.lossGradient(outputCount + number)?.update(repeating: 0, count: count * read)
        }
        let pass = unsafe BatchPass(
            self, built, hand.plan, execution, batch: count, trainingStep: UInt64(trainer.step))
        try trainer.takeRows(hand.plan, batch: count)
        hand.count = 0
        try unsafe trainer.backward(self, hand.plan, pass)
        unsafe trainer.addPenalties(built, execution)
        trainer.hasGradients = true
        guard let inputs else { return }
        for number in 0..<inputs.count { write(inputs, number, hand.plan) }
    }

    /// Throws where arrays cannot take the gradients of so many samples of each input.
    private func check(
        _ inputs: SampleArrays, _ samples: Int, _ slopes: UnsafeBufferPointer<Float>, _ trainer: Trainer
    ) throws(MartletError) {
        guard inputs.count == inputCount else {
            throw MartletError(
                .argument, "\(inputs.name) has \(inputs.count) arrays; expected \(inputCount), one for each input")
        }
        for number in 0..<inputCount {
            let (array, subject) = unsafe (inputs[number], inputs.subject(number))
            if unsafe array.count == 0 { continue }
            guard table(ofInput: number) == nil else {
                throw MartletError(
                    .argument, "\(subject) has elements; expected none: the input holds rows of a table")
            }
            let found = try unsafe array.sampleCount(of: inputShape(number), subject)
            guard found == samples else {
                throw MartletError(.shape, "\(subject) has \(found) samples; expected \(samples), the batch's")
            }
            try unsafe checkApart(array, subject, trainer)
            try unsafe array.checkApart(from: Samples(slopes), subject, "slopes")
            for other in 0..<number {
                try unsafe array.checkApart(from: inputs[other], subject, inputs.subject(other))
            }
        }
    }

    /// Copies the gradient of an input; zeros where nothing depends on it.
    private func write(_ inputs: SampleArrays, _ number: Int, _ plan: Plan) {
        let array = unsafe inputs[number]
        guard let base = unsafe array.base, unsafe array.count > 0 else { return }
        let target = unsafe UnsafeMutableRawPointer(mutating: base).assumingMemoryBound(to: Float.self)
        if let gradient = unsafe plan.inputGradient(number) {
            unsafe target.update(from: gradient, count: array.count)
        } else {
            unsafe target.update(repeating: 0, count: array.count)
        }
    }

    private func elements(_ each: Int, times count: Int) throws(MartletError) -> Int {
        let (product, overflow) = each.multipliedReportingOverflow(by: count)
        guard !overflow else {
            throw MartletError(.memory, "a batch of \(count) samples is beyond what a machine can address")
        }
        return product
    }
}
