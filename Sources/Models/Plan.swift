// Where the numbers of a batch lie: one piece of memory for all values, gradients and what operations keep, in which two
// share a place if none is needed while the other is. Made once, for the largest batch; a smaller one uses the front of
// each place. Nothing is computed here.
import MartletPlatform

/// Where an operation's numbers of a batch lie, each as a number that ``PlanMemory/address(_:)`` takes. Plain numbers alone:
/// each operation of each step looks at its own, and a reference would be counted each time.
struct StepPlace: BitwiseCopyable {
    /// Whether it computes something forward that the output, or the loss, is made of.
    let runsForward: Bool
    /// Whether it computes something backward; where it only passes its gradient on, there is one all the same.
    let runsBackward: Bool
    /// Which of the plan's places are its inputs': from here on, one for each.
    let firstInput: Int
    let output: Int
    /// What it keeps from forward to backward; nil: nothing.
    let saved: Int?
    /// The gradient of its output; nil where there is none to go back from.
    let gradient: Int?
    /// Where its parameters' gradients go first, of a layer that is applied more than once: they are added to the others'.
    let parameterGradients: Int?
    /// Which of the plan's additions are made behind its backward pass.
    let firstAddition: Int
    let additionCount: Int
    /// Of a convolution whose largest outputs alone are read: where these lie, and which they are. `gradient` is theirs.
    let peaks: PeakPlaces?
}

/// Where an operation's input lies, and where the gradient of that goes; nil where nobody needs it, or it is the output's.
struct InputPlace: BitwiseCopyable {
    let value: Int
    let gradient: Int?
}

struct PeakPlaces: BitwiseCopyable {
    let outputs: Int
    let places: Int
}

/// Two gradients of one value, which meet.
struct Addition: BitwiseCopyable {
    let left: Int
    let right: Int
    let out: Int
    let perSample: Int
}

/// A plan's memory, for as long as the plan lives.
@unsafe struct PlanMemory: BitwiseCopyable {
    fileprivate let base: UnsafeMutablePointer<Float>
    /// The caller's batch of each input.
    fileprivate let batches: UnsafePointer<UInt>
    fileprivate let inputs: UnsafePointer<InputPlace>

    /// An address: a place in the plan's memory, or, where the number is negative, one of the caller's batches.
    func address(_ place: Int) -> UnsafeMutablePointer<Float> {
        if place >= 0 { return unsafe base + place }
        // The caller's batches are only read, and were given before anything is computed.
        return unsafe UnsafeMutablePointer(bitPattern: batches[-1 - place]) ?? base
    }

    /// An operation's input.
    func input(_ number: Int, of step: UnsafePointer<StepPlace>) -> InputPlace {
        unsafe inputs[step.pointee.firstInput + number]
    }
}

final class Plan {
    /// The most samples.
    let batch: Int
    private let steps: RawList<StepPlace>
    /// Where each value lies.
    private let values: RawList<Int>
    /// Where each loss leaves its gradient; nil where none is needed.
    private let lossGradients: RawList<Int?>
    /// Where the gradient of each input lies behind a backward pass; nil where there is none.
    private let inputGradients: RawList<Int?>
    /// What operations add up behind their backward passes, and what is added up before the first of them.
    let additions: RawList<Addition>
    let firstAdditionCount: Int
    let floats: FlatBuffer
    private let inputs: RawList<InputPlace>
    /// The caller's batch of each input.
    private let batches: RawList<UInt>

    /// Throws `.shape` where the batch is too large to count its bytes, and `.memory`.
    ///
    /// - Parameters:
    ///   - scored: the values that losses read and give the gradients of; none where nothing is trained.
    ///   - ofInputs: whether the gradients of inputs are wanted.
    ///   - spare: memory of a plan that is no longer used, which becomes this one's where it is enough.
    init(
        _ graph: Graph, batch: Int, scored: [Int], ofInputs: Bool = false, reusing spare: FlatBuffer? = nil
    ) throws(MartletError) {
        self.batch = batch
        let lifetimes = Lifetimes(graph, scored: scored, ofInputs: ofInputs)
        let placement = try lifetimes.placed(batch: batch)
        var steps = RawList<StepPlace>()
        var inputs = RawList<InputPlace>()
        var additions = RawList<Addition>()
        for addition in lifetimes.firstAdditions(placement) { try additions.append(addition) }
        firstAdditionCount = additions.count
        for index in graph.steps.indices {
            let made = lifetimes.additions(behind: index, placement)
            try steps.append(
                lifetimes.place(
                    of: index, in: graph, placement, firstInput: inputs.count, firstAddition: additions.count,
                    additionCount: made.count))
            for input in lifetimes.inputs(of: index, in: graph, placement) { try inputs.append(input) }
            for addition in made { try additions.append(addition) }
        }
        var values = RawList<Int>()
        var lossGradients = RawList<Int?>()
        var inputGradients = RawList<Int?>()
        var batches = RawList<UInt>()
        for value in graph.values.indices { try values.append(lifetimes.place(ofValue: value, placement)) }
        for number in scored.indices { try lossGradients.append(lifetimes.place(ofLossGradient: number, placement)) }
        for number in graph.inputs.indices {
            try batches.append(0)
            try inputGradients.append(lifetimes.place(ofInputGradient: number, placement))
        }
        if let spare, spare.count >= placement.count {
            floats = spare
        } else {
            floats = try FlatBuffer(count: placement.count)
        }
        self.steps = steps
        self.inputs = inputs
        self.additions = additions
        self.values = values
        self.lossGradients = lossGradients
        self.inputGradients = inputGradients
        self.batches = batches
    }

    /// Says where the caller's batch of an input is.
    func setInput(_ number: Int, to batch: UnsafePointer<Float>) {
        unsafe batches.elements[number] = UInt(bitPattern: batch)
    }

    /// A model has inputs, and layers that read something.
    var memory: PlanMemory {
        unsafe PlanMemory(
            base: floats.base, batches: UnsafePointer(batches.elements.baseAddress.unsafelyUnwrapped),
            inputs: UnsafePointer(inputs.elements.baseAddress.unsafelyUnwrapped))
    }

    /// Where the numbers of an operation lie.
    func place(_ step: Int) -> UnsafePointer<StepPlace> {
        precondition(step >= 0 && step < steps.count, "a step is the plan's")
        return unsafe UnsafePointer(steps.elements.baseAddress.unsafelyUnwrapped + step)
    }

    /// A value of the graph's, for as long as nothing else lies there.
    func value(_ number: Int) -> UnsafeMutablePointer<Float> { unsafe memory.address(values[number]) }

    /// Where a loss leaves its gradient; nil where none is needed.
    func lossGradient(_ number: Int) -> UnsafeMutablePointer<Float>? {
        if number >= lossGradients.count { return nil }
        return unsafe lossGradients[number].map { unsafe memory.address($0) }
    }

    /// The gradient of an input, behind a backward pass; nil where there is none.
    func inputGradient(_ number: Int) -> UnsafePointer<Float>? {
        unsafe inputGradients[number].map { unsafe UnsafePointer(memory.address($0)) }
    }
}
