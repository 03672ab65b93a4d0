// Handles: tokens that stand for objects of ours. A token holds the place of a slot and the slot's generation, which
// goes up each time the slot is given back, so that no token is ever valid twice.
//
// One atomic word of a slot says everything: free, resting, entered by one thread, or shared by some that only read, and
// in which process of a line of forks. So entering is one compare-and-exchange, a thread that may not come in sees it at
// once, destroying cannot race with use, and there is no lock that a fork could leave locked.
import Glibc
import MartletPlatform
import Synchronization

/// What a slot's word says: generation in the upper 40 bits, the epoch of the process that entered it first in the next 12,
/// how many readers share it in 10, the use.
private struct SlotWord {
    enum Use: UInt64 {
        case free = 0
        case resting = 1
        case entered = 2
        case shared = 3
    }

    static var mostReaders: Int { 1023 }

    let raw: UInt64

    init(raw: UInt64) { self.raw = raw }

    init(generation: UInt64, epoch: UInt32 = 0, readers: Int = 0, use: Use) {
        raw = generation << 24 | UInt64(epoch & 0xfff) << 12 | UInt64(readers) << 2 | use.rawValue
    }

    var generation: UInt64 { raw >> 24 }
    var use: Use { Use(rawValue: raw & 3) ?? .free }
    var readers: Int { Int(raw >> 2) & SlotWord.mostReaders }
    private var epoch: UInt32 { UInt32(truncatingIfNeeded: raw >> 12) & 0xfff }
    /// Whether it was entered in this process, and not in one that this was forked from.
    var isOurs: Bool { epoch == ForkEpoch.current & 0xfff }

    /// With a thread inside that nobody may be beside.
    var entered: SlotWord { SlotWord(generation: generation, epoch: ForkEpoch.current, use: .entered) }

    /// With one reader more. Where readers of another process were inside at a fork, the word stays theirs: they never
    /// leave, and changed nothing.
    var joined: SlotWord {
        use == .shared
            ? SlotWord(generation: generation, epoch: epoch, readers: readers + 1, use: .shared)
            : SlotWord(generation: generation, epoch: ForkEpoch.current, readers: 1, use: .shared)
    }

    /// With one thread less inside.
    var left: SlotWord {
        readers > 1
            ? SlotWord(generation: generation, epoch: epoch, readers: readers - 1, use: .shared)
            : SlotWord(generation: generation, use: .resting)
    }
}

/// A place for one object.
private struct Slot: ~Copyable {
    let word: Atomic<UInt64>
    /// The object, retained; in a free slot the index after that of the next free one.
    let content: Atomic<UInt>
}

/// All handles of the process.
enum HandleTable {
    /// A slot that the calling thread is inside, and the object in it.
    struct Entry {
        fileprivate let index: Int
        fileprivate let word: SlotWord
        let object: AnyObject
    }

    private static var indexBits: UInt64 { 20 }
    private static var slotCount: Int { 1 << indexBits }

    /// The slots' address: a million of them, mapped at the first use, so that pages never used cost nothing.
    private static let base = Atomic<UInt>(0)
    /// Slots that were ever used.
    private static let usedCount = Atomic<Int>(0)
    /// The index after that of the first free slot, and in the upper half a count that makes each state of it unique.
    private static let firstFree = Atomic<UInt64>(0)

    /// Puts an object into a slot and returns its token.
    static func add(_ object: AnyObject) throws(MartletError) -> OpaquePointer {
        let slots = try unsafe slots()
        guard let index = unsafe takeFreeIndex(slots) else {
            throw MartletError(.memory, "\(slotCount) handles exist; expected fewer at a time")
        }
        let slot = unsafe slots + index
        let generation = unsafe SlotWord(raw: slot.pointee.word.load(ordering: .relaxed)).generation + 1
        unsafe slot.pointee.content.store(
            UInt(bitPattern: Unmanaged.passRetained(object).toOpaque()), ordering: .relaxed)
        unsafe slot.pointee.word.store(SlotWord(generation: generation, use: .resting).raw, ordering: .releasing)
        return unsafe OpaquePointer(bitPattern: UInt(generation << indexBits | UInt64(index)))!
    }

    /// Enters a handle, alone or beside others that only read. Every entry must be left by `leave`.
    @inline(never)
    static func enter(
        _ token: OpaquePointer?, _ name: StaticString, reads: Bool = false
    ) throws(MartletError) -> Entry {
        let (slot, index, word) = try unsafe claim(token, name) { (word) throws(MartletError) in
            if reads && (word.use == .resting || (word.use == .shared && word.readers < SlotWord.mostReaders)) {
                return word.joined
            }
            if word.use == .resting { return word.entered }
            guard word.isOurs else {
                throw MartletError(
                    .interrupted, "another thread was inside \(name) when this process was forked; destroy it")
            }
            throw busy(name)
        }
        let object = unsafe Unmanaged<AnyObject>.fromOpaque(
            UnsafeRawPointer(bitPattern: slot.pointee.content.load(ordering: .relaxed))!)
        return unsafe Entry(index: index, word: word, object: object.takeUnretainedValue())
    }

    private static func busy(_ name: StaticString) -> MartletError {
        MartletError(.busy, "another thread is inside \(name); expected one thread at a time")
    }

    /// Leaves a handle.
    @inline(never)
    static func leave(_ entry: Entry) {
        guard let slots = unsafe UnsafeMutablePointer<Slot>(bitPattern: base.load(ordering: .relaxed)) else { return }
        let slot = unsafe slots + entry.index
        var seen = unsafe SlotWord(raw: slot.pointee.word.load(ordering: .relaxed))
        // In a child another thread may have destroyed what the forking one was reading.
        while seen.generation == entry.word.generation, seen.use == entry.word.use {
            let (exchanged, now) = unsafe slot.pointee.word.compareExchange(
                expected: seen.raw, desired: seen.left.raw, ordering: .acquiringAndReleasing)
            if exchanged { return }
            seen = SlotWord(raw: now)
        }
    }

    /// Takes a handle out for good and lets go of its object. An object that another thread was inside at a fork is
    /// left as it is: it may be half changed. Throws `.handle` for a handle of another kind.
    static func remove<Kind: AnyObject>(
        _ token: OpaquePointer?, _ name: StaticString, kind: Kind.Type
    ) throws(MartletError) {
        var before = SlotWord(generation: 0, use: .free)
        let (slot, index, word) = try unsafe claim(token, name) { (word) throws(MartletError) in
            guard word.use == .resting || !word.isOurs else { throw busy(name) }
            before = word
            return word.entered
        }
        let address = unsafe UnsafeRawPointer(bitPattern: slot.pointee.content.load(ordering: .relaxed))!
        let object = unsafe Unmanaged<AnyObject>.fromOpaque(address)
        guard unsafe object.takeUnretainedValue() is Kind else {
            unsafe slot.pointee.word.store(before.raw, ordering: .releasing)
            throw HandleTable.wrongKind(name)
        }
        unsafe slot.pointee.word.store(SlotWord(generation: word.generation, use: .free).raw, ordering: .releasing)
        unsafe giveBack(slot, index)
        if before.use == .resting { unsafe object.release() }
    }

    /// The error of a live handle that stands for something else.
    static func wrongKind(_ name: StaticString) -> MartletError {
        MartletError(.handle, "\(name) is a handle of another kind; expected one of a martlet_\(name)")
    }

    /// Finds a token's slot and changes its word, that of a live handle, in one go, to what `next` says.
    private static func claim(
        _ token: OpaquePointer?, _ name: StaticString, _ next: (SlotWord) throws(MartletError) -> SlotWord
    ) throws(MartletError) -> (UnsafeMutablePointer<Slot>, Int, SlotWord) {
        let bits = UInt64(UInt(bitPattern: token))
        guard bits != 0 else { throw MartletError(.handle, "\(name) is NULL; expected a handle") }
        let index = Int(bits & (1 << indexBits - 1))
        func unknown() -> MartletError {
            MartletError(
                .handle,
                "\(name) is 0x\(String(bits, radix: 16)), no handle or one that was destroyed; expected a live handle")
        }
        guard index < usedCount.load(ordering: .acquiring),
            let slots = unsafe UnsafeMutablePointer<Slot>(bitPattern: base.load(ordering: .relaxed))
        else { throw unknown() }
        let slot = unsafe slots + index
        while true {
            let word = unsafe SlotWord(raw: slot.pointee.word.load(ordering: .acquiring))
            guard word.generation == bits >> indexBits, word.use != .free else { throw unknown() }
            let changed = try next(word)
            if unsafe slot.pointee.word.compareExchange(
                expected: word.raw, desired: changed.raw, ordering: .acquiringAndReleasing
            ).exchanged {
                return unsafe (slot, index, changed)
            }
        }
    }

    // MARK: - Slots

    private static func slots() throws(MartletError) -> UnsafeMutablePointer<Slot> {
        if let known = unsafe UnsafeMutablePointer<Slot>(bitPattern: base.load(ordering: .acquiring)) {
            return unsafe known
        }
        // Zero pages are slots of generation 0, free.
        let bytes = slotCount * MemoryLayout<Slot>.stride
        let memory = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
            throw MartletError(.memory, "the system gave no memory for handles")
        }
        let (isFirst, other) = base.compareExchange(
            expected: 0, desired: UInt(bitPattern: memory), ordering: .acquiringAndReleasing)
        if isFirst { return unsafe memory.assumingMemoryBound(to: Slot.self) }
        unsafe munmap(memory, bytes)
        return unsafe UnsafeMutablePointer(bitPattern: other)!
    }

    private static func takeFreeIndex(_ slots: UnsafeMutablePointer<Slot>) -> Int? {
        var head = firstFree.load(ordering: .acquiring)
        while UInt32(truncatingIfNeeded: head) != 0 {
            let index = Int(UInt32(truncatingIfNeeded: head)) - 1
            // The slot may be taken by another thread meanwhile; then the count has moved on and the exchange fails.
            let next = unsafe UInt64(UInt32(truncatingIfNeeded: slots[index].content.load(ordering: .relaxed)))
            let (exchanged, now) = firstFree.compareExchange(
                expected: head, desired: (head >> 32 &+ 1) << 32 | next, ordering: .acquiringAndReleasing)
            if exchanged { return index }
            head = now
        }
        let index = usedCount.add(1, ordering: .acquiringAndReleasing).oldValue
        if index < slotCount { return index }
        usedCount.subtract(1, ordering: .relaxed)
        return nil
    }

    private static func giveBack(_ slot: UnsafeMutablePointer<Slot>, _ index: Int) {
        var head = firstFree.load(ordering: .relaxed)
        while true {
            unsafe slot.pointee.content.store(UInt(UInt32(truncatingIfNeeded: head)), ordering: .relaxed)
            let (exchanged, now) = firstFree.compareExchange(
                expected: head, desired: (head >> 32 &+ 1) << 32 | UInt64(index + 1), ordering: .acquiringAndReleasing)
            if exchanged { return }
            head = now
        }
    }
}
