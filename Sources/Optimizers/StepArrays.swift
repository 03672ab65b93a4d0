// The arrays of one parameter that a step works on, in the order in which a layout describes them: value, gradient and slots of
// the update, then those of its stages.
import MartletCompute
import MartletKernelInterface

/// In the plan's memory, one set for all parameters in turn: too many bytes for a thread's stack.
@unsafe struct StepArrays {
    private let arrays: UnsafeMutablePointer<ArrayView>
    private(set) var count = 0
    /// How many the update reads.
    private(set) var updated = 0

    /// The most that stages add, and the most of all.
    static var mostOfStages: Int { 6 }
    static var capacity: Int { unsafe Run.capacity + mostOfStages }

    /// None, over memory for `capacity`.
    init(memory: UnsafeMutableRawPointer) { unsafe arrays = memory.assumingMemoryBound(to: ArrayView.self) }

    /// Takes those of an update with so many of the parameter's first slots, which takes `gradient`, for all that there were.
    mutating func start(_ parameter: UnsafePointer<ParameterView>, gradient: ArrayView, slots: Int) {
        unsafe start(parameter.pointee.value, gradient: gradient)
        for slot in 0..<slots { unsafe add(parameter.pointee.state[slot]) }
        unsafe updated = unsafe count
    }

    /// The same of a value and a gradient alone.
    mutating func start(_ value: ArrayView, gradient: ArrayView) {
        unsafe count = 0
        unsafe add(value)
        unsafe add(gradient)
        unsafe updated = unsafe count
    }

    subscript(place: Int) -> ArrayView { unsafe arrays[place] }

    /// Adds one of a stage, and returns its place.
    @discardableResult
    mutating func add(_ array: ArrayView) -> Int {
        unsafe (arrays + count).initialize(to: array)
        unsafe count += 1
        return unsafe count - 1
    }

    /// Where one is and how it is stored. `nowhere`: an address for those that have none, of a shard without elements.
    func operand(_ place: Int, nowhere: UnsafeMutableRawPointer) -> Operand {
        unsafe Operand(base: arrays[place].base ?? nowhere, type: arrays[place].type)
    }

    /// The run of the update.
    func run(isDouble: Bool, nowhere: UnsafeMutableRawPointer) -> Run {
        var run = unsafe Run(
            arrays: InlineArray(repeating: operand(Run.value, nowhere: nowhere)), arrayCount: updated,
            count: arrays[Run.value].count, isDouble: isDouble)
        for place in unsafe 1..<updated { unsafe run.arrays[place] = unsafe operand(place, nowhere: nowhere) }
        return unsafe run
    }
}
