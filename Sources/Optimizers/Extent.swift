// The bytes that an array reaches, and the proof that what is written overlaps nothing else. Arrays may interleave
// (the columns of one matrix, say) as long as no element is shared.

/// The span of memory of one array, with what is needed to look inside it.
@unsafe struct Extent {
    /// First byte, and the byte after the last.
    var low: UInt
    var high: UInt
    var isWritten: Bool
    /// Which array of which parameter this is, for messages.
    var role: Role
    var parameter: Int
    var elementSize: Int
    /// Sizes and strides; rank 0 for a contiguous array.
    var rank: Int
    var sizes: UnsafePointer<Int64>?
    var strides: UnsafePointer<Int64>?

    /// Whether some byte belongs to both. Exact for contiguous arrays; interleaved arrays are recognised by a period
    /// that separates them, and called overlapping where none of their strides is such a period.
    func overlaps(_ other: Extent) -> Bool {
        if unsafe high <= other.low || other.high <= low { return false }
        if unsafe role == .step && other.role == .step { return unsafe low != other.low }
        return unsafe !isSeparated(from: other, periodsOf: self) && !isSeparated(from: other, periodsOf: other)
    }

    /// Whether one of an array's strides, taken as a period, keeps the two arrays in different parts of it.
    private func isSeparated(from other: Extent, periodsOf array: Extent) -> Bool {
        for dimension in unsafe 0..<array.rank {
            let period = unsafe array.stride(dimension)
            if period == 0 { continue }
            let mine = unsafe reach(within: period)
            let others = unsafe other.reach(within: period)
            if mine > period || others > period { continue }
            let gap =
                unsafe low >= other.low
                ? UInt64(low - other.low) % period : period - 1 - UInt64(other.low - low - 1) % period
            if gap >= others && period - gap >= mine { return true }
        }
        return false
    }

    /// Bytes from the first to the last that the array reaches, leaving out dimensions that repeat with the period.
    private func reach(within period: UInt64) -> UInt64 {
        if unsafe rank == 0 { return unsafe UInt64(high - low) }
        var bytes = unsafe UInt64(elementSize)
        for dimension in unsafe 0..<rank {
            let stride = unsafe stride(dimension)
            if stride % period != 0 { bytes += unsafe UInt64(sizes![dimension] - 1) * stride }
        }
        return bytes
    }

    /// Bytes between neighbours along a dimension; 0 where there are none, whatever the caller wrote.
    private func stride(_ dimension: Int) -> UInt64 {
        unsafe sizes![dimension] > 1 ? strides![dimension].magnitude * UInt64(elementSize) : 0
    }
}

/// Extents in memory that the caller provides, sorted and searched in place.
@unsafe struct ExtentList {
    let extents: UnsafeMutablePointer<Extent>
    private(set) var count = 0

    init(memory: UnsafeMutableRawPointer) {
        unsafe extents = memory.assumingMemoryBound(to: Extent.self)
    }

    mutating func add(_ extent: Extent) {
        if unsafe extent.low == extent.high { return }
        unsafe (extents + count).initialize(to: extent)
        unsafe count += 1
    }

    /// Two extents that overlap although one of them is written, or nil.
    mutating func conflict() -> (Extent, Extent)? {
        unsafe sort()
        var highestRead: UInt = 0
        var highestWritten: UInt = 0
        for index in unsafe 0..<count {
            let extent = unsafe extents[index]
            if unsafe extent.low < highestWritten || (extent.isWritten && extent.low < highestRead) {
                // Some span overlaps another; only a look inside the arrays tells whether they share an element.
                if let pair = unsafe pairwiseConflict() { return unsafe pair }
                return nil
            }
            if unsafe extent.isWritten {
                highestWritten = unsafe max(highestWritten, extent.high)
            } else {
                highestRead = unsafe max(highestRead, extent.high)
            }
        }
        return nil
    }

    private func pairwiseConflict() -> (Extent, Extent)? {
        for index in unsafe 0..<count {
            let first = unsafe extents[index]
            var next = index + 1
            while unsafe next < count, unsafe extents[next].low < first.high {
                let second = unsafe extents[next]
                if unsafe (first.isWritten || second.isWritten) && first.overlaps(second) {
                    return unsafe (first, second)
                }
                next += 1
            }
        }
        return nil
    }

    /// Heapsort by the first byte: in place, no allocation, and never slow.
    private func sort() {
        for root in unsafe (0..<count / 2).reversed() { unsafe siftDown(root, count) }
        for end in unsafe (1..<max(count, 1)).reversed() {
            unsafe swap(&extents[0], &extents[end])
            unsafe siftDown(0, end)
        }
    }

    private func siftDown(_ start: Int, _ end: Int) {
        var root = start
        while 2 * root + 1 < end {
            var child = 2 * root + 1
            if child + 1 < end, unsafe extents[child].low < extents[child + 1].low { child += 1 }
            if unsafe extents[root].low >= extents[child].low { return }
            unsafe swap(&extents[root], &extents[child])
            root = child
        }
    }
}
