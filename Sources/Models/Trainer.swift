// What a compiled model has beside its parameters: gradients, the optimizer that steps them, memory for batches; and a
// step by gradients. How these come about is in Differentiating.swift, the loops over batches are in Fitting.swift.
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
    private(set) var scorings: [Scoring]
    private(set) var order: [Int]
    let hasMetrics: Bool
    let penalties: [Penalty]
    /// Sums over the samples of the training under way, or the last, and over those of the last evaluation.
    let training: Tallies
    let evaluation: Tallies
    private var plan: Plan?
    /// What the plan before had, for batches of other sizes.
    private var spare: FlatBuffer?
    private var inputs: BatchInputs?
    private var scores: [BatchScores] = []
    /// The tables that are trained by rows.
    let tables: [TableRows]
    private let defersRows: Bool
    /// Training steps done: also what dropout's random numbers depend on.
    var step: Int64 = 0
    /// Epochs begun by `fit`, which the order of samples depends on.
    var epoch: Int64 = 0
    /// Whether somebody else has the gradients' address, and may write there at any time.
    var gradientsAreShared = false
    /// Whether the gradients are those of a batch, or were stepped by.
    var hasGradients = false
    /// A batch that the caller leads forward and backward by itself.
    var hand: HandBatch?

    /// Room to keep statistics, where a step may fail when they have moved.
    let statisticsBefore: FlatBuffer?

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
        order = Self.order(scorings)
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

    private static func order(_ scorings: [Scoring]) -> [Int] {
        scorings.indices.sorted { (scorings[$0].value, $0) < (scorings[$1].value, $1) }
    }

    /// Goes on with outputs of other sizes: memory is planned when the next batch comes.
    func forgetPlans(_ scorings: [Scoring]) {
        self.scorings = scorings
        order = Self.order(scorings)
        spare = plan?.floats ?? spare
        (plan, inputs, scores, hand) = (nil, nil, [], nil)
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
        let made = try Plan(
            model.graph, batch: max(batch, settings[0].batchSize), scored: scorings.map(\.value), reusing: spare)
        spare = nil
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
            unsafe table.clear(gradients.base, isWritten: gradientsAreShared)
            try table.take(plan, batch: batch)
        }
    }

    /// Takes the rows too that somebody else has written gradients of.
    func takeWrittenRows() throws(MartletError) {
        if !gradientsAreShared || tables.isEmpty { return }
        for table in tables { try unsafe table.takeWritten(gradients.base) }
        try unsafe optimizer.reserve(rows)
        try catchUp(tables)
    }

    /// Lets the rows that a batch names catch up, which is about to read them.
    func catchUp(_ tables: [TableRows]) throws(MartletError) {
        if defersRows {
            try unsafe optimizer.finish { unsafe tables.rows(of: $0) ?? GradientRows(numbers: nil, count: 0) }
        }
    }

    /// A training step's other half, by what stands in the gradients. Throws before anything has changed.
    func finishStep(_ machine: ExecutionSettings) throws(MartletError) {
        try stepOptimizer(machine)
        hand?.count = 0
        step += 1
        hasGradients = true
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
