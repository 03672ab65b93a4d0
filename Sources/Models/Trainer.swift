// What a compiled model has beside its parameters: gradients, the optimizer that steps them, memory for batches; and one
// training step. The loops over batches are in Fitting.swift.
import MartletCompute
import MartletKernelInterface
import MartletOptimizers
import MartletPlatform

@safe final class Trainer {
    let settings: Training
    let optimizer: Optimizer
    let gradients: FlatBuffer
    let scoring: Scoring
    let penalties: [Penalty]
    private var plan: Plan?
    private var inputs: BatchInputs?
    private var scores: BatchScores?
    /// Training steps done: also what dropout's random numbers depend on.
    var step: Int64 = 0
    /// Epochs begun by `fit`, which the order of samples depends on.
    var epoch: Int64 = 0
    /// Whether the gradients are those of a batch, or were stepped by.
    private var hasGradients = false

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
        _ model: Model, _ built: Built, _ settings: Training, _ groups: ParameterGroups
    ) throws(MartletError) {
        self.settings = settings
        evaluating = try Once()
        (viewGroups, shares, hasEvaluationPoint) = (groups.ofViews, groups.shares, groups.haveEvaluationPoint)
        scoring = Scoring(settings, model)
        penalties = model.penalties(built.parameterViews, of: scoring.value)
        guard settings.top <= scoring.accuracyColumns || !settings.metrics.contains(.topAccuracy) else {
            throw MartletError(
                .argument,
                "training.top is \(settings.top); expected \(scoring.accuracyColumns) at most, the model's outputs")
        }
        try groups.check(built.parameterViews)
        optimizer = try Optimizer(groups.configurations[0])
        for configuration in groups.configurations.dropFirst() { try optimizer.addGroup(configuration) }
        gradients = try FlatBuffer(count: built.parameters.count)
        if gradients.count == 0 { return }
        let parameters = groups.parameters(built.parameterViews, settings.stateType)
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
        if let plan, plan.batch >= batch { return plan }
        let made = try Plan(model.graph, batch: max(batch, settings.batchSize), scored: scoring.value)
        plan = made
        return made
    }

    /// The same for the samples that are gathered.
    @discardableResult
    func inputs(_ model: Model, batch: Int) throws(MartletError) -> BatchInputs {
        if let inputs, inputs.batch >= batch { return inputs }
        let made = try BatchInputs(model, batch: max(batch, settings.batchSize))
        inputs = made
        return made
    }

    /// The same for what a batch is scored with.
    @discardableResult
    func scores(_ model: Model, batch: Int) throws(MartletError) -> BatchScores {
        if let scores, scores.batch >= batch { return scores }
        let made = try BatchScores(model, scoring, batch: max(batch, settings.batchSize))
        scores = made
        return made
    }

    /// Moves parameters to where gradients are taken or to the point that is trained, where these are two. To that several
    /// threads may come at once.
    func enter(_ mode: OptimizerMode) throws(MartletError) {
        if !hasEvaluationPoint { return }
        if mode == .evaluation {
            return try evaluating.perform { () throws(MartletError) in try optimizer.setMode(mode) }
        }
        evaluating.reset()
        try optimizer.setMode(mode)
    }

    /// The gradients of the batch that `rows` picks out of `data`, whose score is added: a training step's first half.
    /// Throws before anything but the mode has changed.
    func differentiate(
        _ model: Model, _ data: LabelledSamples, _ rows: Rows, _ machine: ExecutionSettings, adding score: inout Score
    ) throws(MartletError) {
        let count = unsafe rows.count
        let plan = try plan(model, batch: count)
        let scores = try scores(model, batch: count)
        let inputs = try inputs(model, batch: count)
        try unsafe rows.check(samples: data.count)
        let execution = try unsafe Execution(mode: .flush, machine)
        let targets = try unsafe scores.take(data, rows, scoring, execution)
        try unsafe inputs.take(data.x, rows, model, execution, for: plan)
        try enter(.training)
        unsafe model.score(
            plan, scores, scoring, execution, batch: count, targets, isTraining: true, step: UInt64(step),
            adding: &score)
        unsafe backward(model, plan, execution, batch: count)
        if let built = model.built { unsafe addPenalties(built, execution) }
        hasGradients = true
    }

    /// A training step's other half, by what stands in the gradients.
    func finishStep(_ machine: ExecutionSettings) throws(MartletError) {
        try stepOptimizer(machine)
        step += 1
        hasGradients = true
    }

    private func backward(_ model: Model, _ plan: Plan, _ execution: Execution, batch: Int) {
        guard let built = model.built else { return }
        let steps = model.graph.steps
        for index in steps.indices.reversed() {
            guard let gradient = plan.steps[index].gradient else { continue }
            let operation = steps[index].operation
            if !operation.passesGradientOn {
                let pass = unsafe model.pass(
                    index, built, plan, execution, batch: batch, isTraining: true, step: UInt64(step))
                unsafe operation.backward(
                    BackwardPass(
                        forward: pass, gradient: plan.address(gradient),
                        parameterGradients: parameterGradients(of: steps[index], plan.steps[index], plan)))
            }
            unsafe add(plan.steps[index], of: steps[index], plan, execution, batch: batch)
        }
    }

    /// Where an operation writes the gradients of its parameters; nil where training leaves them alone.
    private func parameterGradients(of step: GraphStep, _ place: StepPlace, _ plan: Plan) -> UnsafeMutablePointer<
        Float
    >? {
        if step.isFrozen { return nil }
        return unsafe place.parameterGradients.map { unsafe plan.address($0) } ?? gradients.base + step.firstParameter
    }

    /// Adds up what has met behind an operation's backward pass.
    private func add(_ place: StepPlace, of step: GraphStep, _ plan: Plan, _ execution: Execution, batch: Int) {
        for addition in place.additions {
            unsafe execution.run(
                CombinationRequest(
                    .sum, count: batch * addition.perSample, plan.address(addition.left), plan.address(addition.right),
                    out: plan.address(addition.out)))
        }
        guard let own = place.parameterGradients else { return }
        let all = unsafe gradients.base + step.firstParameter
        unsafe execution.run(
            CombinationRequest(.sum, count: step.parameterCount, all, plan.address(own), out: all))
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
        _ = try unsafe optimizer.step(UnsafeBufferPointer(steppedGradients.elements), threads: machine.threads)
    }

    /// The Euclidean norm of what stands in the gradients; NaN before the first that this trainer made.
    func gradientNorm() throws(MartletError) -> Double {
        if !hasGradients { return .nan }
        let execution = try unsafe Execution(mode: .exact)
        return unsafe execution.sumOfSquares(count: gradients.count, x: gradients.base).squareRoot()
    }
}

extension Model {
    /// Runs a batch forward, and adds its loss and metrics to `score`; writes the gradient of its mean loss where the
    /// plan has a place for it.
    func score(
        _ plan: Plan, _ scores: BatchScores, _ scoring: Scoring, _ execution: Execution, batch: Int,
        _ expected: Expected, isTraining: Bool, step: UInt64, adding score: inout Score
    ) {
        func run(_ steps: Range<Int>) {
            unsafe forward(plan, execution, steps, batch: batch, isTraining: isTraining, step: step)
        }
        let behind = (graph.values[scoring.value].maker ?? -1) + 1
        run(0..<behind)
        let loss = unsafe scores.loss(
            plan.scoredValue, expected, batch: batch, gradient: plan.lossGradient, scoring, execution)
        let penalty = trainer.flatMap { trainer in built.map { unsafe trainer.penalty($0, execution) } } ?? 0
        // What is behind the loss, metrics alone read.
        if !scoring.settings.metrics.isEmpty { run(behind..<graph.steps.count) }
        let metrics = unsafe scores.metrics(plan.outputValue, expected, batch: batch, scoring, execution)
        score.add(samples: batch, loss: loss + penalty, metrics: metrics)
    }

    /// Runs some operations over a batch, whose values before them are there.
    func forward(
        _ plan: Plan, _ execution: Execution, _ range: Range<Int>, batch: Int, isTraining: Bool, step: UInt64
    ) {
        guard let built else { return }
        let steps = graph.steps
        for index in range where plan.steps[index].isNeeded {
            let operation = steps[index].operation
            if operation.isView || operation.isFused { continue }
            unsafe operation.forward(
                pass(index, built, plan, execution, batch: batch, isTraining: isTraining, step: step))
        }
    }

    /// What one operation computes forward with.
    fileprivate func pass(
        _ index: Int, _ built: Built, _ plan: Plan, _ execution: Execution, batch: Int, isTraining: Bool, step: UInt64
    ) -> ForwardPass {
        let place = graph.steps[index]
        return unsafe ForwardPass(
            execution: execution, batch: batch, plan: plan, place: plan.steps[index],
            parameters: built.parameters.base + place.firstParameter,
            statistics: built.statistics.base + place.firstStatistic, isTraining: isTraining, seed: seed, step: step)
    }
}
