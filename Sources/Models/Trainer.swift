// What a compiled model has beside its parameters: gradients, the optimizer that steps them, memory for batches; and one
// training step. The loops over batches are in Fitting.swift.
import MartletCompute
import MartletKernelInterface
import MartletOptimizers
import MartletPlatform

@safe final class Trainer {
    /// What each output is trained for; batches and moments are as the first says.
    let settings: [Training]
    let optimizer: Optimizer
    let gradients: FlatBuffer
    /// How each output is scored, and in which order: that of the values that the losses read.
    let scorings: [Scoring]
    private let order: [Int]
    private let hasMetrics: Bool
    let penalties: [Penalty]
    /// Sums over the samples of the training under way, or the last, and over those of the last evaluation.
    let training: Tallies
    let evaluation: Tallies
    private var plan: Plan?
    private var inputs: BatchInputs?
    private var scores: [BatchScores] = []
    /// The tables that are trained by rows.
    let tables: [TableRows]
    private let defersRows: Bool
    /// Training steps done: also what dropout's random numbers depend on.
    var step: Int64 = 0
    /// Epochs begun by `fit`, which the order of samples depends on.
    var epoch: Int64 = 0
    /// Whether the gradients are those of a batch, or were stepped by.
    var hasGradients = false
    /// A batch that the caller leads forward and backward by itself.
    var hand: HandBatch?

    /// Room to keep statistics, where a step may fail when they have moved.
    private let statisticsBefore: FlatBuffer?

    /// A gradient for each of the optimizer's parameters, and how those with sizes lie.
    private var steppedGradients = unsafe RawList<ArrayView>()
    private var layouts = RawList<Int64>()
    /// The groups of views, and their rates beside group 0's; their hyperparameters are the optimizer's to keep.
    let viewGroups: [Int]
    var shares: [Double]
    private let hasEvaluationPoint: Bool
    /// Whether the parameters are at the trained point, where that is not where gradients are taken.
    private let evaluating: Once

    /// For a model with these parameters. The settings have been checked by themselves; whether they suit the model is
    /// looked at here. Throws `.argument`, `.shape` where an algorithm cannot step a view of its group, and `.memory`.
    init(
        _ model: Model, _ built: Built, _ settings: [Training], _ groups: ParameterGroups
    ) throws(MartletError) {
        guard settings.count == model.outputCount else {
            throw MartletError(
                .argument, "training says \(settings.count) outputs; expected \(model.outputCount), the model's")
        }
        self.settings = settings
        evaluating = try Once()
        (viewGroups, shares, hasEvaluationPoint) = (groups.ofViews, groups.shares, groups.haveEvaluationPoint)
        var scorings: [Scoring] = []
        for (number, one) in settings.enumerated() {
            scorings.append(try Scoring(one, model, output: number, Training.prefix(number, of: settings.count)))
        }
        self.scorings = scorings
        order = scorings.indices.sorted { (scorings[$0].value, $0) < (scorings[$1].value, $1) }
        hasMetrics = settings.contains { !$0.metrics.isEmpty }
        penalties = model.penalties(built.parameterViews, of: scorings.map(\.value))
        training = try Tallies(scorings)
        evaluation = try Tallies(scorings)
        try groups.check(built.parameterViews)
        try groups.checkRows(built.parameterViews, settings[0].stateType)
        let parameters = groups.parameters(built.parameterViews, settings[0].stateType)
        tables = model.graph.tables(parameters)
        defersRows = tables.contains {
            groups.configurations[parameters[$0.parameter].group].flags.contains(.deferRows)
        }
        optimizer = try Optimizer(groups.configurations[0])
        for configuration in groups.configurations.dropFirst() { try optimizer.addGroup(configuration) }
        gradients = try FlatBuffer(count: built.parameters.count)
        statisticsBefore = model.hasOwn ? try FlatBuffer(count: built.statistics.count) : nil
        if gradients.count == 0 { return }
        try layouts.reserve(parameters.reduce(0) { $0 + 2 * $1.sizes.count })
        for parameter in parameters { try add(parameter, built) }
    }

    /// Gives the optimizer a parameter; there is room for its layout.
    private func add(_ parameter: SteppedParameter, _ built: Built) throws(MartletError) {
        let start = layouts.count
        for number in parameter.sizes + parameter.strides { try layouts.append(Int64(number)) }
        let sizes = unsafe layouts.elements.baseAddress.map { unsafe UnsafePointer($0 + start) }
        let rank = parameter.sizes.count
        func array(_ buffer: FlatBuffer) -> ArrayView {
            unsafe ArrayView(
                base: buffer.base + parameter.offset, count: parameter.count, type: .fp32, rank: rank, sizes: sizes,
                strides: sizes.map { unsafe $0 + rank })
        }
        _ = try unsafe optimizer.add(
            array(built.parameters), name: parameter.name, group: parameter.group, stateTypes: parameter.types)
        try unsafe steppedGradients.append(array(gradients))
    }

    /// What an array of all parameters has of one of the optimizer's, which lies as that does.
    func part(_ index: Int, of array: ArrayView) -> ArrayView {
        var part = unsafe steppedGradients.elements[index]
        let offset = unsafe part.base.map { unsafe $0 - UnsafeMutableRawPointer(gradients.base) } ?? 0
        unsafe (part.base, part.type) = unsafe (array.base.map { unsafe $0 + offset / 4 * array.type.size }, array.type)
        return unsafe part
    }

    /// Memory for training batches of as many samples, or for those that `compile` was told of where that is more. Throws
    /// `.shape` and `.memory`; what was planned before is kept then.
    @discardableResult
    func plan(_ model: Model, batch: Int) throws(MartletError) -> Plan {
        if let plan, plan.batch >= batch {
            if !tables.isEmpty { try unsafe optimizer.reserve(rows) }
            return plan
        }
        let made = try Plan(model.graph, batch: max(batch, settings[0].batchSize), scored: scorings.map(\.value))
        for table in tables { try table.reserve(made.batch) }
        if !tables.isEmpty { try unsafe optimizer.reserve(rows) }
        plan = made
        return made
    }

    /// The same for the samples that are gathered.
    @discardableResult
    func inputs(_ model: Model, batch: Int) throws(MartletError) -> BatchInputs {
        if let inputs, inputs.batch >= batch { return inputs }
        let made = try BatchInputs(model, batch: max(batch, settings[0].batchSize))
        inputs = made
        return made
    }

    /// The same for what a batch is scored with.
    @discardableResult
    func scores(batch: Int) throws(MartletError) -> [BatchScores] {
        if let first = scores.first, first.batch >= batch { return scores }
        var made: [BatchScores] = []
        for scoring in scorings { made.append(try BatchScores(scoring, batch: max(batch, settings[0].batchSize))) }
        scores = made
        return made
    }

    /// Memory for a batch that the caller leads forward and backward: that of ``hand``, or, for more samples, other.
    func handMemory(_ model: Model, batch: Int) throws(MartletError) -> HandBatch {
        let made: HandBatch
        if let hand, hand.batch >= batch {
            made = hand
        } else {
            made = try HandBatch(model, scorings, batch: max(batch, settings[0].batchSize), tables: tables)
        }
        for table in tables { try table.reserve(made.batch) }
        if !tables.isEmpty { try unsafe optimizer.reserve(rows) }
        return made
    }

    /// Moves parameters to where gradients are taken or to the point that is trained, where these are two, and lets the rows of
    /// tables that are behind catch up before they are looked at. To that several threads may come at once.
    func enter(_ mode: OptimizerMode) throws(MartletError) {
        if !hasEvaluationPoint && !defersRows { return }
        if mode == .evaluation {
            return try evaluating.perform { () throws(MartletError) in
                if defersRows { try optimizer.finish() }
                if hasEvaluationPoint { try optimizer.setMode(mode) }
            }
        }
        evaluating.reset()
        if hasEvaluationPoint { try optimizer.setMode(mode) }
    }

    /// Lets all rows catch up, as before another trainer.
    func finish() throws(MartletError) { if defersRows { try optimizer.finish() } }

    /// The rows that the gradient of one of the optimizer's parameters is of; nil: it is of all elements.
    private func rows(_ parameter: Int) -> GradientRows? { unsafe tables.rows(of: parameter) }

    /// Takes the rows that a batch names of each table: their gradients begin as zeros.
    func takeRows(_ plan: Plan, batch: Int) throws(MartletError) {
        for table in tables {
            unsafe table.clear(gradients.base)
            try table.take(plan, batch: batch)
        }
    }

    /// Lets the rows that a batch names catch up, which is about to read them.
    func catchUp(_ tables: [TableRows]) throws(MartletError) {
        if defersRows {
            try unsafe optimizer.finish { unsafe tables.rows(of: $0) ?? GradientRows(numbers: nil, count: 0) }
        }
    }

    /// The gradients of the batch that `rows` picks out of `data`, which is added to the training's tallies: a step's first half.
    /// Throws before anything but the mode has changed, and gradients where a caller's function fails.
    ///
    /// - Parameter beginsTally: whether the batch is all that a call looks at.
    func differentiate(
        _ model: Model, _ built: Built, _ data: LabelledSamples, _ rows: Rows, _ machine: ExecutionSettings,
        beginsTally: Bool = false
    ) throws(MartletError) {
        let count = unsafe rows.count
        let plan = try plan(model, batch: count)
        let scores = try scores(batch: count)
        let inputs = try inputs(model, batch: count)
        let gathering = try unsafe Execution(mode: .flush, machine)
        try unsafe take(data, rows, scores, gathering)
        try unsafe inputs.take(data.x, rows, model, gathering, for: plan)
        try enter(.training)
        if beginsTally { try training.begin(samples: count) }
        try takeRows(plan, batch: count)
        try catchUp(tables)
        // Another one, as that may have moved the thread's scratch memory, which an execution holds.
        let execution = try unsafe Execution(mode: .flush, machine)
        let pass = unsafe BatchPass(model, built, plan, execution, batch: count, trainingStep: UInt64(step))
        try keepingStatistics(built) { () throws(MartletError) in
            try unsafe score(model, built, plan, pass, scores, into: training)
            try unsafe backward(model, plan, pass)
        }
        unsafe addPenalties(built, execution)
        hasGradients = true
    }

    /// Does what may fail in the middle, as the functions of callers' layers may, and puts statistics back where it does.
    func keepingStatistics(_ built: Built, _ body: () throws(MartletError) -> Void) throws(MartletError) {
        guard let before = statisticsBefore else { return try body() }
        unsafe before.base.update(from: built.statistics.base, count: before.count)
        do {
            try body()
        } catch {
            unsafe built.statistics.base.update(from: before.base, count: before.count)
            throw error
        }
    }

    /// Takes what each output should give for a batch. Throws `.argument`.
    func take(
        _ data: LabelledSamples, _ rows: Rows, _ scores: [BatchScores], _ execution: Execution
    ) throws(MartletError) {
        for number in scores.indices { try unsafe scores[number].take(data, output: number, rows, execution) }
    }

    /// Runs a batch forward, and adds its losses and metrics to the tallies; writes the gradients of its mean losses where the
    /// plan has places for them. Throws `.memory`, and not within the samples that the walk began with, and where a caller's
    /// function fails.
    ///
    /// - Parameter byHand: whether the plan is a ``HandBatch``'s, all of whose outputs are read.
    func score(
        _ model: Model, _ built: Built, _ plan: Plan, _ pass: BatchPass, _ scores: [BatchScores],
        into tallies: Tallies, byHand: Bool = false
    ) throws(MartletError) {
        var done = 0
        var loss = 0.0
        let first = byHand ? model.outputCount : 0
        for number in order where scores[number].isScored {
            let scoring = scorings[number]
            let behind = max(done, (model.graph.values[scoring.value].maker ?? -1) + 1)
            try unsafe model.forward(plan, pass, done..<behind)
            done = behind
            let mean = unsafe scores[number].loss(
                plan.value(scoring.value), batch: pass.batch, gradient: plan.lossGradient(first + number),
                pass.execution)
            unsafe tallies.outputs[number].add(loss: mean, samples: pass.batch)
            loss += scoring.settings.weight * mean
        }
        unsafe tallies.add(loss: loss + penalty(built, pass.execution), samples: pass.batch)
        // What is behind the last loss, metrics alone read.
        if !hasMetrics && !byHand { return }
        try unsafe model.forward(plan, pass, done..<model.graph.steps.count)
        for number in scores.indices where scores[number].isScored {
            try unsafe scores[number].measure(
                plan.value(scorings[number].output), batch: pass.batch, into: tallies.outputs[number], pass.execution)
        }
    }

    /// A training step's other half, by what stands in the gradients. Throws before anything has changed.
    func finishStep(_ machine: ExecutionSettings) throws(MartletError) {
        try stepOptimizer(machine)
        hand?.count = 0
        step += 1
        hasGradients = true
    }

    /// Throws where a caller's function fails.
    func backward(_ model: Model, _ plan: Plan, _ pass: BatchPass) throws(MartletError) {
        unsafe add(plan, from: 0, plan.firstAdditionCount, pass)
        let steps = model.graph.steps
        for index in steps.indices.reversed() {
            let place = unsafe plan.place(index)
            guard let gradient = unsafe place.pointee.gradient else { continue }
            if unsafe place.pointee.runsBackward && steps[index].operation.givesRows {
                for table in tables {
                    unsafe table.add(
                        pass.memory.address(gradient), of: index, batch: pass.batch, to: gradients.base, pass.execution)
                }
            } else if unsafe place.pointee.runsBackward {
                let forward = unsafe pass.forward(place, steps[index].firstParameter, steps[index].firstStatistic)
                let own = unsafe place.pointee.parameterGradients.map { unsafe pass.memory.address($0) }
                let all = unsafe steps[index].isFrozen ? nil : gradients.base + steps[index].firstParameter
                try unsafe steps[index].operation.backward(
                    BackwardPass(
                        forward: forward, gradient: pass.memory.address(gradient), parameterGradients: own ?? all))
                if let own = unsafe own, let all = unsafe all {
                    unsafe pass.execution.run(
                        CombinationRequest(.sum, count: steps[index].parameterCount, all, own, out: all))
                }
            }
            unsafe add(plan, from: place.pointee.firstAddition, place.pointee.additionCount, pass)
        }
    }

    /// Adds up gradients that have met.
    private func add(_ plan: Plan, from first: Int, _ count: Int, _ pass: BatchPass) {
        for index in first..<first + count {
            let addition = plan.additions[index]
            unsafe pass.execution.run(
                CombinationRequest(
                    .sum, count: pass.batch * addition.perSample, pass.memory.address(addition.left),
                    pass.memory.address(addition.right), out: pass.memory.address(addition.out)))
        }
    }

    /// Steps that the optimizer has taken; 0 where there is nothing to step.
    func optimizerStep() throws(MartletError) -> Int64 {
        optimizer.count == 0 ? 0 : try optimizer.stepCount(of: 0)
    }

    /// Throws `.argument` where so many epochs of so many batches would take a counter past 2^63 - 1: a file may have set
    /// it to anything up to there.
    func checkCounters(epochs: Int, batches: Int) throws(MartletError) {
        let (steps, overflow) = max(epochs, 1).multipliedReportingOverflow(by: batches)
        let taken = max(step, try optimizerStep())
        guard !overflow && steps <= .max - taken && epochs <= .max - epoch else {
            throw MartletError(
                .argument,
                "the model has taken \(taken) steps in \(epoch) epochs; expected less, so that this call's do not go past "
                    + "2^63 - 1")
        }
    }

    private func stepOptimizer(_ machine: ExecutionSettings) throws(MartletError) {
        if optimizer.count == 0 { return }
        _ = try unsafe optimizer.step(
            UnsafeBufferPointer(steppedGradients.elements), threads: machine.threads, rows: rows)
    }

    /// The Euclidean norm of what stands in the gradients; NaN before the first that this trainer made.
    func gradientNorm() throws(MartletError) -> Double {
        if !hasGradients { return .nan }
        let execution = try unsafe Execution(mode: .exact)
        return unsafe execution.sumOfSquares(count: gradients.count, x: gradients.base).squareRoot()
    }
}

extension Model {
    /// Runs some operations over a batch, whose values before them are there. Throws where a caller's function fails.
    func forward(_ plan: Plan, _ pass: BatchPass, _ range: Range<Int>) throws(MartletError) {
        let steps = graph.steps
        for index in range {
            let place = unsafe plan.place(index)
            if unsafe !place.pointee.runsForward { continue }
            try unsafe steps[index].operation.forward(
                pass.forward(place, steps[index].firstParameter, steps[index].firstStatistic))
        }
    }
}
