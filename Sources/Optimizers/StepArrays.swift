// The arrays of one parameter that a step works on, in the order in which a layout describes them: value, gradient and slots of
// the update, then those of its stages.
import MartletCompute
import MartletKernelInterface

@unsafe struct StepArrays {
    private var arrays: InlineArray<12, ArrayView>
    private(set) var count: Int
    /// How many the update reads.
    let updated: Int

    /// The most that stages add.
    static var mostOfStages: Int { 6 }

    /// Those of an update with so many of the parameter's first slots, which takes `gradient`.
    init(_ parameter: ParameterView, gradient: ArrayView, slots: Int) {
        unsafe arrays = unsafe InlineArray(repeating: parameter.value)
        unsafe arrays[Run.gradient] = unsafe gradient
        for slot in 0..<slots { unsafe arrays[Run.state + slot] = unsafe parameter.state[slot] }
        unsafe updated = Run.state + slots
        unsafe count = unsafe updated
    }

    /// An array alone, for its own gradient.
    init(_ array: ArrayView) {
        unsafe arrays = unsafe InlineArray(repeating: array)
        unsafe updated = Run.state
        unsafe count = unsafe updated
    }

    /// Without those of stages.
    var ofUpdate: StepArrays {
        var result = unsafe self
        unsafe result.count = unsafe updated
        return unsafe result
    }

    subscript(place: Int) -> ArrayView { unsafe arrays[place] }

    /// Adds one of a stage, and returns its place.
    @discardableResult
    mutating func add(_ array: ArrayView) -> Int {
        unsafe arrays[count] = unsafe array
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
