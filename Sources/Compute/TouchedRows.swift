// A step over some rows of a parameter: those that a sparse gradient names. What stands at several places of the gradient
// for one row is added up, in the order of the places; rows that it does not name are neither read nor written.
// How they are run over is RowBlock.swift's affair.
import CMachine
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
    let keys: UnsafePointer<RowKey>
    /// Where the keys of each row begin; behind the last of them, how many keys there are.
    private let starts: UnsafePointer<Int>
    private let count: Int
    /// Elements of a row.
    let width: Int
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
        memory: UnsafeMutableRawPointer, keyCount: Int, isAscending: Bool, bits: Int, width: Int,
        gradientLayout: Layout?
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

    var isContiguous: Bool { unsafe gradientLayout == nil }

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
    struct Segment {
        var value: Int
        var gradient: Int
        var length: Int
        var keys: Range<Int>
        /// The row's place among those here, the last one's where it is of several.
        var index: Int

        var isSummed: Bool { keys.count > 1 }
    }

    /// Those of one row from an element on, counted over the rows here, up to another.
    func part(at element: Int, before end: Int) -> Segment {
        let index = unsafe element / width
        let offset = unsafe element - index * width
        let key = unsafe keys[starts[index]]
        return unsafe Segment(
            value: key.row * width + offset, gradient: key.place * width + offset,
            length: min(width - offset, end - element), keys: starts[index]..<starts[index + 1], index: index)
    }

    /// The same, with those of the rows behind it that follow it everywhere.
    func segment(at element: Int, before end: Int) -> Segment {
        var segment = unsafe part(at: element, before: end)
        if segment.isSummed { return segment }
        var key = unsafe keys[segment.keys.lowerBound]
        var index = segment.index + 1
        while unsafe element + segment.length < end && index < count && starts[index + 1] - starts[index] == 1 {
            let next = unsafe keys[starts[index]]
            guard unsafe next.row == key.row + 1 && next.place == key.place + 1 else { break }
            segment.length += unsafe min(width, end - element - segment.length)
            unsafe key = unsafe next
            segment.index = index
            index += 1
        }
        return segment
    }

    /// What adds a gradient to the rows of a table that lie where `table` is: it has a row for each of these places.
    package func addition(
        of gradient: UnsafePointer<Float>, places: Range<Int>, to table: UnsafeMutablePointer<Float>
    ) -> EmbeddingRowsRequest {
        unsafe EmbeddingRowsRequest(
            rows: count, columns: width, keys: UnsafeRawPointer(keys).assumingMemoryBound(to: Int.self), starts: starts,
            places: places, gradient: gradient, tableGradient: table)
    }

    /// A row's number, counted among those here; nil: they are not as many.
    package func row(_ index: Int) -> Int? { unsafe index < count ? keys[starts[index]].row : nil }

    /// The rows here, each once.
    package func forEachRow(_ body: (Int) -> Void) {
        for index in unsafe 0..<count { unsafe body(keys[starts[index]].row) }
    }

    /// Asks for the memory of a row that is soon to come, counted among those here: where it lies no processor can guess.
    func fetchAhead(_ index: Int, _ item: UnsafePointer<WorkItem>) {
        if unsafe index >= count { return }
        let (key, gradient) = unsafe (keys[starts[index]], Run.gradient)
        for array in unsafe 0..<item.pointee.run.arrayCount {
            let row = unsafe array == gradient ? key.place : key.row
            let bytes = unsafe width * item.pointee.run.arrays[array].type.size
            let address = unsafe UnsafeRawPointer(item.pointee.run.arrays[array].base + row * bytes)
            for line in unsafe stride(from: 0, to: min(bytes, TouchedRows.mostAhead), by: 64) {
                unsafe machine_prefetch(address + line)
            }
        }
    }

    /// How many rows are asked for before they are come to, and the most bytes of each.
    var rowsAhead: Int { unsafe max(1, min(16, 512 / width)) }
    private static var mostAhead: Int { 1024 }

    /// Fetches elements of the gradient.
    func fetch(_ gradient: Operand, first: Int, count: Int, to block: UnsafeMutableRawPointer) {
        if let gradientLayout = unsafe gradientLayout {
            unsafe gradientLayout.copy(.gather, array: 0, gradient, first: first, count: count, block: block)
        } else {
            let size = unsafe gradient.type.size
            unsafe block.copyMemory(from: gradient.base + first * size, byteCount: count * size)
        }
    }
}
