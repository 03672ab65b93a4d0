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
        var scratch = InlineArray<448, SIMD8<UInt64>>(repeating: .zero)
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

/// Rows, or parts of rows, of which as many as fit are in the first-level cache together.
@unsafe private struct DeferredBlock {
    /// A part of a row: its first element, counted as the item's are, and how many steps it has seen.
    private struct Part: BitwiseCopyable {
        var element = 0
        var length: Int32 = 0
        var seen: Int32 = 0
    }

    /// Bytes that what is in the cache may take in one array; and parts that are put in order.
    private static var bytes: Int { 4096 }
    private static var mostParts: Int { 256 }

    private let item: UnsafePointer<WorkItem>
    private let deferred: UnsafePointer<DeferredRows>
    private let isa: InstructionSet
    private let sweep: Sweep
    private let gradientPlace: Int
    private var block: Run
    /// For what a sum is made of: the place of an array that no rule here has.
    private let fetched: UnsafeMutableRawPointer
    private let capacity: Int
    /// From which step on the last one stands for all, and of what.
    private let still: (since: Int, of: Backlog.Stillness)
    /// Behind the arrays.
    private let parts: UnsafeMutablePointer<Part>
    private var partCount = 0
    /// Those that are in the cache.
    private var present = 0..<0

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
        var size = unsafe block.isDouble ? 8 : 4
        for array in unsafe 0..<block.arrayCount { unsafe size = max(size, block.arrays[array].type.size) }
        // Every array has its place here, whatever a variant in memory of the caller's may ask for.
        for array in unsafe 0..<Run.capacity {
            unsafe block.arrays[array].base = unsafe scratch + array * DeferredBlock.bytes
        }
        unsafe fetched = unsafe scratch + (Run.capacity - 1) * DeferredBlock.bytes
        unsafe parts = (scratch + Run.capacity * DeferredBlock.bytes).assumingMemoryBound(to: Part.self)
        unsafe capacity = DeferredBlock.bytes / size
        let kept = unsafe deferred.pointee.kept
        unsafe still = unsafe kept == 0 ? (0, .never) : deferred.pointee.backlog.stillness(of: kept)
    }

    private var native: ElementType { unsafe item.pointee.run.isDouble ? .fp64 : .fp32 }

    /// Takes in elements of one row; returns how many.
    mutating func take(_ element: Int, before end: Int) -> Int {
        let width = unsafe deferred.pointee.width
        guard let rows = unsafe item.pointee.rows else {
            let length = min(width - element % width, end - element)
            unsafe add(element, first: element, length: length)
            return length
        }
        let part = unsafe rows.pointee.part(at: element, before: end)
        if let ahead = unsafe rows.pointee.row(part.index + 16) {
            unsafe machine_prefetch(deferred.pointee.backlog.place(ahead))
        }
        // Sums are of the type computed in, and a block has one for its gradient.
        let isAlone = unsafe part.isSummed && item.pointee.run.arrays[gradientPlace].type != native
        if isAlone { unsafe flush() }
        unsafe add(element, first: part.value, length: part.length)
        if isAlone { unsafe flush() }
        return part.length
    }

    /// Adds elements of a row; first: the first one's place in the parameter.
    private mutating func add(_ element: Int, first: Int, length: Int) {
        let kept = unsafe deferred.pointee.kept
        var seen = unsafe min(deferred.pointee.backlog.seen(first / deferred.pointee.width), kept)
        if unsafe seen == kept && !deferred.pointee.steps { return }
        if unsafe seen < kept - 1 && isStill(since: seen, first, length) { seen = kept - 1 }
        for done in unsafe stride(from: 0, to: length, by: capacity) {
            if unsafe partCount == DeferredBlock.mostParts { unsafe flush() }
            // Those that have seen least stand first.
            var place = unsafe partCount
            while unsafe place > 0 && parts[place - 1].seen > seen {
                unsafe parts[place] = unsafe parts[place - 1]
                place -= 1
            }
            unsafe parts[place] = Part(
                element: element + done, length: Int32(min(capacity, length - done)), seen: Int32(seen))
            unsafe partCount += 1
        }
    }

    /// Takes all parts to the end, as many at a time as fit.
    mutating func flush() {
        var next = unsafe fitting(0)
        while !next.isEmpty {
            unsafe present = next
            next = unsafe fitting(present.upperBound)
            unsafe block.count = 0
            for index in unsafe present { unsafe block.count += Int(parts[index].length) }
            unsafe copy(.gather)
            for index in next { unsafe fetchAhead(parts[index]) }
            if unsafe Int(parts[present.lowerBound].seen) < deferred.pointee.kept { unsafe catchUp() }
            if unsafe deferred.pointee.steps { unsafe step() }
            unsafe copy(.scatter)
        }
        unsafe partCount = 0
    }

    /// The parts from one on that fit.
    private func fitting(_ first: Int) -> Range<Int> {
        var (end, elements) = (first, 0)
        while unsafe end < partCount && elements + Int(parts[end].length) <= capacity {
            unsafe elements += Int(parts[end].length)
            end += 1
        }
        return first..<end
    }

    /// Asks for the memory of a part that is soon to come.
    private func fetchAhead(_ part: Part) {
        if unsafe item.pointee.layout != nil { return }
        let first = unsafe first(part)
        for array in unsafe 0..<block.arrayCount where unsafe array != gradientPlace {
            let operand = unsafe item.pointee.run.arrays[array].advanced(by: first)
            for line in unsafe stride(from: 0, to: Int(part.length) * operand.type.size, by: 64) {
                unsafe machine_prefetch(operand.base + line)
            }
        }
    }

    /// Whether the last of the steps from one on stands for all of them, for these elements.
    private func isStill(since seen: Int, _ first: Int, _ length: Int) -> Bool {
        if unsafe still.since > seen { return false }
        switch unsafe still.of {
        case .never: return false
        case .always: return true
        case .withoutState:
            guard unsafe item.pointee.layout == nil else { return false }
            for array in unsafe Run.state..<block.arrayCount {
                let operand = unsafe item.pointee.run.arrays[array].advanced(by: first)
                let count = unsafe length * operand.type.size
                for byte in stride(from: 0, to: count & ~7, by: 8)
                where unsafe operand.base.loadUnaligned(fromByteOffset: byte, as: UInt64.self) != 0 { return false }
                for byte in count & ~7..<count
                where unsafe operand.base.load(fromByteOffset: byte, as: UInt8.self) != 0 { return false }
            }
            return true
        }
    }

    private func copy(_ direction: Layout.Direction) {
        var place = 0
        for index in unsafe present {
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
        var (active, step) = unsafe (present.lowerBound, Int(parts[present.lowerBound].seen))
        unsafe run.count = 0
        while unsafe step < deferred.pointee.kept {
            while unsafe active < present.upperBound && Int(parts[active].seen) <= step {
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
            step += 1
        }
    }

    /// The step at hand, by the item's gradient.
    private mutating func step() {
        guard let rows = unsafe item.pointee.rows else { return }
        let gradient = unsafe item.pointee.run.arrays[gradientPlace]
        var place = 0
        for index in unsafe present {
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
