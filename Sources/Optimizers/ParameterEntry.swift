// A parameter that an optimizer has been given: the borrowed value, and the state that the optimizer owns.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// One state array of a parameter, in memory of our own.
@safe final class StateSlot {
    let type: StateType
    let count: Int
    /// Elements, and from the next multiple of 64 bytes on scales.
    private let memory: ZeroedMemory
    private let scalesOffset: Int

    init(type: StateType, count: Int) throws(MartletError) {
        self.type = type
        self.count = count
        let bytes = type.byteCount(count)
        scalesOffset = (bytes + 63) & ~63
        let scales = type.scaleCount(count)
        memory = try ZeroedMemory(byteCount: scales == 0 ? bytes : scalesOffset + scales * 4)
    }

    /// Bytes of the elements, and of the scales.
    var dataBytes: Int { type.byteCount(count) }
    var scaleBytes: Int { type.scaleCount(count) * 4 }
    var byteCount: Int { dataBytes + scaleBytes }

    var view: ArrayView {
        switch type {
        case .wide(let type): unsafe ArrayView(base: memory.base, count: count, type: type)
        case .small(let type):
            unsafe ArrayView(codes: memory.base, scales: memory.base + scalesOffset, count: count, small: type)
        }
    }

    func copy() throws(MartletError) -> StateSlot {
        let copy = try StateSlot(type: type, count: count)
        unsafe copy.memory.base.copyMemory(from: memory.base, byteCount: memory.byteCount)
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
    let group: Int
    /// Of the name, as the table of names wants it.
    let nameHash: UInt
    private(set) var slots: [StateSlot]
    /// The memory of the value, to hold against that of later parameters.
    let extent: Extent
    /// State that has been read and is not in place yet.
    var staged: ParameterState?

    /// The step counter, then all that a step needs but the gradient, then sizes and strides, then the name with its NUL: in
    /// one piece of memory, since an object's own cannot be refused.
    private let block: ZeroedMemory
    private let nameCount: Int
    private var view: ParameterView {
        unsafeAddress { unsafe UnsafePointer(viewPlace) }
        unsafeMutableAddress { unsafe viewPlace }
    }
    private var viewPlace: UnsafeMutablePointer<ParameterView> {
        unsafe (block.base + ParameterEntry.viewOffset).assumingMemoryBound(to: ParameterView.self)
    }
    private static var viewOffset: Int { 8 }
    /// The sizes and strides of the parameter's copy.
    private var copyShape: ZeroedMemory?
    /// What its rows have not seen yet.
    private var backlog: ZeroedMemory?

    init(
        value: ArrayView, name: UnsafeRawBufferPointer, group: Int, extent: Extent
    ) throws(MartletError) {
        self.group = group
        nameHash = unsafe NameTable.hash(name)
        nameCount = name.count
        let shapeBytes = unsafe value.rank * MemoryLayout<Int64>.stride
        let shapeOffset = unsafe ParameterEntry.viewOffset + MemoryLayout<ParameterView>.stride
        block = try ZeroedMemory(byteCount: shapeOffset + 2 * shapeBytes + name.count + 1)
        let sizes = unsafe (block.base + shapeOffset).assumingMemoryBound(to: Int64.self)
        let strides = unsafe sizes + value.rank
        for dimension in unsafe 0..<value.rank {
            unsafe sizes[dimension] = value.sizes![dimension]
            unsafe strides[dimension] = value.strides![dimension]
        }
        let text = unsafe block.base + shapeOffset + 2 * shapeBytes
        if let start = name.baseAddress { unsafe text.copyMemory(from: start, byteCount: name.count) }
        let own = unsafe ArrayView(
            base: value.base, count: value.count, type: value.type, rank: value.rank, sizes: sizes, strides: strides)
        var ownExtent = unsafe extent
        unsafe ownExtent.sizes = UnsafePointer(sizes)
        unsafe ownExtent.strides = UnsafePointer(strides)
        unsafe self.extent = ownExtent
        slots = []
        unsafe viewPlace.initialize(
            to: ParameterView(
                value: own, gradient: .none, step: block.base.assumingMemoryBound(to: Int64.self), group: group,
                name: UnsafePointer(text.assumingMemoryBound(to: CChar.self))))
    }

    /// Gives the parameter these slots in these types, all zero.
    convenience init(
        value: ArrayView, name: UnsafeRawBufferPointer, group: Int, slots wanted: Slots, types: [StateType],
        extent: Extent
    ) throws(MartletError) {
        try unsafe self.init(value: value, name: name, group: group, extent: extent)
        var slots: [StateSlot] = []
        for (slot, type) in zip(wanted, types) {
            slots.append(try StateSlot(type: type, count: slot.count(for: shape)))
        }
        adopt(slots)
    }

    /// The same parameter with its own copy of the state.
    func copy() throws(MartletError) -> ParameterEntry {
        let copy = try unsafe ParameterEntry(value: view.value, name: name, group: group, extent: extent)
        var copies: [StateSlot] = []
        for slot in slots { copies.append(try slot.copy()) }
        copy.adopt(copies)
        unsafe copy.identify(key: view.key, offset: view.offset)
        copy.step = step
        return copy
    }

    private func adopt(_ slots: [StateSlot]) {
        self.slots = slots
        unsafe view.stateCount = slots.count
        for (index, slot) in slots.enumerated() { unsafe view.state[index] = slot.view }
    }

    /// Borrows an array that each step copies the value into; `.none` for no such array. Throws `.memory`.
    func setCopy(_ array: ArrayView) throws(MartletError) {
        let rank = unsafe array.rank
        var own = unsafe array
        if rank > 0 {
            let shape = try ZeroedMemory(byteCount: 2 * rank * MemoryLayout<Int64>.stride)
            let sizes = unsafe shape.base.assumingMemoryBound(to: Int64.self)
            for dimension in 0..<rank {
                unsafe sizes[dimension] = array.sizes![dimension]
                unsafe sizes[rank + dimension] = array.strides![dimension]
            }
            unsafe (own.sizes, own.strides) = unsafe (UnsafePointer(sizes), UnsafePointer(sizes + rank))
            copyShape = consume shape
        }
        unsafe view.copy = unsafe own
    }

    /// Takes memory for what rows have not seen yet, unless it has some. Throws `.memory`.
    func reserveBacklog() throws(MartletError) {
        if unsafe view.backlog != nil { return }
        let memory = try ZeroedMemory(byteCount: backlogByteCount(rows: sizes[0]))
        unsafe view.backlog = memory.base
        backlog = consume memory
    }

    /// Whether some of its rows may have steps to catch up with.
    var isBehind: Bool { unsafe view.backlog.map { unsafe Backlog(memory: $0, rows: sizes[0]).kept > 0 } ?? false }

    /// Puts staged state, of the same types and counts, in place.
    func adoptStaged() {
        guard let staged else { return }
        adopt(staged.slots)
        step = staged.step
        self.staged = nil
    }

    /// The bytes of the name; good as long as this object.
    var name: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: view.name, count: nameCount) }

    /// Steps taken.
    var step: Int64 {
        get { unsafe block.base.load(as: Int64.self) }
        set { unsafe block.base.storeBytes(of: newValue, as: Int64.self) }
    }

    /// The counter's address, good as long as this object.
    var stepAddress: UnsafeMutableRawPointer { unsafe block.base }

    /// Elements along each dimension; one dimension for a contiguous value.
    var sizes: [Int] {
        let value = unsafe view.value
        return unsafe value.rank == 0 ? [value.count] : (0..<value.rank).map { unsafe Int(value.sizes![$0]) }
    }

    var shape: ParameterShape { unsafe ParameterShape(view.value) }

    var value: ArrayView { unsafe view.value }

    var copyRank: Int { unsafe view.copy.rank }

    var stateBytes: Int { slots.reduce(8 + (backlog?.byteCount ?? 0)) { $0 + $1.byteCount } }

    /// Says whose draws it takes where it is rounded at random.
    func identify(key: UInt64, offset: UInt64) {
        unsafe view.key = key
        unsafe view.offset = offset
    }

    /// Everything that a step needs.
    func view(gradient: ArrayView) -> ParameterView {
        var view = unsafe view
        unsafe view.gradient = gradient
        return unsafe view
    }
}

/// The parameters of an optimizer, in order of adding.
@safe struct ParameterList: ~Copyable {
    /// Retained here, released in the end.
    private var entries = unsafe RawList<Unmanaged<ParameterEntry>>()

    deinit { for index in unsafe 0..<entries.count { unsafe entries[index].release() } }

    var count: Int { unsafe entries.count }

    subscript(index: Int) -> ParameterEntry { unsafe entries[index].takeUnretainedValue() }

    /// Makes room for `more` parameters. Throws `.memory`.
    mutating func reserve(_ more: Int) throws(MartletError) { try unsafe entries.reserve(more) }

    /// Adds a parameter; throws `.memory` where no room has been made and the system gives none.
    mutating func append(_ entry: ParameterEntry) throws(MartletError) {
        try unsafe entries.reserve(1)
        try unsafe entries.append(Unmanaged.passRetained(entry))
    }
}
