// A step over some rows of a parameter: those that a sparse gradient names. What stands at several places of the gradient
// for one row is added up, in the order of the places; rows that it does not name are neither read nor written.
//
// The rows lie apart, so they are fetched into a block on the stack, which a rule runs over as over any other, and put
// back. Rows that follow one another in the parameter and in the gradient are one run, and a long one is left where it is.
import MartletKernelInterface
import MartletPlatform

/// A row that a gradient names, and the place where it does.
@unsafe package struct RowKey: BitwiseCopyable {
    package var row: Int
    package var place: Int

    package init(row: Int, place: Int) {
        unsafe self.row = row
        unsafe self.place = place
    }
}

/// The rows that a gradient names, in order, in memory that the caller provides.
@unsafe package struct TouchedRows {
    /// By row, and those of one row by place.
    private let keys: UnsafePointer<RowKey>
    /// Where the keys of each row begin; behind the last of them, how many keys there are.
    private let starts: UnsafePointer<Int>
    private let count: Int
    /// Elements of a row.
    private let width: Int
    /// How the gradient lies, in the order of its dimensions; nil: contiguous.
    private let gradientLayout: Layout?

    /// Bytes that one key needs, for itself and as much again to put them in order; a list needs room for one more.
    package static var bytesPerKey: Int { unsafe 2 * MemoryLayout<RowKey>.stride }

    /// Puts keys in order, which stand at the beginning of memory for them in the order of their places.
    ///
    /// - Parameters:
    ///   - isAscending: whether each row is greater than the one before.
    ///   - bits: those of the greatest row.
    package init(
        memory: UnsafeMutableRawPointer, keyCount: Int, isAscending: Bool, bits: Int, width: Int, gradientLayout: Layout?
    ) {
        let first = unsafe memory.assumingMemoryBound(to: RowKey.self)
        let second = unsafe first + keyCount
        let sorted = unsafe isAscending ? first : TouchedRows.sort(first, second, keyCount, bits: bits)
        // What is left of the memory has room for twice as many numbers as there are keys.
        let starts = unsafe UnsafeMutableRawPointer(sorted == first ? second : first).assumingMemoryBound(to: Int.self)
        var count = 0
        for index in 0..<keyCount where unsafe index == 0 || sorted[index].row != sorted[index - 1].row {
            unsafe starts[count] = index
            count += 1
        }
        unsafe starts[count] = keyCount
        unsafe self.keys = UnsafePointer(sorted)
        unsafe self.starts = UnsafePointer(starts)
        unsafe self.count = count
        unsafe self.width = width
        unsafe self.gradientLayout = gradientLayout
    }

    fileprivate var isContiguous: Bool { unsafe gradientLayout == nil }

    /// Elements of all rows together, each row once.
    package var elements: Int { unsafe count * width }

    /// Sorts by row, byte after byte from the lowest, which leaves keys of one row in their order; returns which of the
    /// two places they have come to stand in.
    private static func sort(
        _ first: UnsafeMutablePointer<RowKey>, _ second: UnsafeMutablePointer<RowKey>, _ count: Int, bits: Int
    ) -> UnsafeMutablePointer<RowKey> {
        var (source, target) = unsafe (first, second)
        for shift in stride(from: 0, to: bits, by: 8) {
            var ends = InlineArray<256, Int>(repeating: 0)
            for index in 0..<count { unsafe ends[source[index].row >> shift & 255] += 1 }
            var sum = 0
            for digit in 0..<256 { (ends[digit], sum) = (sum, sum + ends[digit]) }
            for index in 0..<count {
                let digit = unsafe source[index].row >> shift & 255
                unsafe target[ends[digit]] = source[index]
                ends[digit] += 1
            }
            unsafe (source, target) = unsafe (target, source)
        }
        return unsafe source
    }

    /// Elements that are worked on at once: where they begin in the parameter and in the gradient, and which keys they
    /// are of, where these are several of one row.
    fileprivate struct Segment {
        var value: Int
        var gradient: Int
        var length: Int
        var keys: Range<Int>

        var isSummed: Bool { keys.count > 1 }
    }

    /// Those from an element on, counted over the rows here, up to another.
    fileprivate func segment(at element: Int, before end: Int) -> Segment {
        var index = unsafe element / width
        let offset = unsafe element - index * width
        var key = unsafe keys[starts[index]]
        var segment = unsafe Segment(
            value: key.row * width + offset, gradient: key.place * width + offset,
            length: min(width - offset, end - element), keys: starts[index]..<starts[index + 1])
        if segment.isSummed { return segment }
        index += 1
        while unsafe element + segment.length < end && index < count && starts[index + 1] - starts[index] == 1 {
            let next = unsafe keys[starts[index]]
            guard unsafe next.row == key.row + 1 && next.place == key.place + 1 else { break }
            segment.length += unsafe min(width, end - element - segment.length)
            unsafe key = unsafe next
            index += 1
        }
        return segment
    }

    /// Fetches elements of the gradient.
    fileprivate func fetch(_ gradient: Operand, first: Int, count: Int, to block: UnsafeMutableRawPointer) {
        if let gradientLayout = unsafe gradientLayout {
            unsafe gradientLayout.copy(.gather, array: 0, gradient, first: first, count: count, block: block)
        } else {
            let size = unsafe gradient.type.size
            unsafe block.copyMemory(from: gradient.base + first * size, byteCount: count * size)
        }
    }

    /// Adds up what stands in the gradient for the row of a segment.
    fileprivate func sum(
        _ segment: Segment, _ item: UnsafePointer<WorkItem>, _ isa: InstructionSet, into sum: Operand,
        fetched: UnsafeMutableRawPointer
    ) {
        let gradient = unsafe item.pointee.run.arrays[Run.gradient]
        unsafe sum.base.initializeMemory(as: UInt8.self, repeating: 0, count: segment.length * sum.type.size)
        var run = unsafe Run(
            arrays: InlineArray(repeating: sum), arrayCount: 2, count: segment.length,
            isDouble: item.pointee.run.isDouble)
        unsafe run.arrays[Run.gradient] = Operand(base: fetched, type: gradient.type)
        let skipped = unsafe segment.gradient - keys[segment.keys.lowerBound].place * width
        unsafe withUnsafeTemporaryAllocation(byteCount: StepCoefficients.capacity, alignment: 16) { memory in
            guard let coefficients = memory.baseAddress else { return }
            // Gradient descent at the rate -1.
            var terms = SGDCoefficients()
            terms.outer = -1
            unsafe coefficients.storeBytes(of: RunTerms(), as: RunTerms.self)
            unsafe (coefficients + StepCoefficients.ruleOffset).storeBytes(of: terms, as: SGDCoefficients.self)
            for key in segment.keys {
                let first = unsafe keys[key].place * width + skipped
                unsafe fetch(gradient, first: first, count: segment.length, to: fetched)
                unsafe withUnsafePointer(to: &run) {
                    unsafe item.pointee.mode.run(isa.sweep(.sgd), $0, coefficients)
                }
            }
        }
    }
}

/// Where the rows stand, so that who runs them copies nothing.
extension UnsafePointer<TouchedRows> {
    /// Runs elements of an item, counted over its rows.
    @inline(never)
    func run(_ range: Range<Int>, _ item: UnsafePointer<WorkItem>, _ isa: InstructionSet) {
        var scratch = InlineArray<112, SIMD8<UInt64>>(repeating: .zero)
        unsafe withUnsafeMutableBytes(of: &scratch) { scratch in
            guard let base = scratch.baseAddress else { return }
            var block = unsafe RowBlock(item, self, base, isa)
            var element = range.lowerBound
            while element < range.upperBound {
                let segment = unsafe pointee.segment(at: element, before: range.upperBound)
                unsafe block.take(segment)
                element += segment.length
            }
            unsafe block.flush()
        }
    }
}

/// Elements of rows that are fetched together, run over, and put back.
@unsafe private struct RowBlock {
    /// Elements of a block, and the bytes that they may take in one array.
    private static var capacity: Int { 128 }
    private static var bytes: Int { 128 * 8 }
    /// From so many elements on a run of rows is left where it is.
    private static var leastInPlace: Int { 512 }

    private let item: UnsafePointer<WorkItem>
    private let rows: UnsafePointer<TouchedRows>
    private let isa: InstructionSet
    private let sweep: Sweep
    private var block: Run
    /// For what a sum is made of.
    private let fetched: UnsafeMutableRawPointer
    /// Where the parts of the block begin in the parameter, and how long they are.
    private var parts = InlineArray<128, (first: Int, length: Int)>(repeating: (0, 0))
    private var partCount = 0

    init(
        _ item: UnsafePointer<WorkItem>, _ rows: UnsafePointer<TouchedRows>, _ scratch: UnsafeMutableRawPointer,
        _ isa: InstructionSet
    ) {
        unsafe self.item = unsafe item
        unsafe self.rows = unsafe rows
        unsafe self.isa = isa
        unsafe sweep = unsafe isa.sweep(item.pointee.rule)
        unsafe block = unsafe item.pointee.run
        unsafe block.count = 0
        for array in unsafe 0..<block.arrayCount {
            unsafe block.arrays[array].base = unsafe scratch + array * RowBlock.bytes
        }
        unsafe fetched = unsafe scratch + Run.capacity * RowBlock.bytes
    }

    /// Takes elements in; they are run over at once, or with others.
    mutating func take(_ segment: TouchedRows.Segment) {
        let isSimple = unsafe item.pointee.layout == nil && rows.pointee.isContiguous
        if unsafe !segment.isSummed && isSimple && segment.length >= RowBlock.leastInPlace {
            unsafe runInPlace(segment)
            return
        }
        if segment.isSummed { unsafe flush() }
        var done = 0
        while done < segment.length {
            var part = segment
            part.length = unsafe min(RowBlock.capacity - block.count, segment.length - done)
            part.value += done
            part.gradient += done
            unsafe add(part)
            done += part.length
            if unsafe segment.isSummed || block.count == RowBlock.capacity { unsafe flush() }
        }
    }

    private func runInPlace(_ segment: TouchedRows.Segment) {
        var run = unsafe item.pointee.run
        for array in unsafe 0..<run.arrayCount {
            let first = unsafe array == Run.gradient ? segment.gradient : segment.value
            unsafe run.arrays[array] = unsafe run.arrays[array].advanced(by: first)
        }
        unsafe run.count = segment.length
        unsafe withUnsafePointer(to: &run) { unsafe item.pointee.mode.run(sweep, $0, item.pointee.coefficients) }
    }

    private mutating func add(_ part: TouchedRows.Segment) {
        for array in unsafe 0..<block.arrayCount where unsafe array != Run.gradient {
            unsafe copy(.gather, array, first: part.value, length: part.length, at: block.count)
        }
        let gradient = unsafe item.pointee.run.arrays[Run.gradient]
        if part.isSummed {
            unsafe block.arrays[Run.gradient].type = unsafe block.isDouble ? .fp64 : .fp32
            unsafe rows.pointee.sum(part, item, isa, into: block.arrays[Run.gradient], fetched: fetched)
        } else {
            let place = unsafe block.arrays[Run.gradient].base + block.count * gradient.type.size
            unsafe block.arrays[Run.gradient].type = unsafe gradient.type
            unsafe rows.pointee.fetch(gradient, first: part.gradient, count: part.length, to: place)
        }
        unsafe parts[partCount] = (part.value, part.length)
        unsafe partCount += 1
        unsafe block.count += part.length
    }

    /// Runs over what has been fetched, and puts it back.
    mutating func flush() {
        if unsafe block.count == 0 { return }
        unsafe withUnsafePointer(to: &block) { unsafe item.pointee.mode.run(sweep, $0, item.pointee.coefficients) }
        var place = 0
        for index in unsafe 0..<partCount {
            let part = unsafe parts[index]
            for array in unsafe 0..<block.arrayCount where unsafe array != Run.gradient {
                unsafe copy(.scatter, array, first: part.first, length: part.length, at: place)
            }
            place += part.length
        }
        unsafe (block.count, partCount) = (0, 0)
    }

    /// Copies elements of an array to or from a place of the block.
    private func copy(_ direction: Layout.Direction, _ array: Int, first: Int, length: Int, at place: Int) {
        let operand = unsafe item.pointee.run.arrays[array]
        let size = unsafe operand.type.size
        let packed = unsafe block.arrays[array].base + place * size
        if let layout = unsafe item.pointee.layout {
            unsafe layout.copy(direction, array: array, operand, first: first, count: length, block: packed)
            return
        }
        let elements = unsafe operand.base + first * size
        switch direction {
        case .gather: unsafe packed.copyMemory(from: elements, byteCount: length * size)
        case .scatter: unsafe elements.copyMemory(from: packed, byteCount: length * size)
        }
    }
}
