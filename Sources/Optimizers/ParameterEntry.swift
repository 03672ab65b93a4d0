// A parameter that an optimizer has been given: the borrowed value, and the state that the optimizer owns.
import MartletKernelInterface
import MartletPlatform

/// One state array of a parameter, in memory of our own.
@safe final class StateSlot {
    let type: ElementType
    let count: Int
    private let memory: ZeroedMemory

    init(type: ElementType, count: Int) throws(MartletError) {
        self.type = type
        self.count = count
        memory = try ZeroedMemory(count: count, stride: type.size)
    }

    var byteCount: Int { count * type.size }

    var view: ArrayView {
        unsafe ArrayView(base: memory.base, count: count, type: type)
    }

    func copy() throws(MartletError) -> StateSlot {
        let copy = try StateSlot(type: type, count: count)
        unsafe copy.memory.base.copyMemory(from: memory.base, byteCount: byteCount)
        return copy
    }
}

/// All that an optimizer keeps of a parameter between steps.
struct ParameterState {
    var slots: [StateSlot]
    var step: Int64
}

/// A parameter of an optimizer. A class, so that its counter and its name have an address for the length of a step.
@safe final class ParameterEntry {
    let name: String
    let group: Int
    private(set) var slots: [StateSlot]
    /// The memory of the value, to hold against that of later parameters.
    let extent: Extent
    /// Steps taken.
    var step: Int64 {
        get { unsafe block.base.load(as: Int64.self) }
        set { unsafe block.base.storeBytes(of: newValue, as: Int64.self) }
    }

    /// The counter's address, good as long as this object.
    var stepAddress: UnsafeMutableRawPointer { unsafe block.base }

    /// Elements along each dimension; one dimension for a contiguous value.
    var sizes: [Int] {
        unsafe value.rank == 0 ? [value.count] : (0..<value.rank).map { unsafe Int(value.sizes![$0]) }
    }

    /// The step counter, then sizes and strides, then the name with its NUL.
    private let block: ZeroedMemory
    private let value: ArrayView

    init(
        value: ArrayView, name: String, group: Int, types: [ElementType], extent: Extent
    ) throws(MartletError) {
        self.name = name
        self.group = group
        let shapeBytes = unsafe value.rank * MemoryLayout<Int64>.stride
        block = try ZeroedMemory(byteCount: 8 + 2 * shapeBytes + name.utf8.count + 1)
        let sizes = unsafe (block.base + 8).assumingMemoryBound(to: Int64.self)
        let strides = unsafe sizes + value.rank
        for dimension in unsafe 0..<value.rank {
            unsafe sizes[dimension] = value.sizes![dimension]
            unsafe strides[dimension] = value.strides![dimension]
        }
        let text = unsafe (block.base + 8 + 2 * shapeBytes).assumingMemoryBound(to: UInt8.self)
        for (index, byte) in name.utf8.enumerated() { unsafe text[index] = byte }
        unsafe self.value = ArrayView(
            base: value.base, count: value.count, type: value.type, rank: value.rank, sizes: sizes, strides: strides)
        var own = unsafe extent
        unsafe own.sizes = UnsafePointer(sizes)
        unsafe own.strides = UnsafePointer(strides)
        unsafe self.extent = own
        slots = []
        for type in types { unsafe slots.append(try StateSlot(type: type, count: value.count)) }
    }

    /// The same parameter with its own copy of the state.
    func copy() throws(MartletError) -> ParameterEntry {
        let copy = try unsafe ParameterEntry(
            value: value, name: name, group: group, types: [], extent: extent)
        for slot in slots { copy.slots.append(try slot.copy()) }
        copy.step = step
        return copy
    }

    /// State that has been read and is not in place yet.
    var staged: ParameterState?

    /// Puts staged state, of the same types and counts, in place.
    func adoptStaged() {
        guard let staged else { return }
        slots = staged.slots
        step = staged.step
        self.staged = nil
    }

    var stateBytes: Int { slots.reduce(8) { $0 + $1.byteCount } }

    /// Everything that a step needs.
    func view(gradient: ArrayView) -> ParameterView {
        let shapeBytes = unsafe value.rank * MemoryLayout<Int64>.stride
        var view = unsafe ParameterView(
            value: value, gradient: gradient, step: block.base.assumingMemoryBound(to: Int64.self), group: group,
            name: UnsafePointer((block.base + 8 + 2 * shapeBytes).assumingMemoryBound(to: CChar.self)))
        for (index, slot) in slots.enumerated() { unsafe view.state[index] = slot.view }
        unsafe view.stateCount = slots.count
        return unsafe view
    }
}
