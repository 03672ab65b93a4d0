// Texts by key that a model carries into its file and out of it, for whoever wrote them: nothing here reads them.
import Glibc
import MartletCheckpoints
import MartletPlatform

/// Notes on a model.
@safe package struct Notes: ~Copyable {
    /// The addresses of a key and a text, both ending in a NUL.
    private struct Entry: BitwiseCopyable {
        var key: UInt
        var text: UInt
    }

    private var entries = RawList<Entry>()
    /// What stands before a key in a file.
    static var prefix: StaticString { "note." }
    package static var longestKey: Int { 200 }
    package static var longestText: Int { 1 << 24 }
    private static var most: Int { 1000 }

    init() {}

    deinit { for index in 0..<entries.count { Notes.release(entries[index]) } }

    /// The text under a key, of UTF-8; nil where there is none. Valid until it is set again. Throws `.argument` for what is no
    /// key.
    package func text(_ key: UnsafeRawBufferPointer) throws(MartletError) -> UnsafePointer<CChar>? {
        try unsafe Notes.check(key: key)
        return unsafe place(key).flatMap { unsafe UnsafePointer(bitPattern: entries[$0].text) }
    }

    private func place(_ key: UnsafeRawBufferPointer) -> Int? {
        for index in 0..<entries.count where unsafe Bytes.areEqual(Notes.bytes(entries[index].key), key) {
            return index
        }
        return nil
    }

    /// Keeps a copy of a text under a key, in place of what was there; nil takes that away. Throws `.argument` and `.memory`.
    package mutating func set(_ key: UnsafeRawBufferPointer, _ text: UnsafeRawBufferPointer?) throws(MartletError) {
        try unsafe Notes.check(key: key)
        if let text = unsafe text { try unsafe Notes.check(text, "text", longest: Notes.longestText) }
        let place = unsafe place(key)
        guard let text = unsafe text else {
            guard let place else { return }
            Notes.release(entries[place])
            return remove(place)
        }
        guard place != nil || entries.count < Notes.most else {
            throw MartletError(.argument, "the model has \(entries.count) notes; expected \(Notes.most) at most")
        }
        try entries.reserve(1)
        let kept = try unsafe Entry(key: 0, text: Notes.copy(text))
        if let place {
            unsafe free(UnsafeMutableRawPointer(bitPattern: entries[place].text))
            entries[place].text = kept.text
        } else {
            do throws(MartletError) {
                try entries.append(Entry(key: try unsafe Notes.copy(key), text: kept.text))
            } catch {
                unsafe free(UnsafeMutableRawPointer(bitPattern: kept.text))
                throw error
            }
        }
    }

    private mutating func remove(_ place: Int) {
        let last = entries[entries.count - 1]
        entries[place] = last
        entries.removeLast()
    }

    private static func check(key: UnsafeRawBufferPointer) throws(MartletError) {
        guard key.count >= 1 else { throw MartletError(.argument, "key is empty; expected 1 byte or more") }
        try unsafe check(key, "key", longest: longestKey)
    }

    private static func check(_ bytes: UnsafeRawBufferPointer, _ name: StaticString, longest: Int) throws(MartletError)
    {
        guard bytes.count <= longest else {
            throw MartletError(.argument, "\(name) has \(bytes.count) bytes or more; expected \(longest) at most")
        }
        if let place = unsafe Bytes.firstInvalid(bytes) {
            throw MartletError(.argument, "\(name) is not UTF-8 at byte \(place); expected UTF-8")
        }
        if let start = bytes.baseAddress, unsafe memchr(start, 0, bytes.count) != nil {
            throw MartletError(.argument, "\(name) has a NUL within; expected none")
        }
    }

    private static func copy(_ bytes: UnsafeRawBufferPointer) throws(MartletError) -> UInt {
        guard let memory = unsafe malloc(bytes.count + 1) else {
            throw MartletError(.memory, "the system gave no memory for a note of \(bytes.count) bytes")
        }
        if let start = bytes.baseAddress { unsafe memory.copyMemory(from: start, byteCount: bytes.count) }
        unsafe memory.storeBytes(of: 0, toByteOffset: bytes.count, as: UInt8.self)
        return UInt(bitPattern: memory)
    }

    private static func bytes(_ address: UInt) -> UnsafeRawBufferPointer {
        guard let start = unsafe UnsafePointer<CChar>(bitPattern: address) else {
            return unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return unsafe UnsafeRawBufferPointer(start: start, count: strlen(start))
    }

    private static func release(_ entry: Entry) {
        unsafe free(UnsafeMutableRawPointer(bitPattern: entry.key))
        unsafe free(UnsafeMutableRawPointer(bitPattern: entry.text))
    }

    // MARK: - Files

    func add(to writer: inout SafetensorsWriter) throws(MartletError) {
        for index in 0..<entries.count {
            let (key, text) = unsafe (Notes.bytes(entries[index].key), Notes.bytes(entries[index].text))
            try unsafe writer.addMetadata(Notes.prefix, key, text)
        }
    }
}
