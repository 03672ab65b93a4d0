// How a rule runs over rows that lie apart: parts of them are fetched into a block on the stack, which is run over as any
// other, and put back. Rows that follow one another in the parameter and in the gradient are one run, and a long one is left
// where it is.
import MartletKernelInterface
import MartletPlatform

/// Where the rows stand, so that who runs them copies nothing.
extension UnsafePointer<TouchedRows> {
    /// Runs elements of an item, counted over its rows.
    @inline(never)
    func run(_ range: Range<Int>, _ item: UnsafePointer<WorkItem>, _ isa: InstructionSet) {
        var scratch = InlineArray<112, SIMD8<UInt64>>(repeating: .zero)
        unsafe withUnsafeMutableBytes(of: &scratch) { scratch in
            guard let base = scratch.baseAddress, let rule = unsafe item.pointee.rule else { return }
            var block = unsafe RowBlock(item, rule, self, base, isa)
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
    /// `Run.gradient`, which another module would be called for in every loop.
    private let gradientPlace: Int
    private var block: Run
    /// For what a sum is made of.
    private let fetched: UnsafeMutableRawPointer
    /// Where the parts of the block begin in the parameter, and how long they are.
    private var parts = InlineArray<128, (first: Int, length: Int)>(repeating: (0, 0))
    private var partCount = 0

    init(
        _ item: UnsafePointer<WorkItem>, _ rule: Rule, _ rows: UnsafePointer<TouchedRows>,
        _ scratch: UnsafeMutableRawPointer, _ isa: InstructionSet
    ) {
        unsafe self.item = unsafe item
        unsafe self.rows = unsafe rows
        unsafe self.isa = isa
        unsafe sweep = unsafe isa.sweep(rule)
        unsafe gradientPlace = unsafe Run.gradient
        unsafe block = unsafe item.pointee.run
        unsafe block.count = 0
        for array in unsafe 0..<block.arrayCount {
            unsafe block.arrays[array].base = unsafe scratch + array * RowBlock.bytes
        }
        unsafe fetched = unsafe scratch + Run.capacity * RowBlock.bytes
    }

    /// The type computed in.
    private var native: ElementType { unsafe block.isDouble ? .fp64 : .fp32 }

    private var sumsAreAlike: Bool { unsafe item.pointee.run.arrays[gradientPlace].type == native }

    /// Takes elements in; they are run over at once, or with others.
    mutating func take(_ segment: TouchedRows.Segment) {
        let isSimple = unsafe item.pointee.layout == nil && rows.pointee.isContiguous
        if unsafe !segment.isSummed && isSimple && segment.length >= RowBlock.leastInPlace {
            unsafe runInPlace(segment)
            return
        }
        if isSimple { unsafe rows.pointee.fetchAhead(segment.index + rows.pointee.rowsAhead, item) }
        // Sums are of the type computed in, and a block has one for its gradient.
        let isAlone = unsafe segment.isSummed && !sumsAreAlike
        if isAlone { unsafe flush() }
        var done = 0
        while done < segment.length {
            var part = segment
            part.length = unsafe min(RowBlock.capacity - block.count, segment.length - done)
            part.value += done
            part.gradient += done
            unsafe add(part)
            done += part.length
            if unsafe isAlone || block.count == RowBlock.capacity { unsafe flush() }
        }
    }

    private func runInPlace(_ segment: TouchedRows.Segment) {
        var run = unsafe item.pointee.run
        for array in unsafe 0..<run.arrayCount {
            let first = unsafe array == gradientPlace ? segment.gradient : segment.value
            unsafe run.arrays[array] = unsafe run.arrays[array].advanced(by: first)
        }
        unsafe run.count = segment.length
        unsafe withUnsafePointer(to: &run) { unsafe item.pointee.mode.run(sweep, $0, item.pointee.coefficients) }
    }

    private mutating func add(_ part: TouchedRows.Segment) {
        for array in unsafe 0..<block.arrayCount where unsafe array != gradientPlace {
            unsafe copy(.gather, array, first: part.value, length: part.length, at: block.count)
        }
        let gradient = unsafe item.pointee.run.arrays[gradientPlace]
        let type = unsafe part.isSummed ? native : gradient.type
        unsafe block.arrays[gradientPlace].type = type
        let place = unsafe block.arrays[gradientPlace].base + block.count * type.size
        if part.isSummed {
            unsafe rows.pointee.sum(part, item, isa, into: Operand(base: place, type: type), fetched: fetched)
        } else {
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
            for array in unsafe 0..<block.arrayCount where unsafe array != gradientPlace {
                unsafe copy(.scatter, array, first: part.first, length: part.length, at: place)
            }
            place += part.length
        }
        unsafe (block.count, partCount) = (0, 0)
    }

    /// Copies elements of an array to or from a place of the block.
    private func copy(_ direction: Layout.Direction, _ array: Int, first: Int, length: Int, at place: Int) {
        let packed = unsafe block.arrays[array].base + place * item.pointee.run.arrays[array].type.size
        unsafe item.copy(direction, array, first: first, length: length, packed)
    }
}

extension UnsafePointer<WorkItem> {
    /// Copies elements of an array of the whole parameter to or from memory where they lie one behind the other.
    func copy(_ direction: Layout.Direction, _ array: Int, first: Int, length: Int, _ packed: UnsafeMutableRawPointer) {
        let operand = unsafe pointee.run.arrays[array]
        if let layout = unsafe pointee.layout {
            unsafe layout.copy(direction, array: array, operand, first: first, count: length, block: packed)
            return
        }
        let size = unsafe operand.type.size
        let elements = unsafe operand.base + first * size
        switch direction {
        case .gather: unsafe packed.copyMemory(from: elements, byteCount: length * size)
        case .scatter: unsafe elements.copyMemory(from: packed, byteCount: length * size)
        }
    }
}

extension TouchedRows {
    /// Adds up what stands in the gradient for the row of a segment.
    func sum(
        _ segment: Segment, _ item: UnsafePointer<WorkItem>, _ isa: InstructionSet, into sum: Operand,
        fetched: UnsafeMutableRawPointer
    ) {
        let gradient = unsafe item.pointee.run.arrays[Run.gradient]
        unsafe sum.base.initializeMemory(as: UInt8.self, repeating: 0, count: segment.length * sum.type.size)
        if unsafe isContiguous && gradient.type == sum.type {
            var plain = unsafe PlainSum(
                sum: sum.base, gradient: gradient.base, keys: keys + segment.keys.lowerBound,
                keyCount: segment.keys.count,
                width: width, offset: segment.gradient % width, length: segment.length, isDouble: sum.type == .fp64)
            unsafe item.pointee.mode.call(PlainSum.serve, &plain)
            return
        }
        var run = unsafe Run(
            arrays: InlineArray(repeating: sum), arrayCount: 2, count: segment.length,
            isDouble: item.pointee.run.isDouble)
        unsafe run.arrays[Run.gradient] = Operand(base: fetched, type: gradient.type)
        let offset = unsafe segment.gradient % width
        unsafe withUnsafeTemporaryAllocation(byteCount: StepCoefficients.capacity, alignment: 16) { memory in
            guard let coefficients = memory.baseAddress else { return }
            // Gradient descent at the rate -1.
            var terms = SGDCoefficients()
            terms.outer = -1
            unsafe coefficients.storeBytes(of: RunTerms(), as: RunTerms.self)
            unsafe (coefficients + StepCoefficients.ruleOffset).storeBytes(of: terms, as: SGDCoefficients.self)
            for key in segment.keys {
                let first = unsafe keys[key].place * width + offset
                unsafe fetch(gradient, first: first, count: segment.length, to: fetched)
                unsafe withUnsafePointer(to: &run) {
                    unsafe item.pointee.mode.run(isa.sweep(.sgd), $0, coefficients)
                }
            }
        }
    }
}

/// A sum of parts of rows that are stored as what is summed, to be worked out in a floating-point mode of our own.
@unsafe private struct PlainSum {
    let sum, gradient: UnsafeMutableRawPointer
    let keys: UnsafePointer<RowKey>
    let keyCount, width, offset, length: Int
    let isDouble: Bool

    static let serve: @convention(c) (UnsafeMutableRawPointer) -> Void = { context in
        let request = unsafe context.assumingMemoryBound(to: PlainSum.self)
        if unsafe request.pointee.isDouble {
            unsafe request.pointee.add(Double.self)
        } else {
            unsafe request.pointee.add(Float.self)
        }
    }

    @inline(__always)
    private func add<Number: BinaryFloatingPoint>(_: Number.Type) {
        let sums = unsafe sum.assumingMemoryBound(to: Number.self)
        let rows = unsafe gradient.assumingMemoryBound(to: Number.self)
        for key in unsafe 0..<keyCount {
            let row = unsafe rows + keys[key].place * width + offset
            for index in unsafe 0..<length { unsafe sums[index] += row[index] }
        }
    }
}
