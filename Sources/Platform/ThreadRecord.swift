// What the library remembers for each thread: the text of its latest error, what its latest step ran on, and buffers
// that steps reuse. Held under a pthread key, whose destructor frees it when the thread ends; no Swift object.

import Glibc
import Synchronization

/// The calling thread's record. Valid on that thread only.
@safe package struct ThreadRecord {
    /// Memory that grows and never shrinks.
    @unsafe private struct Buffer {
        var start: UnsafeMutableRawPointer?
        var byteCount = 0

        /// At least `wanted` bytes, aligned to 64; nil where the system gives none.
        mutating func room(_ wanted: Int) -> UnsafeMutableRawPointer? {
            if let start = unsafe start, unsafe byteCount >= wanted { return unsafe start }
            return unsafe grow(to: wanted)
        }

        @inline(never)
        private mutating func grow(to wanted: Int) -> UnsafeMutableRawPointer? {
            // Room for half as much again, so that slowly growing requests do not allocate every time.
            let (bytes, overflow) = wanted.addingReportingOverflow(wanted / 2 + 4096)
            var grown: UnsafeMutableRawPointer?
            guard wanted >= 0, !overflow, unsafe posix_memalign(&grown, 64, bytes) == 0, unsafe grown != nil else {
                return nil
            }
            unsafe free(start)
            unsafe start = unsafe grown
            unsafe byteCount = bytes
            return unsafe grown
        }
    }

    @unsafe private struct Fields {
        var lastISA: Int32 = 0
        var lastThreads: Int32 = 0
        var scratch = unsafe Buffer()
        var sums = unsafe Buffer()
        var visit: UnsafePointer<Visit>?
        var isLent = false
    }

    private let fields: UnsafeMutablePointer<Fields>

    /// The record of the calling thread, made at the first use; nil where the system gives no memory or no key.
    package static var current: ThreadRecord? {
        guard let key = key() else { return nil }
        if let block = unsafe pthread_getspecific(key) { return unsafe ThreadRecord(block) }
        guard let block = unsafe calloc(1, textOffset + textByteCount) else { return nil }
        unsafe block.bindMemory(to: Fields.self, capacity: 1).initialize(to: Fields())
        guard unsafe pthread_setspecific(key, block) == 0 else {
            unsafe free(block)
            return nil
        }
        return unsafe ThreadRecord(block)
    }

    /// The instruction set of the thread's latest step, as in `martlet.h`; 0 before the first.
    package var lastISA: Int32 {
        get { unsafe fields.pointee.lastISA }
        nonmutating set { unsafe fields.pointee.lastISA = newValue }
    }

    /// How many threads did work in the thread's latest step; 0 before the first.
    package var lastThreads: Int32 {
        get { unsafe fields.pointee.lastThreads }
        nonmutating set { unsafe fields.pointee.lastThreads = newValue }
    }

    /// Whether the thread's buffers are in use while it calls the host back.
    package var isLent: Bool {
        get { unsafe fields.pointee.isLent }
        nonmutating set { unsafe fields.pointee.isLent = newValue }
    }

    /// A handle that the thread has entered, and from which it is calling the host back: calls of the host that only
    /// look at the object may come in again.
    @unsafe package struct Visit {
        /// The handle's token.
        package let token: UInt
        package let object: UnsafeMutableRawPointer
        /// The visit during which this one began.
        package let before: UnsafePointer<Visit>?

        package init(token: UInt, object: UnsafeMutableRawPointer, before: UnsafePointer<Visit>?) {
            unsafe self.token = token
            unsafe self.object = unsafe object
            unsafe self.before = unsafe before
        }
    }

    /// The latest of the visits under way, which lie on the thread's stack; nil where there is none.
    package var visit: UnsafePointer<Visit>? {
        get { unsafe fields.pointee.visit }
        nonmutating set { unsafe fields.pointee.visit = unsafe newValue }
    }

    /// What the thread is calling the host back from under a token; nil where it is not.
    package func visited(token: UInt) -> UnsafeMutableRawPointer? {
        var next = unsafe visit
        while let visit = unsafe next {
            if unsafe visit.pointee.token == token { return unsafe visit.pointee.object }
            unsafe next = unsafe visit.pointee.before
        }
        return nil
    }

    /// The text of the latest error: UTF-8, at most 1,023 bytes and a NUL; "" before the first. Valid as long as the
    /// thread, and overwritten by the next ``setError(_:)``.
    package var errorText: UnsafePointer<CChar> {
        unsafe (UnsafeRawPointer(fields) + ThreadRecord.textOffset).assumingMemoryBound(to: CChar.self)
    }

    /// Keeps `parts`, one behind the other; what goes beyond 1,023 bytes is cut off at a whole character.
    package func setError(_ parts: String...) {
        let text = unsafe (UnsafeMutableRawPointer(fields) + ThreadRecord.textOffset).assumingMemoryBound(
            to: UInt8.self)
        var length = 0
        fill: for part in parts {
            for byte in part.utf8 {
                if length == ThreadRecord.textByteCount - 1 {
                    // Take back the character that did not fit: its continuation bytes, then its first byte.
                    if byte & 0xC0 == 0x80 {
                        while length > 0, unsafe text[length - 1] & 0xC0 == 0x80 { length -= 1 }
                        length -= 1
                    }
                    break fill
                }
                // A NUL inside would end the text early for a reader in C.
                unsafe text[length] = byte == 0 ? UInt8(ascii: " ") : byte
                length += 1
            }
        }
        unsafe text[length] = 0
    }

    /// A buffer of at least `byteCount` bytes, aligned to 64, with any content. It belongs to the thread and is the
    /// same one at every call, so it may serve one user at a time; a larger request moves it. nil where the system
    /// gives no memory, or the buffer is lent.
    package func scratch(byteCount: Int) -> UnsafeMutableRawPointer? {
        unsafe isLent ? nil : fields.pointee.scratch.room(byteCount)
    }

    /// The same again: for what the passes of a step sum, while the step itself lies in `scratch`.
    package func sums(byteCount: Int) -> UnsafeMutableRawPointer? {
        unsafe fields.pointee.sums.room(byteCount)
    }

    private static var textOffset: Int { 64 }
    private static var textByteCount: Int { 1024 }

    private init(_ block: UnsafeMutableRawPointer) {
        unsafe fields = block.assumingMemoryBound(to: Fields.self)
    }

    /// The key plus 1; 0 before there is one.
    private static let keyPlusOne = Atomic<UInt32>(0)

    private static func key() -> pthread_key_t? {
        let known = keyPlusOne.load(ordering: .relaxed)
        return known != 0 ? known - 1 : makeKey()
    }

    @inline(never)
    private static func makeKey() -> pthread_key_t? {
        var key: pthread_key_t = 0
        let status = unsafe pthread_key_create(&key) { block in
            guard let block = unsafe block else { return }
            unsafe free(block.assumingMemoryBound(to: Fields.self).pointee.scratch.start)
            unsafe free(block.assumingMemoryBound(to: Fields.self).pointee.sums.start)
            unsafe free(block)
        }
        guard status == 0 else { return nil }
        let (exchanged, original) = keyPlusOne.compareExchange(expected: 0, desired: key + 1, ordering: .relaxed)
        if exchanged { return key }
        pthread_key_delete(key)
        return original - 1
    }
}
