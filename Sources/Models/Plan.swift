// Where the numbers of a batch lie: one piece of memory for all values, gradients and what operations keep, in which two
// share a place if none is needed while the other is. Made once, for the largest batch; a smaller one uses the front of
// each place. Nothing is computed here.
import MartletPlatform

/// Where an operation's numbers of a batch lie, each as a number that ``Plan/address(_:)`` takes.
struct StepPlace {
    /// Whether its output, or the loss, is made of it.
    let isNeeded: Bool
    let inputs: [Int]
    let output: Int
    /// What it keeps from forward to backward; nil: nothing.
    let saved: Int?
    /// The gradient of its output; nil where there is none to go back from.
    let gradient: Int?
    /// Where the gradient of each input goes; nil where nobody needs it, or it is the output's.
    let inputGradients: [Int?]
    /// Where its parameters' gradients go first, of a layer that is applied more than once: they are added to the others'.
    let parameterGradients: Int?
    /// What is added up behind its backward pass.
    let additions: [Addition]
    /// Of a convolution whose largest outputs alone are read: where these lie, and which they are. `gradient` is theirs.
    let peaks: (outputs: Int, places: Int)?
}

/// Two gradients of one value, which meet.
struct Addition {
    let left: Int
    let right: Int
    let out: Int
    let perSample: Int
}

final class Plan {
    /// The most samples.
    let batch: Int
    let steps: [StepPlace]
    /// Where the output lies; what the loss reads, and where it leaves its gradient, nil where no gradient is needed.
    private let output: Int
    private let scored: Int
    private let scoredGradient: Int?
    private let memory: FlatBuffer
    /// The caller's batch of each input.
    private var inputs = RawList<UInt>()

    /// Throws `.shape` where the batch is too large to count its bytes, and `.memory`.
    ///
    /// - Parameter scored: the value that the loss reads and gives the gradient of; nil where nothing is trained.
    init(_ graph: Graph, batch: Int, scored: Int?) throws(MartletError) {
        self.batch = batch
        let lifetimes = Lifetimes(graph, scored: scored)
        let placement = try lifetimes.placed(batch: batch)
        steps = graph.steps.indices.map { lifetimes.place(of: $0, in: graph, placement) }
        output = lifetimes.place(ofValue: graph.output, placement)
        self.scored = lifetimes.place(ofValue: scored ?? graph.output, placement)
        scoredGradient = scored.flatMap { lifetimes.place(ofGradient: $0, placement) }
        memory = try FlatBuffer(count: placement.count)
        try inputs.reserve(graph.inputs.count)
        for _ in graph.inputs { try inputs.append(0) }
    }

    /// Says where the caller's batch of an input is.
    func setInput(_ number: Int, to batch: UnsafePointer<Float>) {
        unsafe inputs.elements[number] = UInt(bitPattern: batch)
    }

    /// An address: a place in the plan's memory, or, where the number is negative, one of the caller's batches.
    func address(_ place: Int) -> UnsafeMutablePointer<Float> {
        if place >= 0 { return unsafe memory.base + place }
        // The caller's batches are only read, and were given before anything is computed.
        return unsafe UnsafeMutablePointer(bitPattern: inputs.elements[-1 - place]) ?? memory.base
    }

    var outputValue: UnsafeMutablePointer<Float> { unsafe address(output) }
    var scoredValue: UnsafeMutablePointer<Float> { unsafe address(scored) }
    var lossGradient: UnsafeMutablePointer<Float>? { unsafe scoredGradient.map { unsafe address($0) } }
}
