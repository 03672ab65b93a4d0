// Small text files of the kernel, read into plain memory and cut up in place: no String and no Array, as
// CgroupQuota.swift says why. Not for files that a user names.

import Glibc

/// Part of a text, in memory that someone else keeps.
@unsafe struct KernelText: ExpressibleByStringLiteral {
    private var bytes: UnsafeRawBufferPointer
    /// Whether the last part has been taken.
    private var isSpent = false

    init(bytes: UnsafeRawBufferPointer) { unsafe self.bytes = unsafe bytes }
    init(_ text: UnsafePointer<CChar>) {
        unsafe self.init(bytes: UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }
    init(stringLiteral text: StaticString) {
        unsafe self.init(bytes: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    var count: Int { unsafe bytes.count }
    var isEmpty: Bool { unsafe bytes.isEmpty }

    static func == (one: KernelText, other: KernelText) -> Bool { unsafe Bytes.areEqual(one.bytes, other.bytes) }

    func starts(with other: KernelText) -> Bool { unsafe count >= other.count && prefix(other.count) == other }

    func prefix(_ length: Int) -> KernelText {
        unsafe KernelText(bytes: UnsafeRawBufferPointer(rebasing: bytes[..<length]))
    }

    func dropFirst(_ length: Int) -> KernelText {
        unsafe KernelText(bytes: UnsafeRawBufferPointer(rebasing: bytes[length...]))
    }

    /// Copies the text behind what is there, as far as there is room for it and a NUL.
    fileprivate func append(to memory: UnsafeMutableRawPointer, at end: inout Int, below capacity: Int) {
        guard let base = unsafe bytes.baseAddress, unsafe count < capacity - end else { return }
        unsafe (memory + end).copyMemory(from: base, byteCount: count)
        unsafe end += count
    }

    func lastPlace(of character: Unicode.Scalar) -> Int? {
        for place in unsafe (0..<count).reversed() where unsafe bytes[place] == UInt8(ascii: character) { return place }
        return nil
    }

    /// Takes the part before the next separator, or what is left, out of the text; nil when all has been taken.
    mutating func next(_ separator: Unicode.Scalar) -> KernelText? {
        if unsafe isSpent { return nil }
        var length = 0
        while unsafe length < count, unsafe bytes[length] != UInt8(ascii: separator) { length += 1 }
        let part = unsafe prefix(length)
        let wasLast = unsafe length == count
        unsafe self = unsafe wasLast ? dropFirst(length) : dropFirst(length + 1)
        unsafe isSpent = wasLast
        return unsafe part
    }

    var firstLine: KernelText {
        var rest = unsafe self
        return unsafe rest.next("\n") ?? rest
    }

    /// Whether a list with commas has this word.
    func lists(_ word: KernelText) -> Bool {
        var rest = unsafe self
        while let part = unsafe rest.next(",") {
            if unsafe part == word { return true }
        }
        return false
    }

    /// The number that is all of the text; nil for any other text, one with a sign, and one of more than 18 digits.
    var number: Int? {
        guard unsafe !isEmpty && count <= 18 else { return nil }
        var number = 0
        for place in unsafe 0..<count {
            let byte = unsafe bytes[place]
            guard byte >= 0x30 && byte <= 0x39 else { return nil }
            number = number * 10 + Int(byte - 0x30)
        }
        return number
    }
}

/// Small text files of the kernel.
enum KernelFile {
    private static var capacity: Int { 1 << 20 }

    /// Calls `body` with the content of the file whose path is the three parts behind `root`; nil where it cannot be
    /// read or is longer than a megabyte. The text is good for the length of the call.
    static func withText<Result>(
        _ root: KernelText, _ first: KernelText, _ second: KernelText = unsafe "", _ third: KernelText = unsafe "",
        _ body: (KernelText) -> Result?
    ) -> Result? {
        guard let memory = unsafe malloc(capacity) else { return nil }
        defer { unsafe free(memory) }
        // The path comes first, and the content then takes its place.
        var end = 0
        unsafe root.append(to: memory, at: &end, below: capacity)
        unsafe first.append(to: memory, at: &end, below: capacity)
        unsafe second.append(to: memory, at: &end, below: capacity)
        unsafe third.append(to: memory, at: &end, below: capacity)
        unsafe memory.storeBytes(of: 0, toByteOffset: end, as: UInt8.self)
        guard let length = unsafe read(memory) else { return nil }
        return unsafe body(KernelText(bytes: UnsafeRawBufferPointer(start: memory, count: length)))
    }

    /// Replaces the path in `memory` by the file's content, and returns the content's length.
    private static func read(_ memory: UnsafeMutableRawPointer) -> Int? {
        let file = unsafe open(memory.assumingMemoryBound(to: CChar.self), O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var length = 0
        while length < capacity {
            let count = unsafe Glibc.read(file, memory + length, capacity - length)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { return length }
            length += count
        }
        return nil
    }
}
