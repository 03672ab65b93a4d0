// Which memory each value, gradient and kept array of a graph needs, and when, so that those that never live at once may
// share it. Where gradients lie, and meet, is in Gradients.swift.
//
// Time runs through the forward operations (0 ..< n) and the backward ones (operation i at 2 n - i). A loss comes before
// the first operation behind the value that it reads, and metrics at n.
import MartletPlatform

struct Lifetimes {
    /// Where a value lies.
    enum Place {
        case nowhere
        /// With the caller: the model's input of a number, or a view of it.
        case input(Int)
        case store(Int)
    }

    struct Store {
        var first: Int
        var last: Int
        /// Floats for one sample, and whatever the batch.
        var perSample: Int
        var fixed = 0
        /// The last forward operation that reads a value that lies here.
        var lastReader = -1
        /// Whether some backward pass reads what was written, so that nothing may be written over it.
        var isPinned = false
    }

    /// What a plan knows of one operation, by stores.
    private struct Step {
        var isNeeded = false
        var saved: Int?
    }

    private(set) var stores: [Store] = []
    private var values: [Place]
    private var steps: [Step]
    private var flow = GradientFlow()
    /// For each maximum that gives its convolution its gradient at once: that convolution.
    private var peaks: [Int: Int] = [:]

    /// - Parameters:
    ///   - scored: the values that losses read, or that gradients come to; none where there are none.
    ///   - ofInputs: whether the gradients of inputs are wanted.
    ///   - rooms: what each operation keeps for one sample, where that is not what it says itself.
    init(_ graph: Graph, scored: [Int], ofInputs: Bool, rooms: [Int]? = nil) {
        let count = graph.steps.count
        values = Array(repeating: .nowhere, count: graph.values.count)
        for (number, value) in graph.inputs.enumerated() { values[value] = .input(number) }
        steps = Array(repeating: Step(), count: count)
        let isNeeded = graph.leading(to: graph.read)
        let needsGradient = graph.needsGradient(ofInputs: ofInputs)
        var runsBackward = Self.runsBackward(graph, needsGradient, scored: scored)
        let peaks = graph.peaks.filter { runsBackward[$0.value.convolution] }
        for (_, between) in peaks.values {
            if let between { runsBackward[between] = false }
        }
        var lastReaders = Array(repeating: -1, count: graph.values.count)
        for (index, step) in graph.steps.enumerated() where isNeeded[step.output] {
            for value in step.inputs { lastReaders[value] = index }
        }
        for output in graph.read { lastReaders[output] = count }
        for (index, step) in graph.steps.enumerated() where isNeeded[step.output] {
            steps[index].isNeeded = true
            let operation = step.operation
            // What a maximum keeps is read where its convolution runs backward.
            let end = runsBackward[index] ? 2 * count - (peaks[index]?.convolution ?? index) : index
            let needsOutput = operation.needsOutput || (runsBackward[index] && peaks[index] != nil)
            // What is read now, and what the backward pass reads again.
            for value in step.inputs {
                extend(
                    values[value], to: operation.needsInput ? end : index,
                    pins: runsBackward[index] && operation.needsInput)
            }
            values[step.output] = place(step, index)
            if case .store(let store) = values[step.output] {
                stores[store].lastReader = max(stores[store].lastReader, lastReaders[step.output])
            }
            extend(
                values[step.output], to: needsOutput ? end : index, pins: runsBackward[index] && needsOutput)
            func kept(batch: Int) -> Int {
                operation.savedCount(batch: batch) + (scored.isEmpty ? 0 : operation.trainingCount(batch: batch))
            }
            let one = rooms?[index] ?? kept(batch: 1)
            if one > 0 {
                let more = rooms == nil ? kept(batch: 2) - one : one
                steps[index].saved = add(Store(first: index, last: end, perSample: more, fixed: one - more))
            }
        }
        for output in graph.read { extend(values[output], to: count, pins: false) }
        self.peaks = peaks.mapValues(\.convolution)
        flow = GradientFlow(graph, needsGradient, runsBackward, self.peaks, from: scored, in: &self)
    }

    /// For each operation whether its backward pass runs.
    private static func runsBackward(_ graph: Graph, _ needs: [Bool], scored: [Int]) -> [Bool] {
        let leads = graph.leading(to: scored)
        return graph.steps.map { needs[$0.output] && leads[$0.output] }
    }

    /// Where an operation's output lies: where an input does, if nobody needs that any more, or by itself.
    private mutating func place(_ step: GraphStep, _ index: Int) -> Place {
        let operation = step.operation
        let read = step.inputs.compactMap { stored($0) }
        func isWritable(_ store: Int) -> Bool {
            !stores[store].isPinned && stores[store].lastReader <= index && read.count { $0 == store } == 1
        }
        var given: Place?
        if operation.isView || operation.isFused {
            given = values[step.inputs[0]]
        } else if operation.runsInPlace {
            given = step.inputs.prefix(2).compactMap { stored($0) }.first(where: isWritable).map { .store($0) }
        }
        guard let given else {
            return .store(add(Store(first: index, last: index, perSample: operation.output.elementCount)))
        }
        if case .store(let store) = given {
            stores[store].perSample = max(stores[store].perSample, operation.output.elementCount)
        }
        return given
    }

    private func stored(_ value: Int) -> Int? {
        if case .store(let store) = values[value] { store } else { nil }
    }

    mutating func add(_ store: Store) -> Int {
        stores.append(store)
        return stores.count - 1
    }

    mutating func extend(_ store: Int, to time: Int) { stores[store].last = max(stores[store].last, time) }

    private mutating func extend(_ place: Place, to time: Int, pins: Bool) {
        guard case .store(let store) = place else { return }
        extend(store, to: time)
        if pins { stores[store].isPinned = true }
    }

    // MARK: - Places

    /// Where each store lies, and how many floats there are in all.
    struct Placement {
        fileprivate(set) var offsets: [Int]
        fileprivate(set) var count = 0
    }

    /// Gives each store a place, the largest first, each as low as those that live at the same time let it. Throws `.shape`.
    func placed(batch: Int) throws(MartletError) -> Placement {
        var sizes: [Int] = []
        for store in stores {
            let (product, overflow) = store.perSample.multipliedReportingOverflow(by: batch)
            guard !overflow, product <= Shape.mostElements else {
                throw MartletError(
                    .shape, "a batch of \(batch) samples has a value of more than 2^40 elements; expected fewer samples"
                )
            }
            // Whole cache lines.
            sizes.append((product + store.fixed + 15) & ~15)
        }
        // Those that have a place, by places.
        var placed: [Int] = []
        var placement = Placement(offsets: Array(repeating: 0, count: stores.count))
        for index in stores.indices.sorted(by: { (sizes[$0], $1) > (sizes[$1], $0) }) {
            var offset = 0
            for other in placed
            where stores[other].first <= stores[index].last && stores[index].first <= stores[other].last {
                if offset + sizes[index] <= placement.offsets[other] { break }
                offset = max(offset, placement.offsets[other] + sizes[other])
            }
            placement.offsets[index] = offset
            placement.count = max(placement.count, offset + sizes[index])
            placed.insert(index, at: placed.firstIndex { placement.offsets[$0] > offset } ?? placed.count)
        }
        return placement
    }

    /// The place of a value, as ``Plan/address(_:)`` takes it.
    func place(ofValue value: Int, _ placement: Placement) -> Int {
        switch values[value] {
        case .nowhere: 0
        case .input(let number): -1 - number
        case .store(let store): placement.offsets[store]
        }
    }

    /// The place of what an operation keeps, where it keeps something.
    func place(ofRoom step: Int, _ placement: Placement) -> Int { steps[step].saved.map { placement.offsets[$0] } ?? 0 }

    /// The place of a loss's gradient; nil where none is needed.
    func place(ofLossGradient number: Int, _ placement: Placement) -> Int? {
        flow.first[number].map { placement.offsets[$0] }
    }

    /// The place of the gradient of an input; nil where there is none.
    func place(ofInputGradient number: Int, _ placement: Placement) -> Int? {
        flow.ofInputs[number].map { placement.offsets[$0] }
    }

    func place(
        of index: Int, in graph: Graph, _ placement: Placement, firstInput: Int, firstAddition: Int, additionCount: Int
    ) -> StepPlace {
        let step = graph.steps[index]
        let (operation, back) = (step.operation, flow.steps[index])
        func offset(_ store: Int?) -> Int? { store.map { placement.offsets[$0] } }
        let pool = peaks.first { $0.value == index }?.key
        return StepPlace(
            runsForward: steps[index].isNeeded && !operation.isView && !operation.isFused,
            runsBackward: back != nil && !operation.passesGradientOn, firstInput: firstInput,
            output: place(ofValue: step.output, placement), saved: offset(steps[index].saved),
            gradient: offset(back?.gradient), parameterGradients: offset(back?.parameters),
            firstAddition: firstAddition, additionCount: additionCount,
            peaks: pool.map { pool in
                PeakPlaces(
                    outputs: place(ofValue: graph.steps[pool].output, placement), places: offset(steps[pool].saved) ?? 0
                )
            })
    }

    /// The places of what an operation reads, and of their gradients.
    func inputs(of index: Int, in graph: Graph, _ placement: Placement) -> [InputPlace] {
        let targets = flow.steps[index]?.targets
        return graph.steps[index].inputs.enumerated().map { (number, value) in
            InputPlace(
                value: place(ofValue: value, placement),
                gradient: targets.flatMap { $0[number] }.map { placement.offsets[$0] })
        }
    }

    /// What is added up behind an operation's backward pass, and before the first.
    func additions(behind index: Int, _ placement: Placement) -> [Addition] {
        (flow.steps[index]?.meetings ?? []).map { addition($0, placement) }
    }
    func firstAdditions(_ placement: Placement) -> [Addition] { flow.firstMeetings.map { addition($0, placement) } }

    private func addition(_ meeting: GradientFlow.Meeting, _ placement: Placement) -> Addition {
        Addition(
            left: placement.offsets[meeting.left], right: placement.offsets[meeting.right],
            out: placement.offsets[meeting.out], perSample: meeting.perSample)
    }
}
