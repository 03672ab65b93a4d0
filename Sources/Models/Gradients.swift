// Where gradients lie and where they meet. Each reader of a value gives a gradient of it; what several give is added up, one
// by one, as each is there, before the value's maker runs backward. A gradient may be that of several values at once (an
// addition passes its own on to all that it added), so nothing is written over one that another value still waits with.

/// The way of gradients through a graph, from the losses back, by the stores of ``Lifetimes``.
struct GradientFlow {
    /// What the backward pass of one operation reads and writes.
    struct Back {
        /// The gradient of its output.
        let gradient: Int
        /// Where that of each input goes; nil where nobody needs it, or it is the output's own.
        var targets: [Int?]
        /// Where those of its parameters go first, where another operation has the same; nil: to their place at once.
        var parameters: Int?
        /// What is added up behind it.
        var meetings: [Meeting] = []
    }

    /// left + right = out, of one value.
    struct Meeting {
        let left, right, out: Int
        let perSample: Int
    }

    /// For each operation that runs backward.
    private(set) var steps: [Int: Back] = [:]
    /// What each loss, by its number, leaves its gradient in; none where no gradient is needed.
    private(set) var first: [Int: Int] = [:]
    /// Where the gradient of each input lies in the end, by its number; none where nobody wants it.
    private(set) var ofInputs: [Int: Int] = [:]
    /// What is added up before the first of them: gradients of losses of one value.
    private(set) var firstMeetings: [Meeting] = []

    /// The gradient of each value, as far as it is known.
    private var gradients: [Int: Int] = [:]
    /// How many values wait with each store.
    private var claims: [Int: Int] = [:]

    init() {}

    /// - Parameter peaks: for each maximum that hands its gradient to a convolution as it is: that convolution.
    init(
        _ graph: Graph, _ needsGradient: [Bool], _ runsBackward: [Bool], _ peaks: [Int: Int], from scored: [Int],
        in lifetimes: inout Lifetimes
    ) {
        let count = graph.steps.count
        var meetings: [Meeting] = []
        for (number, value) in scored.enumerated() where needsGradient[value] {
            let perSample = graph.values[value].shape.elementCount
            let time = (graph.values[value].maker ?? -1) + 1
            let start = lifetimes.add(Lifetimes.Store(first: time, last: time, perSample: perSample))
            first[number] = start
            meet(value, start, perSample, count, &meetings, in: &lifetimes)
        }
        firstMeetings = meetings
        // The first parameters of operations that have run backward.
        var written: Set<Int> = []
        for index in graph.steps.indices.reversed() where runsBackward[index] {
            let step = graph.steps[index]
            guard let gradient = gradients[step.output] else { continue }
            if let convolution = peaks[index] {
                gradients[graph.steps[convolution].output] = gradient
                continue
            }
            let time = 2 * count - index
            lifetimes.extend(gradient, to: time)
            var back = Back(gradient: gradient, targets: step.inputs.map { _ in nil })
            if step.isTrained, !step.operation.givesRows, !written.insert(step.firstParameter).inserted {
                back.parameters = lifetimes.add(
                    Lifetimes.Store(first: time, last: time, perSample: 0, fixed: step.parameterCount))
            }
            go(back: &back, through: step, needsGradient, time, in: &lifetimes)
            steps[index] = back
        }
        for (number, value) in graph.inputs.enumerated() {
            guard let gradient = gradients[value] else { continue }
            lifetimes.extend(gradient, to: 2 * count + 1)
            ofInputs[number] = gradient
        }
    }

    /// Gives an operation's inputs their gradients.
    private mutating func go(
        back: inout Back, through step: GraphStep, _ needsGradient: [Bool], _ time: Int, in lifetimes: inout Lifetimes
    ) {
        let (operation, gradient) = (step.operation, back.gradient)
        let wanted = step.inputs.indices.filter { needsGradient[step.inputs[$0]] || operation.givesInputGradient }
        if wanted.isEmpty { claims[gradient, default: 0] -= 1 }
        for number in wanted {
            // The output waits with its gradient until it is passed on to the last, or read.
            if number == (operation.passesGradientOn ? wanted.last : wanted.first) { claims[gradient, default: 0] -= 1 }
            let store: Int
            let mayTake = operation.gradientRunsInPlace && number == 0 && claims[gradient] == 0
            if operation.passesGradientOn || mayTake {
                store = gradient
            } else {
                store = lifetimes.add(
                    Lifetimes.Store(first: time, last: time, perSample: operation.inputs[number].elementCount))
            }
            if !operation.passesGradientOn { back.targets[number] = store }
            let value = step.inputs[number]
            if needsGradient[value] {
                meet(value, store, operation.inputs[number].elementCount, time, &back.meetings, in: &lifetimes)
            }
        }
    }

    /// A gradient of a value has been written: its first, or one to add to what there is.
    private mutating func meet(
        _ value: Int, _ store: Int, _ perSample: Int, _ time: Int, _ meetings: inout [Meeting],
        in lifetimes: inout Lifetimes
    ) {
        guard let held = gradients[value] else {
            gradients[value] = store
            claims[store, default: 0] += 1
            return
        }
        let out: Int
        if claims[held] == 1 {
            out = held
        } else if claims[store, default: 0] == 0 {
            out = store
        } else {
            out = lifetimes.add(Lifetimes.Store(first: time, last: time, perSample: perSample))
        }
        for one in [held, store, out] { lifetimes.extend(one, to: time) }
        meetings.append(Meeting(left: held, right: store, out: out, perSample: perSample))
        claims[held, default: 0] -= 1
        claims[out, default: 0] += 1
        gradients[value] = out
    }
}
