// Rows that catch up: a few of them are fetched into a block on the stack, are taken there through the steps that they have not
// seen, with zeros for gradients, then through the step at hand, and are put back. Those that have seen least come first, so
// that the rows of a block that a step is for are always the first ones.
import CMachine
import MartletKernelInterface
import MartletPlatform

/// What the rows of an item catch up with.
@unsafe package struct DeferredRows {
    let backlog: Backlog
    /// Steps to catch up with.
    let kept: Int
    /// Elements of a row.
    let width: Int
    /// Whether the item has a step behind them.
    let steps: Bool

    package init(backlog: Backlog, kept: Int, width: Int, steps: Bool) {
        unsafe self.backlog = unsafe backlog
        unsafe self.kept = kept
        unsafe self.width = width
        unsafe self.steps = steps
    }
}

extension UnsafePointer<DeferredRows> {
    /// Runs elements of an item, counted over its rows, or over all.
    @inline(never)
    func run(_ range: Range<Int>, _ item: UnsafePointer<WorkItem>, _ isa: InstructionSet) {
        var scratch = InlineArray<384, SIMD8<UInt64>>(repeating: .zero)
        unsafe withUnsafeMutableBytes(of: &scratch) { scratch in
            guard let base = scratch.baseAddress, let rule = unsafe item.pointee.rule else { return }
            var block = unsafe DeferredBlock(item, rule, self, base, isa)
            var element = range.lowerBound
            while element < range.upperBound {
                element += unsafe block.take(element, before: range.upperBound)
            }
            unsafe block.flush()
        }
    }
}

/// Rows, or parts of rows, that are in the first-level cache together.
@unsafe private struct DeferredBlock {
    /// A part of a row: its first element, counted as the item's are, and how many steps it has seen.
    private struct Part: BitwiseCopyable {
        var element = 0
        var length: Int32 = 0
        var seen: Int32 = 0
    }

    /// Bytes that the block may take in one array, and parts.
    private static var bytes: Int { 4096 }
    private static var mostParts: Int { 128 }

    private let item: UnsafePointer<WorkItem>
    private let deferred: UnsafePointer<DeferredRows>
    private let isa: InstructionSet
    private let sweep: Sweep
    private let gradientPlace: Int
    private var block: Run
    /// For what a sum is made of: the place of an array that no rule here has.
    private let fetched: UnsafeMutableRawPointer
    private let capacity: Int
    private let rowsAhead: Int
    private var parts = InlineArray<128, Part>(repeating: Part())
    private var partCount = 0

    init(
        _ item: UnsafePointer<WorkItem>, _ rule: Rule, _ deferred: UnsafePointer<DeferredRows>,
        _ scratch: UnsafeMutableRawPointer, _ isa: InstructionSet
    ) {
        unsafe self.item = unsafe item
        unsafe self.deferred = unsafe deferred
        unsafe self.isa = isa
        unsafe sweep = unsafe isa.sweep(rule)
        unsafe gradientPlace = unsafe Run.gradient
        unsafe block = unsafe item.pointee.run
        unsafe block.count = 0
        var size = unsafe block.isDouble ? 8 : 4
        for array in unsafe 0..<block.arrayCount { unsafe size = max(size, block.arrays[array].type.size) }
        // Every array has its place here, whatever a variant in memory of the caller's may ask for.
        for array in unsafe 0..<Run.capacity { unsafe block.arrays[array].base = unsafe scratch + array * DeferredBlock.bytes }
        unsafe fetched = unsafe scratch + (Run.capacity - 1) * DeferredBlock.bytes
        unsafe capacity = DeferredBlock.bytes / size
        unsafe rowsAhead = max(1, min(capacity / max(deferred.pointee.width, 1), 16))
    }

    private var native: ElementType { unsafe item.pointee.run.isDouble ? .fp64 : .fp32 }

    /// Takes in elements of one row; returns how many.
    mutating func take(_ element: Int, before end: Int) -> Int {
        let width = unsafe deferred.pointee.width
        guard let rows = unsafe item.pointee.rows else {
            let length = min(width - element % width, end - element)
            unsafe add(element, row: element / width, length: length)
            return length
        }
        let part = unsafe rows.pointee.part(at: element, before: end)
        if unsafe item.pointee.layout == nil && rows.pointee.isContiguous {
            unsafe fetchAhead(rows, part.index + rowsAhead)
        }
        // Sums are of the type computed in, and a block has one for its gradient.
        let isAlone = unsafe part.isSummed && item.pointee.run.arrays[gradientPlace].type != native
        if isAlone { unsafe flush() }
        unsafe add(element, row: part.value / width, length: part.length)
        if isAlone { unsafe flush() }
        return part.length
    }

    private func fetchAhead(_ rows: UnsafePointer<TouchedRows>, _ index: Int) {
        unsafe rows.pointee.fetchAhead(index, item)
        if let row = unsafe rows.pointee.row(index) { unsafe machine_prefetch(deferred.pointee.backlog.place(row)) }
    }

    private mutating func add(_ element: Int, row: Int, length: Int) {
        let seen = unsafe min(deferred.pointee.backlog.seen(row), deferred.pointee.kept)
        if unsafe seen == deferred.pointee.kept && !deferred.pointee.steps { return }
        var done = 0
        while done < length {
            if unsafe partCount == DeferredBlock.mostParts || block.count == capacity { unsafe flush() }
            let taken = unsafe min(capacity - block.count, length - done)
            // Those that have seen least stand first.
            var place = unsafe partCount
            while unsafe place > 0 && parts[place - 1].seen > seen {
                unsafe parts[place] = unsafe parts[place - 1]
                place -= 1
            }
            unsafe parts[place] = Part(element: element + done, length: Int32(taken), seen: Int32(seen))
            unsafe partCount += 1
            unsafe block.count += taken
            done += taken
        }
    }

    /// Takes what is in the block to the end, and puts it back.
    mutating func flush() {
        if unsafe block.count == 0 { return }
        unsafe copy(.gather)
        if unsafe Int(parts[0].seen) < deferred.pointee.kept { unsafe catchUp() }
        if unsafe deferred.pointee.steps { unsafe step() }
        unsafe copy(.scatter)
        unsafe (block.count, partCount) = (0, 0)
    }

    private func copy(_ direction: Layout.Direction) {
        var place = 0
        for index in unsafe 0..<partCount {
            let (first, length) = unsafe (first(parts[index]), Int(parts[index].length))
            for array in unsafe 0..<block.arrayCount where unsafe array != gradientPlace {
                let packed = unsafe block.arrays[array].base + place * block.arrays[array].type.size
                unsafe item.copy(direction, array, first: first, length: length, packed)
            }
            place += length
        }
    }

    /// Where a part begins in the parameter.
    private func first(_ part: Part) -> Int {
        guard let rows = unsafe item.pointee.rows else { return part.element }
        return unsafe rows.pointee.part(at: part.element, before: part.element + 1).value
    }

    /// Steps with zeros for gradients, each over the parts that have not seen it.
    private mutating func catchUp() {
        let zeros = unsafe block.arrays[gradientPlace].base
        unsafe zeros.initializeMemory(as: UInt8.self, repeating: 0, count: DeferredBlock.bytes)
        var run = unsafe block
        var (active, step) = unsafe (0, Int(parts[0].seen))
        unsafe run.count = 0
        while unsafe step < deferred.pointee.kept {
            while unsafe active < partCount && Int(parts[active].seen) <= step {
                unsafe run.count += Int(parts[active].length)
                active += 1
            }
            let way = unsafe deferred.pointee.backlog.way(step)
            unsafe run.isDouble = way.isDouble
            // In fp64 a block is as long only where some array is of it.
            unsafe run.arrays[gradientPlace].type = way.isDouble && capacity * 8 <= DeferredBlock.bytes ? .fp64 : .fp32
            unsafe withUnsafePointer(to: &run) {
                unsafe way.mode.run(sweep, $0, deferred.pointee.backlog.coefficients(step))
            }
            let next = unsafe deferred.pointee.backlog.next(after: step, of: deferred.pointee.kept)
            step = unsafe active < partCount ? min(next, max(step + 1, Int(parts[active].seen))) : next
        }
    }

    /// The step at hand, by the item's gradient.
    private mutating func step() {
        guard let rows = unsafe item.pointee.rows else { return }
        let gradient = unsafe item.pointee.run.arrays[gradientPlace]
        var place = 0
        for index in unsafe 0..<partCount {
            let part = unsafe parts[index]
            let segment = unsafe rows.pointee.part(at: part.element, before: part.element + Int(part.length))
            let type = unsafe segment.isSummed ? native : gradient.type
            unsafe block.arrays[gradientPlace].type = type
            let target = unsafe block.arrays[gradientPlace].base + place * type.size
            if segment.isSummed {
                unsafe rows.pointee.sum(segment, item, isa, into: Operand(base: target, type: type), fetched: fetched)
            } else {
                unsafe rows.pointee.fetch(gradient, first: segment.gradient, count: segment.length, to: target)
            }
            place += segment.length
        }
        unsafe withUnsafePointer(to: &block) { unsafe item.pointee.mode.run(sweep, $0, item.pointee.coefficients) }
    }
}
