// Sequences that a model is run along, some steps at a time: what a step gives is what the whole sequence would give there.
//
// It is done by a model of the same layers for one step, each sample of which is a step of a sequence, with the arrays of the
// first. Most layers look at nothing but a step; those that look back keep what they need in memory of their own. Where that
// grows with each step, a sequence ends with the input's last; else it has no end.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// How far sequences are.
final class Course {
    let sequences: Int
    /// The most steps of each, or where they have no end, of each in one call.
    let length: Int
    let isEndless: Bool
    /// Steps done.
    var done = 0

    init(sequences: Int, length: Int, isEndless: Bool) {
        (self.sequences, self.length, self.isEndless) = (sequences, length, isEndless)
    }

    /// Steps that a call may have.
    var left: Int { isEndless ? length : length - done }

    /// So many numbers of each step of all sequences, or of so many steps of each. Throws `.memory`.
    func count(_ each: Int = 1, steps: Int? = nil) throws(MartletError) -> Int {
        let (steps, isBeyond) = sequences.multipliedReportingOverflow(by: steps ?? length)
        let (count, overflow) = steps.multipliedReportingOverflow(by: each)
        guard !isBeyond && !overflow else {
            throw MartletError(.memory, "\(sequences) sequences are beyond what a machine can address")
        }
        return count
    }
}

/// Sequences under way.
final class SequenceRun {
    let course: Course
    /// Of one step.
    let model: Model
    let plan: Plan
    let inputs: BatchInputs

    init(_ whole: Model, sequences: Int) throws(MartletError) {
        course = Course(sequences: sequences, length: whole.input[0], isEndless: whole.isEndless)
        model = try whole.stepwise(course)
        let count = try course.count()
        plan = try Plan(model.graph, batch: count, scored: [])
        inputs = try BatchInputs(model, batch: count)
    }
}

extension LayerKind {
    /// Whether what it gives at a step is made of that step and those before it.
    fileprivate var isAlongSteps: Bool {
        switch self {
        case .input, .dense, .dropout, .gaussianNoise, .batchNorm, .normalization, .activation, .add, .multiply,
            .embedding, .tiedDense, .rescaling, .layerNorm, .rmsNorm, .attention, .position, .concatenate, .masking:
            true
        default: isRecurrent
        }
    }

    /// Whether what it needs grows with each step.
    fileprivate var hasEnd: Bool { self == .attention || self == .position }
}

extension Layer {
    /// Whether it looks along all of the last size, however long that is, which its arrays need not say.
    fileprivate var looksAlongLast: Bool { kind == .layerNorm || kind == .rmsNorm || activation == .softmax }
}

extension Model {
    /// Whether any number of steps may follow one another.
    fileprivate var isEndless: Bool { !nodes.contains { $0.layer.kind.hasEnd } }

    /// A model of the same layers for one step of sequences. Throws `.unsupported` where a layer looks at more than a step and
    /// those before it, and `.shape` where inputs are not sequences of the same length.
    fileprivate func stepwise(_ course: Course) throws(MartletError) -> Model {
        for node in nodes.dropFirst() {
            let layer = node.layer
            let joinsSteps = layer.kind == .concatenate && (layer.axis == 0 || layer.axis == -node.output.rank)
            // Its last size is that of steps.
            let mixesSteps = node.output.rank == 1 && layer.looksAlongLast
            guard layer.kind.isAlongSteps, !joinsSteps, !mixesSteps else {
                throw MartletError(
                    .unsupported,
                    "layer \"\(node.name.string)\" looks at steps as a whole; expected layers of which each step gives what "
                        + "it does by itself, recurrent ones, and causal attention")
            }
            try node.checkRecurrence()
        }
        var shapes: [Shape] = []
        for node in nodes where node.layer.kind == .input { shapes.append(try step(of: node, course)) }
        do {
            return try relaid(over: shapes, along: course)
        } catch {
            if error.kind != .shape { throw error }
            throw MartletError(
                .unsupported,
                "the model has layers over whole samples: for one step \(error.message); expected layers over sequences"
            )
        }
    }

    private func step(of input: Node, _ course: Course) throws(MartletError) -> Shape {
        guard input.output[0] == course.length else {
            throw MartletError(
                .shape,
                "an input is \(input.output); expected sequences of \(course.length) steps, as the first input's")
        }
        return try Shape([1] + input.output.list.dropFirst())
    }

    /// Begins so many sequences, of which no step has been read. Throws `.order` where there is no layer, `.argument`,
    /// `.unsupported` where a layer looks at more than a step and those before it, `.shape` and `.memory`; sequences that are
    /// under way are so still then.
    public func beginSequences(_ count: Int) throws(MartletError) {
        try checkLayers()
        guard count >= 1 && count <= Training.mostSamples else {
            throw MartletError(.argument, "count is \(count); expected 1 to 2^31 sequences")
        }
        _ = try build()
        if sequenceRun?.course.sequences != count { sequenceRun = try SequenceRun(self, sequences: count) }
        sequenceRun?.course.done = 0
    }

    /// The outputs at the next steps of the sequences under way, which are kept for those behind them; of each sequence as many
    /// as `x` has. To the bit what the whole sequence gives there. It allocates nothing. Throws before anything has changed.
    ///
    /// - Parameter out: room for the steps of all sequences of the first output, then of the next.
    public func predictSteps(
        _ x: SampleArrays, into out: UnsafeMutableBufferPointer<Float>
    ) throws(MartletError) {
        guard let run = sequenceRun else {
            throw MartletError(.order, "no sequences are under way; expected them to be begun before")
        }
        let course = run.course
        let count = try x.sampleCount(of: run.model)
        let (steps, rest) = count.quotientAndRemainder(dividingBy: course.sequences)
        let left = course.left
        guard rest == 0, steps <= left else {
            throw MartletError(
                .shape,
                left == 0
                    ? "all \(course.length) steps have been read; expected sequences to be begun anew"
                    : "x has \(count) steps of all sequences; expected 1 to \(left) of each of \(course.sequences)")
        }
        let target = try unsafe room(out, for: count, of: x, in: run.model)
        let machine = try ExecutionSettings()
        let built = try build()
        try trainer?.enter(.evaluation)
        let execution = try unsafe Execution(mode: .flush, machine)
        try unsafe run.inputs.take(
            x, Rows.range(start: 0, count: count), run.model, execution, for: run.plan)
        let pass = unsafe BatchPass(self, built, run.plan, execution, batch: count)
        try unsafe run.model.forward(run.plan, pass, run.model.graph.steps.indices)
        unsafe run.model.copyOutputs(of: run.plan, 0..<count, of: count, to: target)
        course.done += steps
    }
}
