// A list that grows by the system's allocator and says so when there is no memory, where an Array would end the
// process: headers of files and names of parameters decide how long these lists get.

import Glibc
import MartletPlatform

/// Plain values one behind the other.
@safe struct RawList<Element: BitwiseCopyable>: ~Copyable {
    private var base: UnsafeMutablePointer<Element>?
    private var capacity = 0
    private(set) var count = 0

    init() {}

    deinit { unsafe free(base) }

    /// The elements; valid until the next change.
    var elements: UnsafeMutableBufferPointer<Element> { unsafe UnsafeMutableBufferPointer(start: base, count: count) }

    subscript(index: Int) -> Element {
        precondition(index >= 0 && index < count, "an index is within its list")
        return unsafe elements[index]
    }

    mutating func append(_ element: Element) throws(MartletError) {
        try reserve(1)
        if let base = unsafe base { unsafe (base + count).initialize(to: element) }
        count += 1
    }

    mutating func append(_ more: UnsafeBufferPointer<Element>) throws(MartletError) {
        guard let source = more.baseAddress, more.count > 0 else { return }
        try reserve(more.count)
        if let base = unsafe base { unsafe (base + count).initialize(from: source, count: more.count) }
        count += more.count
    }

    private mutating func reserve(_ more: Int) throws(MartletError) {
        let (wanted, overflow) = count.addingReportingOverflow(more)
        if !overflow, wanted <= capacity { return }
        let (doubled, tooMany) = max(wanted, 16).addingReportingOverflow(capacity / 2)
        let (byteCount, tooLarge) = doubled.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
        guard !overflow, !tooMany, !tooLarge, let grown = unsafe realloc(base, byteCount) else {
            throw MartletError(.memory, "the system gave no memory for a file's header")
        }
        unsafe base = grown.bindMemory(to: Element.self, capacity: doubled)
        capacity = doubled
    }
}

/// Plain bytes: order, equality and UTF-8.
enum Bytes {
    static func areEqual(_ one: UnsafeRawBufferPointer, _ other: StaticString) -> Bool {
        unsafe areEqual(one, UnsafeRawBufferPointer(start: other.utf8Start, count: other.utf8CodeUnitCount))
    }

    /// The place of the first byte that is not UTF-8; nil where all are.
    static func firstInvalid(_ bytes: UnsafeRawBufferPointer) -> Int? {
        do throws(UTF8.ValidationError) {
            _ = try unsafe UTF8Span(validating: bytes.assumingMemoryBound(to: UInt8.self).span)
            return nil
        } catch {
            return error.byteOffsets.lowerBound
        }
    }

    static func areEqual(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Bool {
        unsafe one.count == other.count && compare(one, other) == 0
    }

    /// Negative, 0 or positive, by the first byte that differs, then by length.
    static func compare(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Int {
        let common = min(one.count, other.count)
        if common > 0, let one = one.baseAddress, let other = other.baseAddress {
            let order = unsafe memcmp(one, other, common)
            if order != 0 { return Int(order) }
        }
        return one.count - other.count
    }

    /// Sorts in place, with no memory besides and no bad case: a file may choose the order it comes in.
    static func sort<Element: BitwiseCopyable>(
        _ list: UnsafeMutableBufferPointer<Element>, by isLess: (Element, Element) -> Bool
    ) {
        func sift(_ start: Int, _ end: Int) {
            var root = start
            while true {
                var child = 2 * root + 1
                if child >= end { return }
                if child + 1 < end, unsafe isLess(list[child], list[child + 1]) { child += 1 }
                if unsafe !isLess(list[root], list[child]) { return }
                unsafe list.swapAt(root, child)
                root = child
            }
        }
        for start in stride(from: list.count / 2 - 1, through: 0, by: -1) { sift(start, list.count) }
        for end in stride(from: list.count - 1, to: 0, by: -1) {
            unsafe list.swapAt(0, end)
            sift(0, end)
        }
    }
}
