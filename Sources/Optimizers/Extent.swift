// The bytes that an array reaches, and the proof that what is written overlaps nothing else. Arrays may interleave
// (the columns of one matrix, say) as long as no element is shared.
import MartletPlatform

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
    /// The parameter's name, for messages.
    var name: UnsafePointer<CChar>?

    /// Whether some byte belongs to both. Exact for contiguous arrays; interleaved arrays are recognised by a period
    /// that separates them, and called overlapping where none of their strides is such a period.
    func overlaps(_ other: Extent) -> Bool {
        if unsafe high <= other.low || other.high <= low { return false }
        if unsafe isSharedCounter(with: other) { return false }
        return unsafe !isSeparated(from: other, periodsOf: self) && !isSeparated(from: other, periodsOf: other)
    }

    /// Whether both are one and the same counter: parameters may share it, but no part of one.
    func isSharedCounter(with other: Extent) -> Bool {
        unsafe role == other.role && (role == .step || role == .shownStep) && low == other.low && high == other.high
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

/// Extents in memory that the caller provides, ordered and searched there.
@unsafe struct ExtentList {
    /// An extent's first byte and its place in the list: what is moved about to order them.
    @unsafe private struct Key: BitwiseCopyable {
        var low: UInt
        var index: Int
    }

    private let extents: UnsafeMutablePointer<Extent>
    private var order: UnsafeMutablePointer<Key>
    /// As many keys again, to merge into.
    private var spare: UnsafeMutablePointer<Key>
    private var count = 0

    /// Bytes that one extent needs.
    static var bytesPerExtent: Int { unsafe MemoryLayout<Extent>.stride + 2 * MemoryLayout<Key>.stride }
    /// Keys that are put in order one by one.
    private static var runLength: Int { 16 }

    /// An empty list over room for `capacity` extents.
    init(memory: UnsafeMutableRawPointer, capacity: Int) {
        unsafe extents = memory.assumingMemoryBound(to: Extent.self)
        unsafe order = (memory + capacity * MemoryLayout<Extent>.stride).assumingMemoryBound(to: Key.self)
        unsafe spare = order + capacity
    }

    mutating func add(_ extent: Extent, _ name: UnsafePointer<CChar>?) {
        if unsafe extent.low == extent.high { return }
        unsafe (extents + count).initialize(to: extent)
        unsafe extents[count].name = unsafe name
        unsafe (order + count).initialize(to: Key(low: extent.low, index: count))
        unsafe count += 1
    }

    /// Two extents that overlap although one of them is written, or nil.
    mutating func conflict() -> (Extent, Extent)? {
        unsafe sort()
        var highestRead: UInt = 0
        var highestWritten: UInt = 0
        for place in unsafe 0..<count {
            let extent = unsafe extents + order[place].index
            if unsafe extent.pointee.low < highestWritten
                || (extent.pointee.isWritten && extent.pointee.low < highestRead)
            {
                // Some span overlaps another; only a look inside the arrays tells whether they share an element.
                return unsafe pairwiseConflict()
            }
            if unsafe extent.pointee.isWritten {
                highestWritten = unsafe max(highestWritten, extent.pointee.high)
            } else {
                highestRead = unsafe max(highestRead, extent.pointee.high)
            }
        }
        return nil
    }

    private func pairwiseConflict() -> (Extent, Extent)? {
        for place in unsafe 0..<count {
            let first = unsafe extents[order[place].index]
            var next = place + 1
            // What conflicts with a counter conflicts with its next sharer too, and there may be many of them.
            if unsafe next < count && first.isSharedCounter(with: extents[order[next].index]) { continue }
            while unsafe next < count, unsafe order[next].low < first.high {
                let second = unsafe extents[order[next].index]
                if unsafe (first.isWritten || second.isWritten) && first.overlaps(second) {
                    return unsafe (first, second)
                }
                next += 1
            }
        }
        return nil
    }

    /// Sorts by the first byte, with no bad case: runs by insertion, which are then merged two by two.
    private mutating func sort() {
        for start in unsafe stride(from: 0, to: count, by: ExtentList.runLength) {
            unsafe insertionSort(start..<min(start + ExtentList.runLength, count))
        }
        var width = unsafe ExtentList.runLength
        while unsafe width < count {
            for start in unsafe stride(from: 0, to: count, by: 2 * width) {
                unsafe merge(start, min(start + width, count), min(start + 2 * width, count))
            }
            unsafe (order, spare) = (spare, order)
            width *= 2
        }
    }

    /// Merges order[start..<middle] and order[middle..<end] into the spare keys.
    private func merge(_ start: Int, _ middle: Int, _ end: Int) {
        var (left, right) = (start, middle)
        for place in start..<end {
            if unsafe right == end || (left < middle && order[left].low <= order[right].low) {
                unsafe spare[place] = order[left]
                left += 1
            } else {
                unsafe spare[place] = order[right]
                right += 1
            }
        }
    }

    private func insertionSort(_ run: Range<Int>) {
        for place in run.dropFirst() {
            let key = unsafe order[place]
            var hole = place
            while unsafe hole > run.lowerBound && order[hole - 1].low > key.low {
                unsafe order[hole] = order[hole - 1]
                hole -= 1
            }
            unsafe order[hole] = key
        }
    }
}
