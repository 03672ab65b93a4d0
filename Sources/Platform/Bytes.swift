// Plain bytes, as names and files hold them: order, equality, UTF-8, and what a message shows of them. Text is compared
// by its bytes and by nothing else.

import Glibc

/// Plain bytes: order, equality and UTF-8.
package enum Bytes {
    package static func areEqual(_ one: UnsafeRawBufferPointer, _ other: StaticString) -> Bool {
        unsafe areEqual(one, UnsafeRawBufferPointer(start: other.utf8Start, count: other.utf8CodeUnitCount))
    }

    /// The place of the first byte that is not UTF-8; nil where all are.
    package static func firstInvalid(_ bytes: UnsafeRawBufferPointer) -> Int? {
        do throws(UTF8.ValidationError) {
            _ = try unsafe UTF8Span(validating: bytes.assumingMemoryBound(to: UInt8.self).span)
            return nil
        } catch {
            return error.byteOffsets.lowerBound
        }
    }

    package static func areEqual(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Bool {
        unsafe one.count == other.count && compare(one, other) == 0
    }

    /// Negative, 0 or positive, by the first byte that differs, then by length.
    package static func compare(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Int {
        let common = min(one.count, other.count)
        if common > 0, let one = one.baseAddress, let other = other.baseAddress {
            let order = unsafe memcmp(one, other, common)
            if order != 0 { return Int(order) }
        }
        return one.count - other.count
    }

    /// Sorts in place, with no memory besides and no bad case: a file may choose the order it comes in.
    @inlinable package static func sort<Element: BitwiseCopyable>(
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

    /// At most 80 bytes of a text, cut at a whole character, for a message.
    package static func excerpt(_ bytes: UnsafeRawBufferPointer) -> String {
        var shown = min(bytes.count, 80)
        if shown < bytes.count {
            // Not in the middle of a character, whose bytes behind the first begin with the bits 10.
            while shown > 77, unsafe bytes[shown] & 0xC0 == 0x80 { shown -= 1 }
        }
        let start = unsafe String(decoding: UnsafeRawBufferPointer(rebasing: bytes[..<shown]), as: UTF8.self)
        return shown < bytes.count ? start + "..." : start
    }

    /// The same of a text that ends with a NUL; no more than 81 bytes of it are read.
    package static func excerpt(_ text: UnsafePointer<CChar>) -> String {
        unsafe excerpt(UnsafeRawBufferPointer(start: text, count: strnlen(text, 81)))
    }
}
