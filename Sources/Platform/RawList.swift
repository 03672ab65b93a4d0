// A list that grows by the system's allocator and says so when there is no memory, where an Array would end the
// process: callers and files decide how long these lists get. It holds plain values and runs no code of theirs.

import Glibc

/// Plain values one behind the other.
@safe package struct RawList<Element: BitwiseCopyable>: ~Copyable {
    @usableFromInline var base: UnsafeMutablePointer<Element>?
    @usableFromInline var capacity = 0
    @usableFromInline var length = 0

    @inlinable package init() { unsafe base = nil }

    deinit { unsafe free(base) }

    @inlinable package var count: Int { length }

    /// The elements; valid until the next change.
    @inlinable package var elements: UnsafeMutableBufferPointer<Element> {
        unsafe UnsafeMutableBufferPointer(start: base, count: length)
    }

    @inlinable package subscript(index: Int) -> Element {
        get {
            precondition(index >= 0 && index < length, "an index is within its list")
            return unsafe base.unsafelyUnwrapped[index]
        }
        set {
            precondition(index >= 0 && index < length, "an index is within its list")
            unsafe base.unsafelyUnwrapped[index] = newValue
        }
    }

    /// Throws `.memory` and changes nothing where the list cannot grow.
    @inlinable package mutating func append(_ element: Element) throws(MartletError) {
        if length == capacity { try reserve(1) }
        unsafe (base.unsafelyUnwrapped + length).initialize(to: element)
        length += 1
    }

    @inlinable package mutating func append(_ more: UnsafeBufferPointer<Element>) throws(MartletError) {
        guard let source = more.baseAddress, more.count > 0 else { return }
        try reserve(more.count)
        unsafe (base.unsafelyUnwrapped + length).initialize(from: source, count: more.count)
        length += more.count
    }

    /// Forgets all elements, and keeps the room for them.
    @inlinable package mutating func removeAll() { length = 0 }

    /// Takes the last element away; there is one.
    @inlinable package mutating func removeLast() { length -= 1 }

    /// A list of the same elements in memory of its own.
    @inlinable package func copy() throws(MartletError) -> RawList {
        var copy = RawList()
        try unsafe copy.append(UnsafeBufferPointer(elements))
        return copy
    }

    /// Makes room for `more` elements, so that appending as many cannot fail.
    @inlinable package mutating func reserve(_ more: Int) throws(MartletError) {
        let (wanted, overflow) = length.addingReportingOverflow(more)
        if overflow || wanted > capacity { try grow(by: more) }
    }

    @usableFromInline mutating func grow(by more: Int) throws(MartletError) {
        let (wanted, overflow) = length.addingReportingOverflow(more)
        let (ample, tooMany) = max(wanted, 16).addingReportingOverflow(capacity / 2)
        let (byteCount, tooLarge) = ample.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
        guard !overflow, !tooMany, !tooLarge, let grown = unsafe realloc(base, byteCount) else {
            throw MartletError(.memory, "the system gave no memory for a list that grows with what is passed")
        }
        unsafe base = grown.bindMemory(to: Element.self, capacity: ample)
        capacity = ample
    }
}
