// Arrays of a parameter that are stored in another form than numbers one by one: a block is fetched into memory of a thread,
// where the loop of any rule or pass finds numbers of fp32, and put back while it is in the first-level cache.
import MartletKernelInterface
import MartletPlatform

/// One of them.
@unsafe package struct CodedArray: BitwiseCopyable {
    /// Its place among the run's arrays, which is its number in the layout too.
    let place: Int
    let coding: Coding
    /// From the parameter's first element on.
    let stored: UnsafeMutableRawPointer
    /// What the coding keeps beside it, and the number of that in the layout; nil: nothing.
    let beside: UnsafeMutableRawPointer?
    let besideNumber: Int

    package init(
        place: Int, coding: Coding, stored: UnsafeMutableRawPointer, beside: UnsafeMutableRawPointer? = nil,
        besideNumber: Int = 0
    ) {
        unsafe self.place = place
        unsafe self.coding = coding
        unsafe self.stored = stored
        unsafe self.beside = unsafe beside
        unsafe self.besideNumber = besideNumber
    }
}

/// Those of one parameter.
@unsafe package struct CodedArrays {
    fileprivate var list: InlineArray<6, CodedArray>
    package private(set) var count = 0
    fileprivate let seed: RoundingSeed
    /// The place of the first element among the parameter's, where that is cut into shards.
    fileprivate let offset: UInt64

    /// None, of a parameter whose update is `run`.
    package init(_ run: Run, seed: RoundingSeed, offset: UInt64) {
        unsafe list = unsafe InlineArray(
            repeating: CodedArray(place: 0, coding: .randomBF16, stored: run.arrays[Run.value].base))
        unsafe self.seed = seed
        unsafe self.offset = offset
    }

    package mutating func add(_ array: CodedArray) {
        unsafe list[count] = unsafe array
        unsafe count += 1
    }

    /// Elements of a block, counted from the parameter's first: no piece of work cuts one.
    static var blockCount: Int { 256 }

    /// Elements that are worked on at a time where nothing is gathered: whole blocks of so many bytes of numbers.
    fileprivate func countAtOnce(bytes: Int) -> Int {
        unsafe min(bytes / (4 * count) / CodedArrays.blockCount, 4) * CodedArrays.blockCount
    }
}

/// A parameter's coded arrays as one thread works on them.
@unsafe struct CodedAccess {
    private let arrays: UnsafePointer<CodedArrays>
    private let layout: Layout?
    private let isa: InstructionSet
    fileprivate let stream: UInt64
    /// How many of the arrays: all, or the first, which is the value.
    private let count: Int
    /// The elements that a room has place for, and their bytes: 4 for a number, and where arrays are gathered 2 for what is
    /// stored and 2 for what stands beside it. Each array of the run has a room then, and else each coded one.
    private let capacity: Int
    private var roomBytes: Int { unsafe capacity * (layout == nil ? 4 : 8) }

    /// ofStages: for what is done around the update with the value, which is the first of them and has draws of its own.
    init(
        _ arrays: UnsafePointer<CodedArrays>, _ layout: Layout?, _ isa: InstructionSet, capacity: Int,
        ofStages: Bool = false
    ) {
        unsafe self.arrays = unsafe arrays
        unsafe self.layout = unsafe layout
        unsafe self.isa = isa
        unsafe self.capacity = capacity
        unsafe count = unsafe ofStages ? 1 : arrays.pointee.count
        var roundsAtRandom = false
        for index in unsafe 0..<arrays.pointee.count {
            roundsAtRandom = unsafe roundsAtRandom || arrays.pointee.list[index].coding.roundsAtRandom
        }
        var seed = unsafe arrays.pointee.seed
        if ofStages { seed.step = ~seed.step }
        unsafe stream = roundsAtRandom ? isa.roundingStream(seed) : 0
    }

    /// Whether an array of the run is one of these.
    func has(_ place: Int) -> Bool { unsafe number(place) != nil }

    private func number(_ place: Int) -> Int? {
        for index in unsafe 0..<count where unsafe arrays.pointee.list[index].place == place { return index }
        return nil
    }

    /// How an array of the run is coded; nil: it is not.
    fileprivate func coding(_ place: Int) -> Coding? {
        unsafe number(place).map { unsafe arrays.pointee.list[$0].coding }
    }

    /// Where an element of an array of a run is, which begins a block, and what stands beside it.
    fileprivate func part(
        of run: Run, _ place: Int, _ first: Int
    ) -> (stored: UnsafeMutableRawPointer, beside: UnsafeMutableRawPointer?) {
        guard let number = unsafe number(place) else {
            return unsafe (run.arrays[place].advanced(by: first).base, nil)
        }
        let array = unsafe arrays.pointee.list[number]
        let beside = unsafe array.beside.map { unsafe $0 + array.coding.besideBytes(first) }
        return unsafe (array.stored + array.coding.storedBytes(first), beside)
    }

    /// Fetches elements of all arrays into the rooms of a run's arrays, and lets the run have them there.
    func fetch(_ run: inout Run, first: Int, count: Int, rooms: UnsafeMutableRawPointer) {
        for index in unsafe 0..<self.count {
            let array = unsafe arrays.pointee.list[index]
            let block = unsafe block(array, index, first, count, rooms)
            if unsafe layout != nil { unsafe move(.gather, array, first, block) }
            unsafe withUnsafePointer(to: block) { unsafe isa.codec(array.coding).fetch($0) }
            unsafe run.arrays[array.place] = Operand(base: block.numbers, type: .fp32)
        }
    }

    /// Puts them back, the value only where it was written.
    /// next: where a run goes on behind these elements, whose other arrays are asked for meanwhile, one with each.
    func put(first: Int, count: Int, rooms: UnsafeMutableRawPointer, value: Bool, next: UnsafePointer<Run>? = nil) {
        var other = 0
        for index in unsafe 0..<self.count {
            let array = unsafe arrays.pointee.list[index]
            if unsafe array.place == Run.value && !value { continue }
            var block = unsafe block(array, index, first, count, rooms)
            if let next = unsafe next {
                while unsafe other < next.pointee.arrayCount && has(other) { other += 1 }
                if unsafe other < next.pointee.arrayCount {
                    unsafe block.ahead = unsafe next.pointee.arrays[other].advanced(by: first + count)
                    other += 1
                }
            }
            unsafe withUnsafePointer(to: block) { unsafe isa.codec(array.coding).put($0) }
            if unsafe layout != nil { unsafe move(.scatter, array, first, block) }
        }
    }

    private func block(
        _ array: CodedArray, _ index: Int, _ first: Int, _ count: Int, _ rooms: UnsafeMutableRawPointer
    ) -> CodedBlock {
        let room = unsafe rooms + (layout == nil ? index : array.place) * roomBytes
        let (stored, beside) = unsafe (room + capacity * 4, room + capacity * 6)
        let isGathered = unsafe layout != nil && array.coding.small == nil
        return unsafe CodedBlock(
            stored: isGathered ? stored : array.stored + array.coding.storedBytes(first),
            beside: array.beside.map { unsafe isGathered ? beside : $0 + array.coding.besideBytes(first) },
            numbers: room, count: count, place: arrays.pointee.offset &+ UInt64(first), stream: stream)
    }

    private func move(_ direction: Layout.Direction, _ array: CodedArray, _ first: Int, _ block: CodedBlock) {
        guard let layout = unsafe layout, unsafe array.coding.small == nil else { return }
        func copy(_ base: UnsafeMutableRawPointer, _ number: Int, _ gathered: UnsafeMutableRawPointer) {
            unsafe layout.copy(
                direction, array: number, Operand(base: base, type: .bf16), first: first, count: block.count,
                block: gathered)
        }
        unsafe copy(array.stored, array.place, block.stored)
        if let base = unsafe array.beside, let gathered = unsafe block.beside {
            unsafe copy(base, array.besideNumber, gathered)
        }
    }
}

extension WorkItem {
    /// Elements of an item that has coded arrays, in its mode.
    @unsafe struct CodedPart {
        let item: UnsafePointer<WorkItem>
        let rule: Rule
        let coded: UnsafePointer<CodedArrays>
        let range: Range<Int>
        let isa: InstructionSet

        static let run: @convention(c) (UnsafeMutableRawPointer) -> Void = { context in
            unsafe context.assumingMemoryBound(to: CodedPart.self).pointee.run()
        }

        private func run() {
            let item = unsafe item
            let layout = unsafe item.pointee.layout
            let sweep = unsafe isa.sweep(rule)
            let bytes = 192 * 64
            let most =
                unsafe layout == nil ? coded.pointee.countAtOnce(bytes: bytes) : bytes / (8 * Run.capacity)
            let access = unsafe CodedAccess(coded, layout, isa, capacity: most)
            var scratch = InlineArray<193, SIMD8<UInt64>>(repeating: .zero)
            unsafe withUnsafeMutableBytes(of: &scratch) { scratch in
                let rooms = unsafe scratch.baseAddress! + (-Int(bitPattern: scratch.baseAddress!) & 63)
                var first = unsafe range.lowerBound + sweepStored(access)
                while unsafe first < range.upperBound {
                    let count = unsafe min(most, range.upperBound - first)
                    var block = unsafe item.pointee.run
                    func copy(_ direction: Layout.Direction, _ array: Int) {
                        if unsafe access.has(array) { return }
                        let room = unsafe rooms + array * most * 8
                        unsafe layout?.copy(
                            direction, array: array, item.pointee.run.arrays[array], first: first, count: count,
                            block: room)
                        unsafe block.arrays[array].base = unsafe room
                    }
                    if unsafe layout == nil {
                        unsafe block.advance(by: first)
                    } else {
                        for array in unsafe 0..<block.arrayCount { copy(.gather, array) }
                    }
                    unsafe block.count = count
                    unsafe access.fetch(&block, first: first, count: count, rooms: rooms)
                    unsafe withUnsafePointer(to: &block) { unsafe sweep($0, item.pointee.coefficients) }
                    unsafe withUnsafePointer(to: item.pointee.run) { run in
                        unsafe access.put(
                            first: first, count: count, rooms: rooms, value: true, next: layout == nil ? run : nil)
                    }
                    if unsafe layout != nil {
                        for array in unsafe 0..<block.arrayCount where unsafe array != Run.gradient {
                            copy(.scatter, array)
                        }
                    }
                    first += count
                }
            }
        }

        /// Runs whole blocks by a loop that the rule has for arrays as they are stored, where it has one; how many elements
        /// these have.
        private func sweepStored(_ access: CodedAccess) -> Int {
            let run = unsafe item.pointee.run
            let slots = unsafe (Run.state, Run.state + 1)
            guard unsafe item.pointee.layout == nil && run.arrayCount == Run.state + 2,
                let storage = unsafe CodedRun.Storage(
                    value: access.coding(Run.value), first: access.coding(slots.0), second: access.coding(slots.1)),
                let sweep = unsafe isa.codedSweep(CodedSweepKind(rule: rule, storage: storage))
            else { return 0 }
            for place in unsafe 0..<run.arrayCount
            where unsafe access.coding(place) == nil && run.arrays[place].type != storage.type {
                return 0
            }
            let start = unsafe range.lowerBound
            let value = unsafe access.part(of: run, Run.value, start)
            let gradient = unsafe access.part(of: run, Run.gradient, start)
            let first = unsafe access.part(of: run, slots.0, start)
            let second = unsafe access.part(of: run, slots.1, start)
            var block = unsafe CodedRun(
                value: value.stored, gradient: gradient.stored, first: first.stored, second: second.stored,
                firstScales: first.beside, secondScales: second.beside, count: range.count,
                place: coded.pointee.offset &+ UInt64(start), stream: access.stream)
            return unsafe sweep(&block, item.pointee.coefficients)
        }
    }
}
