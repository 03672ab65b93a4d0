// Where the values of an optimizer's parameters lie, to find those that a further one could overlap without asking all.
//
// The spans stand in sorted runs whose lengths are the powers of 2 that make up their count, longest first. One more
// span merges the last runs of equal length, so that each span is sorted into a longer run a few times in all, and a
// search looks at a few runs. Whether two arrays share an element, their spans alone do not tell: Extent does.
import MartletPlatform

struct BorrowedMemory: ~Copyable {
    private struct Span: BitwiseCopyable {
        /// First byte, and the byte after the last.
        var low: UInt
        var high: UInt
        /// The largest `high` from the start of the run to here.
        var highest: UInt
        var parameter: Int
    }

    private var spans = RawList<Span>()

    /// A parameter whose span shares a byte with that from `low` to `high`, and for which `overlaps` holds; else nil.
    func parameter(sharing low: UInt, _ high: UInt, where overlaps: (Int) -> Bool) -> Int? {
        var start = 0
        while start < spans.count {
            let end = start + 1 << (Int.bitWidth - 1 - (spans.count - start).leadingZeroBitCount)
            // Candidates start below `high`; going back from the last of them, all end below `low` sooner or later.
            var index = firstSpan(from: start, to: end, startingAt: high)
            while index > start, spans[index - 1].highest > low {
                index -= 1
                if spans[index].high > low && overlaps(spans[index].parameter) { return spans[index].parameter }
            }
            start = end
        }
        return nil
    }

    /// Makes room for one more span. Throws `.memory`.
    mutating func reserve() throws(MartletError) { try spans.reserve(1) }

    /// Adds a span; the room made for it is used.
    mutating func add(_ low: UInt, _ high: UInt, parameter: Int) throws(MartletError) {
        if low == high { return }
        try spans.append(Span(low: low, high: high, highest: high, parameter: parameter))
        let length = spans.count & -spans.count
        let run = unsafe UnsafeMutableBufferPointer(rebasing: spans.elements[(spans.count - length)...])
        unsafe Bytes.sort(run) { $0.low < $1.low }
        var highest: UInt = 0
        for index in 0..<length {
            unsafe highest = max(highest, run[index].high)
            unsafe run[index].highest = highest
        }
    }

    func copy() throws(MartletError) -> BorrowedMemory {
        var copy = BorrowedMemory()
        copy.spans = try spans.copy()
        return copy
    }

    /// The first span of a run that starts at `address` or above.
    private func firstSpan(from start: Int, to end: Int, startingAt address: UInt) -> Int {
        var (low, high) = (start, end)
        while low < high {
            let middle = low + (high - low) / 2
            if spans[middle].low < address { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
