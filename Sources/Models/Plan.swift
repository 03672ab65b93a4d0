// Where the numbers of a batch lie: one piece of memory for all values, gradients and what operations keep, in which two
// share a place if none is needed while the other is. Made once, for the largest batch; a smaller one uses the front of
// each place. Nothing is computed here.
import MartletPlatform

final class Plan {
    /// The most samples.
    let batch: Int
    /// The place of each value; -1 for the input and what is a view of it, which lies with the caller.
    private let values: [Int]
    /// The place of each value's gradient; -1 where none is needed.
    private let gradients: [Int]
    /// The place of what each operation keeps.
    private let saved: [Int]
    private let memory: FlatBuffer

    /// Throws `.shape` where the batch is too large to count its bytes, and `.memory`.
    ///
    /// - Parameter scored: the value that the loss reads and gives the gradient of; nil where nothing is trained.
    init(_ graph: Graph, batch: Int, scored: Int?) throws(MartletError) {
        self.batch = batch
        var lifetimes = Lifetimes(graph, scored: scored)
        let count = try lifetimes.place(graph, batch: batch)
        values = lifetimes.values.map { lifetimes.offset(of: $0) }
        gradients = lifetimes.gradients.map { lifetimes.offset(of: $0) }
        saved = lifetimes.saved.map { lifetimes.offset(of: $0) }
        memory = try FlatBuffer(count: count)
    }

    /// A value, where it lies; `input` is where the caller's batch is.
    func value(_ index: Int, input: UnsafePointer<Float>) -> UnsafeMutablePointer<Float> {
        let place = values[index]
        return unsafe place < 0 ? UnsafeMutablePointer(mutating: input) : memory.base + place
    }

    func gradient(_ value: Int) -> UnsafeMutablePointer<Float>? {
        let place = gradients[value]
        return unsafe place < 0 ? nil : memory.base + place
    }

    func saved(_ step: Int) -> UnsafeMutablePointer<Float> {
        unsafe memory.base + max(saved[step], 0)
    }
}

/// Which memory each value, gradient and kept array needs, and when.
///
/// Time runs through the forward operations (0 ..< n) and the backward ones (operation i at 2 n - i). The loss comes
/// before the first operation behind the value that it reads, and metrics at n.
private struct Lifetimes {
    private struct Store {
        var first: Int
        var last: Int
        /// Floats for one sample, and whatever the batch.
        var perSample: Int
        var fixed = 0
        /// The last forward operation that reads a value that lies here.
        var lastReader = -1
        /// Whether some backward pass reads what was written, so that nothing may be written over it.
        var isPinned = false
        var offset = -1
    }

    private var stores: [Store] = []
    private(set) var values: [Int] = [-1]
    private(set) var gradients: [Int]
    private(set) var saved: [Int] = []

    func offset(of store: Int) -> Int { store < 0 ? -1 : stores[store].offset }

    init(_ graph: Graph, scored: Int?) {
        let count = graph.steps.count
        let needsGradient = graph.needsGradient
        let lastReaders = graph.lastReaders
        gradients = Array(repeating: -1, count: count + 1)
        for (index, step) in graph.steps.enumerated() {
            let operation = step.operation
            let runsBackward = index < scored ?? 0 && needsGradient[index + 1]
            let end = runsBackward ? 2 * count - index : index
            let given = values[step.input]
            // What is read now, and what the backward pass reads again.
            extend(given, to: operation.needsInput ? end : index, pins: runsBackward && operation.needsInput)
            let isWritable = given >= 0 && !stores[given].isPinned && stores[given].lastReader <= index
            if operation.isView || operation.isFused || (operation.runsInPlace && isWritable) {
                values.append(given)
                if given >= 0 { stores[given].perSample = max(stores[given].perSample, operation.output.elementCount) }
            } else {
                values.append(stores.count)
                stores.append(Store(first: index, last: index, perSample: operation.output.elementCount))
            }
            let store = values[index + 1]
            if store >= 0 { stores[store].lastReader = max(stores[store].lastReader, lastReaders[index + 1]) }
            extend(
                values[index + 1], to: operation.needsOutput ? end : index, pins: runsBackward && operation.needsOutput)
            saved.append(-1)
            let one = operation.savedCount(batch: 1)
            if one > 0 {
                let more = operation.savedCount(batch: 2) - one
                saved[index] = stores.count
                stores.append(Store(first: index, last: end, perSample: more, fixed: one - more))
            }
        }
        extend(values[count], to: count, pins: false)
        if let scored { addGradients(graph, needsGradient, from: scored) }
    }

    /// Gradients, from the loss back: each begins where the operation that reads its value runs backward.
    private mutating func addGradients(_ graph: Graph, _ needsGradient: [Bool], from scored: Int) {
        guard needsGradient[scored] else { return }
        let count = graph.steps.count
        gradients[scored] = stores.count
        let perSample = graph.steps[scored - 1].operation.output.elementCount
        stores.append(Store(first: scored, last: scored, perSample: perSample))
        for index in (0..<scored).reversed() where needsGradient[index + 1] {
            let step = graph.steps[index]
            let time = 2 * count - index
            extend(gradients[index + 1], to: time, pins: false)
            guard needsGradient[step.input] else { continue }
            if step.operation.isView || step.operation.gradientRunsInPlace {
                gradients[step.input] = gradients[index + 1]
            } else {
                gradients[step.input] = stores.count
                stores.append(Store(first: time, last: time, perSample: step.operation.input.elementCount))
            }
        }
    }

    private mutating func extend(_ store: Int, to time: Int, pins: Bool) {
        guard store >= 0 else { return }
        stores[store].last = max(stores[store].last, time)
        if pins { stores[store].isPinned = true }
    }

    /// Gives each store a place, the largest first, each as low as those that live at the same time let it; returns how
    /// many floats there are in all. Throws `.shape`.
    mutating func place(_ graph: Graph, batch: Int) throws(MartletError) -> Int {
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
        var placed: [Int] = []
        var total = 0
        for index in stores.indices.sorted(by: { (sizes[$0], $1) > (sizes[$1], $0) }) {
            var offset = 0
            for other in placed.sorted(by: { stores[$0].offset < stores[$1].offset })
            where stores[other].first <= stores[index].last && stores[index].first <= stores[other].last {
                if offset + sizes[index] <= stores[other].offset { break }
                offset = max(offset, stores[other].offset + sizes[other])
            }
            stores[index].offset = offset
            total = max(total, offset + sizes[index])
            placed.append(index)
        }
        return total
    }
}
