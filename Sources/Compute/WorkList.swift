// The work of one step: a list of runs of elements, cut into pieces whose bounds depend on sizes alone, and handed to
// the threads. It knows neither what a parameter is nor what a rule does.
import MartletKernelInterface
import MartletPlatform

/// One parameter's part of a step.
@unsafe package struct WorkItem {
    /// The arrays, from the first element on, and the element count.
    package var run: Run
    /// Nil: nothing but the stages is run.
    package var rule: Rule?
    /// The rule's coefficient struct; outlives the run.
    package var coefficients: UnsafeRawPointer
    package var mode: FloatingPointMode
    /// How the arrays lie; nil where all are contiguous.
    package var layout: Layout?
    /// What is done around the update; nil: nothing. It outlives the run.
    package var stages: UnsafePointer<Stages>?
    /// The rows that it is of, which outlive the run, as many elements as they have; nil: all. Such an item has no stages.
    package var rows: UnsafePointer<TouchedRows>?
    /// What rows catch up with before; nil: they have seen every step. It outlives the run.
    package var deferred: UnsafePointer<DeferredRows>?
    /// The arrays that are stored in another form; nil: there are none. They outlive the run.
    package var coded: UnsafePointer<CodedArrays>?

    package init(
        run: Run, rule: Rule?, coefficients: UnsafeRawPointer, mode: FloatingPointMode, layout: Layout?,
        stages: UnsafePointer<Stages>? = nil, rows: UnsafePointer<TouchedRows>? = nil,
        coded: UnsafePointer<CodedArrays>? = nil
    ) {
        unsafe self.run = run
        unsafe self.rule = rule
        unsafe self.coefficients = coefficients
        unsafe self.mode = mode
        unsafe self.layout = layout
        unsafe self.stages = stages
        unsafe self.rows = rows
        unsafe self.coded = coded
    }
}

/// Work items in memory that the caller provides, run together.
@unsafe package struct WorkList {
    /// An item and its first element's place among the elements of all items.
    @unsafe private struct Entry {
        var start: Int
        var item: WorkItem
    }

    /// Bytes that one item needs.
    package static var bytesPerItem: Int { unsafe MemoryLayout<Entry>.stride }

    private let entries: UnsafeMutablePointer<Entry>
    private var count = 0
    private var elements = 0
    /// Whether some array is stored in another type than the one computed in.
    private var converts = false
    /// Whether pieces must not cut blocks.
    private var hasBlocks = false

    /// An empty list over room for the items to come.
    package init(memory: UnsafeMutableRawPointer) {
        unsafe entries = memory.assumingMemoryBound(to: Entry.self)
    }

    package var isEmpty: Bool { unsafe elements == 0 }

    /// Adds an item; one without elements is passed over. One whose arrays are coded by blocks begins where a block does.
    package mutating func add(_ item: WorkItem) {
        if unsafe item.run.count == 0 { return }
        if unsafe item.coded != nil {
            unsafe hasBlocks = true
            unsafe elements = (elements + CodedArrays.blockCount - 1) & ~(CodedArrays.blockCount - 1)
        }
        unsafe (entries + count).initialize(to: Entry(start: elements, item: item))
        unsafe count += 1
        unsafe elements += item.run.count
        // Rows that catch up take far longer than their number says.
        unsafe converts = unsafe converts || item.run.converts || item.deferred != nil
    }

    /// The instruction set for this work where none was asked for: the best, but AVX2 in place of AVX-512 for work that
    /// takes less time than the slowness that wide registers begin and end with on many processors. Conversions gain
    /// enough from them to be worth it.
    package var suitableISA: InstructionSet { unsafe WorkList.suitableISA(elements: elements, converts: converts) }

    static func suitableISA(elements: Int, converts: Bool) -> InstructionSet {
        let best = InstructionSet.best
        return best == .avx512 && elements < 1 << 17 && !converts ? .avx2 : best
    }

    /// What one run of a list needs to know, shared with the threads by address.
    @unsafe private struct Job {
        var list: WorkList
        var isa: InstructionSet
        var pieceSize: Int
    }

    /// Runs every item and returns how many threads did work.
    package func run(isa: InstructionSet, threads: Int, leastPiece: Int) -> Int {
        if unsafe elements == 0 { return 0 }
        if unsafe threads == 1 || elements < 4 * leastPiece {
            unsafe run(0..<elements, isa)
            return 1
        }
        let whole = unsafe hasBlocks ? CodedArrays.blockCount : 1
        let pieceSize = unsafe (WorkList.pieceSize(elements: elements, least: leastPiece) + whole - 1) / whole * whole
        let pieces = unsafe (elements - 1) / pieceSize + 1
        var job = unsafe Job(list: self, isa: isa, pieceSize: pieceSize)
        return unsafe withUnsafeMutablePointer(to: &job) { job in
            unsafe ThreadPool.run(
                chunks: pieces, threads: threads, wake: elements / 128 >= leastPiece, warm: true,
                body: WorkList.runPiece,
                context: UnsafeMutableRawPointer(job))
        }
    }

    /// Elements of a piece: few enough that threads even out, whether two or hundreds, enough to be worth a claim, and
    /// no more pieces than the pool can number.
    private static func pieceSize(elements: Int, least: Int) -> Int {
        let even = min(elements / 32, 1 << 16)
        return max(least, (max(even, elements / 8192) + 63) & ~63)
    }

    private static let runPiece: ThreadPool.Body = { context, piece, _ in
        let job = unsafe context.assumingMemoryBound(to: Job.self)
        let first = unsafe piece * job.pointee.pieceSize
        unsafe job.pointee.list.run(
            first..<min(first + job.pointee.pieceSize, job.pointee.list.elements), job.pointee.isa)
    }

    /// Runs the elements of a range, counted over all items.
    private func run(_ range: Range<Int>, _ isa: InstructionSet) {
        var index = unsafe lastPlace(among: count) { unsafe entries[$0].start <= range.lowerBound }
        var place = range.lowerBound
        while place < range.upperBound {
            let entry = unsafe entries + index
            let first = unsafe place - entry.pointee.start
            let end = unsafe min(entry.pointee.item.run.count, range.upperBound - entry.pointee.start)
            if first < end {
                unsafe withUnsafeMutablePointer(to: &entry.pointee.item) { unsafe $0.run(first..<end, isa) }
            }
            index += 1
            // Between two items there may be a part of a block.
            place = unsafe index < count ? entries[index].start : range.upperBound
        }
    }
}

/// The last of so many places that a search has come to, where it has come to the first, and to none behind one that it
/// has not come to.
@inline(__always)
func lastPlace(among count: Int, _ hasCome: (Int) -> Bool) -> Int {
    var low = 0
    var high = count
    while high - low > 1 {
        let middle = (low + high) / 2
        if hasCome(middle) { low = middle } else { high = middle }
    }
    return low
}

extension Run {
    /// Begins as many elements later, in every array.
    @inline(__always)
    mutating func advance(by elements: Int) {
        for array in unsafe 0..<arrayCount { unsafe arrays[array] = arrays[array].advanced(by: elements) }
    }
}

extension UnsafeMutablePointer<WorkItem> {
    /// Runs elements of this item, counted from its own first, or over its rows, with its stages around them.
    fileprivate func run(_ range: Range<Int>, _ isa: InstructionSet) {
        if let deferred = unsafe pointee.deferred {
            unsafe deferred.run(range, self, isa)
            return
        }
        if let rows = unsafe pointee.rows {
            unsafe rows.run(range, self, isa)
            return
        }
        guard let stages = unsafe pointee.stages else {
            unsafe runUpdate(range, isa)
            return
        }
        for start in unsafe stride(from: range.lowerBound, to: range.upperBound, by: Stages.blockCount) {
            let block = unsafe start..<min(start + Stages.blockCount, range.upperBound)
            unsafe stages.run(.before, block, isa)
            unsafe runUpdate(block, isa)
            unsafe stages.run(.behind, block, isa)
        }
    }

    private func runUpdate(_ range: Range<Int>, _ isa: InstructionSet) {
        guard let coded = unsafe pointee.coded, let rule = unsafe pointee.rule else {
            unsafe pointee.run(range, isa)
            return
        }
        var part = unsafe WorkItem.CodedPart(item: self, rule: rule, coded: coded, range: range, isa: isa)
        unsafe pointee.mode.call(WorkItem.CodedPart.run, &part)
    }
}

extension WorkItem {
    /// Elements of a strided parameter that are gathered at a time, and the bytes that they may take in one array. All
    /// arrays together are 96 lines of 64 bytes: little for any thread's stack, and well inside the first-level cache.
    private static var blockCount: Int { 128 }
    private static var blockBytes: Int { 128 * 8 }

    /// Runs elements of this item, counted from its own first.
    fileprivate func run(_ range: Range<Int>, _ isa: InstructionSet) {
        guard let rule = unsafe rule else { return }
        let sweep = unsafe isa.sweep(rule)
        guard let layout = unsafe layout else {
            var part = unsafe run
            unsafe part.advance(by: range.lowerBound)
            unsafe part.count = range.count
            unsafe withUnsafePointer(to: &part) { unsafe mode.run(sweep, $0, coefficients) }
            return
        }
        unsafe runBlocks(range, layout, sweep)
    }

    /// Gathers a block of each array into scratch on this thread's stack, runs it, and scatters it back.
    private func runBlocks(_ range: Range<Int>, _ layout: Layout, _ sweep: Sweep) {
        var scratch = InlineArray<96, SIMD8<UInt64>>(repeating: .zero)
        unsafe withUnsafeMutableBytes(of: &scratch) { scratch in
            var block = unsafe run
            for array in unsafe 0..<block.arrayCount {
                unsafe block.arrays[array].base = scratch.baseAddress! + array * WorkItem.blockBytes
            }
            var first = range.lowerBound
            while first < range.upperBound {
                unsafe block.count = min(WorkItem.blockCount, range.upperBound - first)
                unsafe copy(.gather, layout, first: first, block: block)
                unsafe withUnsafePointer(to: &block) { unsafe mode.run(sweep, $0, coefficients) }
                unsafe copy(.scatter, layout, first: first, block: block)
                unsafe first += block.count
            }
        }
    }

    private func copy(_ direction: Layout.Direction, _ layout: Layout, first: Int, block: Run) {
        for array in unsafe 0..<block.arrayCount where unsafe direction == .gather || array != Run.gradient {
            unsafe layout.copy(
                direction, array: array, run.arrays[array], first: first, count: block.count,
                block: block.arrays[array].base)
        }
    }
}
