// What a prediction needs for itself, so that any number of them may run in one model at once and have nothing in common but
// its parameters: memory for a batch, kept for the next call.
import MartletPlatform
import Synchronization

/// Objects that nobody uses at the moment, to be taken by any thread: a shelf without a lock, each place of which is one
/// atomic word.
@safe package struct Spares<Element: AnyObject>: ~Copyable {
    private let memory: ZeroedMemory
    /// As many as are kept; who gives back more lets go of them.
    private static var most: Int { 64 }

    /// Throws `.memory`.
    init() throws(MartletError) {
        memory = try ZeroedMemory(count: Self.most, stride: MemoryLayout<Atomic<UInt>>.stride)
    }

    deinit { removeAll() }

    /// Zero bytes are atomics of 0.
    private var places: UnsafeMutablePointer<Atomic<UInt>> {
        unsafe memory.base.assumingMemoryBound(to: Atomic<UInt>.self)
    }

    /// One of them, the caller's alone until it is given back.
    package func take() -> Element? {
        for place in 0..<Self.most where unsafe places[place].load(ordering: .relaxed) != 0 {
            let found = unsafe UnsafeRawPointer(bitPattern: places[place].exchange(0, ordering: .acquiring))
            if let found = unsafe found { return unsafe Unmanaged<Element>.fromOpaque(found).takeRetainedValue() }
        }
        return nil
    }

    package func give(_ element: Element) {
        let object = unsafe Unmanaged.passRetained(element)
        let word = unsafe UInt(bitPattern: object.toOpaque())
        for place in 0..<Self.most where unsafe places[place].load(ordering: .relaxed) == 0 {
            if unsafe places[place].compareExchange(expected: 0, desired: word, ordering: .releasing).exchanged {
                return
            }
        }
        unsafe object.release()
    }

    /// Lets go of all.
    func removeAll() { while take() != nil {} }
}

/// Memory for the batches of one walk over samples that trains nothing.
final class Workspace {
    private var plan: Plan?
    private var inputs: BatchInputs?

    /// Room for batches of as many samples, without what backward passes need. Throws `.shape` and `.memory`; what was there
    /// before is kept then.
    func plan(_ model: Model, batch: Int) throws(MartletError) -> Plan {
        if let plan, plan.batch >= batch { return plan }
        let made = try Plan(model.graph, batch: batch, scored: [])
        plan = made
        return made
    }

    /// The same for samples that are gathered, where some are.
    func inputs(_ model: Model, _ x: SampleArrays, batch: Int) throws(MartletError) -> BatchInputs {
        let batch = x.isGathered ? batch : 0
        if let inputs, inputs.batch >= batch { return inputs }
        let made = try BatchInputs(model, batch: batch)
        inputs = made
        return made
    }
}

extension Model {
    /// Calls `body` with a workspace of its own.
    func withWorkspace<Result>(_ body: (Workspace) throws(MartletError) -> Result) throws(MartletError) -> Result {
        let space = workspaces.take() ?? Workspace()
        defer { workspaces.give(space) }
        return try body(space)
    }
}
