// The text of the latest error: each thread's own, kept until the next failure, and cut at a whole character.

import CMartlet
import Glibc
import Testing

@Suite struct ErrorTests {
    @Test func statusNames() {
        let names: [(martlet_status, String)] = [
            (MARTLET_OK, "MARTLET_OK"), (MARTLET_ERROR_ARGUMENT, "MARTLET_ERROR_ARGUMENT"),
            (MARTLET_ERROR_NULL, "MARTLET_ERROR_NULL"), (MARTLET_ERROR_STRUCT, "MARTLET_ERROR_STRUCT"),
            (MARTLET_ERROR_HANDLE, "MARTLET_ERROR_HANDLE"), (MARTLET_ERROR_TYPE, "MARTLET_ERROR_TYPE"),
            (MARTLET_ERROR_SHAPE, "MARTLET_ERROR_SHAPE"), (MARTLET_ERROR_OVERLAP, "MARTLET_ERROR_OVERLAP"),
            (MARTLET_ERROR_ALIGNMENT, "MARTLET_ERROR_ALIGNMENT"),
            (MARTLET_ERROR_UNSUPPORTED, "MARTLET_ERROR_UNSUPPORTED"), (MARTLET_ERROR_MEMORY, "MARTLET_ERROR_MEMORY"),
            (MARTLET_ERROR_FILE, "MARTLET_ERROR_FILE"), (MARTLET_ERROR_FORMAT, "MARTLET_ERROR_FORMAT"),
            (MARTLET_ERROR_BUSY, "MARTLET_ERROR_BUSY"), (MARTLET_ERROR_INTERRUPTED, "MARTLET_ERROR_INTERRUPTED"),
            (1, "MARTLET_ERROR_?"), (-15, "MARTLET_ERROR_?"), (.min, "MARTLET_ERROR_?"), (.max, "MARTLET_ERROR_?"),
        ]
        for (status, name) in names { #expect(String(cString: martlet_status_name(status)) == name) }
    }

    @Test func versions() {
        #expect(martlet_version_get() == MARTLET_VERSION && martlet_abi_get() == MARTLET_ABI)
        let parts = [MARTLET_VERSION_MAJOR, MARTLET_VERSION_MINOR, MARTLET_VERSION_PATCH]
        #expect(String(cString: martlet_version_name()) == parts.map { "\($0)" }.joined(separator: "."))
        #expect(MARTLET_VERSION == parts[0] * 10_000 + parts[1] * 100 + parts[2])
    }

    @Test func algorithmNames() {
        func text(_ pointer: UnsafePointer<CChar>?) -> String? { pointer.map { String(cString: $0) } }
        #expect(text(martlet_algorithm_name(MARTLET_ADAM)) == "adam")
        #expect(text(martlet_algorithm_name(MARTLET_ADAMW)) == "adamw")
        for algorithm in [0, 3, -1, .max, .min] as [Int32] {
            #expect(martlet_algorithm_name(algorithm) == nil && martlet_algorithm_slot_name(algorithm, 0) == nil)
        }
        for algorithm in [MARTLET_ADAM, MARTLET_ADAMW] {
            let names = (-1...3).map { text(martlet_algorithm_slot_name(algorithm, $0)) }
            #expect(names == [nil, "exp_avg", "exp_avg_sq", "max_exp_avg_sq", nil])
            #expect(
                martlet_algorithm_slot_name(algorithm, .max) == nil
                    && martlet_algorithm_slot_name(algorithm, .min) == nil)
        }
        var count: Int64 = 0
        var config = makeConfig(MARTLET_ADAM) { $0.flags = MARTLET_AMSGRAD }
        #expect(martlet_algorithm_slot_count(&count, &config) == MARTLET_OK && count == 3)
    }

    /// "" on a thread that never failed, whatever other threads did; and each thread keeps its own.
    @Test func eachThreadItsOwn() {
        #expect(martlet_threads_set(-3) == MARTLET_ERROR_ARGUMENT)
        let mine = lastError
        #expect(mine.hasPrefix("martlet_threads_set: ") && mine.contains("-3"))
        let wrong = Counter()
        let threads = (0..<4).map { number in
            TestThread {
                if lastError != "" { wrong.add() }
                for round in 1...500 {
                    let threads = Int32(-round * 10 - number)
                    if martlet_threads_set(threads) != MARTLET_ERROR_ARGUMENT { wrong.add() }
                    if round % 50 == 0 { sched_yield() }
                    if !lastError.contains("\(threads)") { wrong.add() }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(wrong.value == 0)
        #expect(lastError == mine)
    }

    /// Calls that succeed leave the text, and the address is the same from error to error.
    @Test func keptUntilTheNextFailure() {
        #expect(martlet_chunk_set(1) == MARTLET_ERROR_ARGUMENT)
        let (text, address) = (lastError, martlet_last_error())
        var count: Int32 = 0
        #expect(martlet_threads_get(&count) == MARTLET_OK && count >= 1)
        #expect(lastError == text)
        #expect(martlet_isa_set(77) == MARTLET_ERROR_ARGUMENT)
        #expect(lastError != text && lastError.hasPrefix("martlet_isa_set: ") && lastError.contains("77"))
        #expect(martlet_last_error() == address)
    }

    /// A message that would be longer than 1,023 bytes ends with its last whole character: here one that quotes a file,
    /// a checkpoint with a long word where its format should be named.
    @Test(arguments: ["a", "é", "€", "\u{1F426}"])
    func longMessages(character: String) {
        let width = character.utf8.count
        let handle = Handle()
        defer { extendLifetime(handle) }
        for padding in 0..<6 {
            let word = String(repeating: "x", count: padding) + String(repeating: character, count: 1500)
            #expect(loadFile(format: word, into: handle) == MARTLET_ERROR_FORMAT)
            let whole = "martlet_optimizer_load: the file's format is \"" + word
            let bytes = strlen(martlet_last_error())
            #expect(bytes <= 1023 && bytes > 1023 - width, "\(bytes) bytes")
            #expect(String(validatingCString: martlet_last_error()) != nil, "not UTF-8")
            let isStart = whole.utf8.starts(with: lastError.utf8)
            #expect(isStart, "\(lastError)")
        }
    }

    /// Loads a file without tensors whose metadata names this format.
    private func loadFile(format: String, into handle: Handle) -> martlet_status {
        var path = Array("/tmp/martlet-format-XXXXXX".utf8CString)
        let file = mkstemp(&path)
        defer { unlink(path) }
        let header = "{\"__metadata__\":{\"format\":\"\(format)\"}}"
        let length = UInt64(header.utf8.count)
        let bytes = (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + Array(header.utf8)
        #expect(write(file, bytes, bytes.count) == bytes.count)
        close(file)
        return martlet_optimizer_load(handle.token, path)
    }

    /// Names that are not UTF-8 still give a text that is.
    @Test func namesThatAreNoText() {
        let handle = Handle()
        defer { extendLifetime(handle) }
        let (values, other) = (Floats(4), Floats(4))
        defer { extendLifetime((values, other)) }
        let name = [0xC3, 0x28, 0xFF, 0xF0, 0x9F, 0].map { CChar(bitPattern: $0) }
        name.withUnsafeBufferPointer { name in
            var (first, second) = (
                makeParameter(values, name: name.baseAddress), makeParameter(other, name: name.baseAddress)
            )
            #expect(martlet_optimizer_add(handle.token, nil, &first) == MARTLET_OK)
            #expect(martlet_optimizer_add(handle.token, nil, &second) == MARTLET_ERROR_ARGUMENT)
        }
        #expect(String(validatingCString: martlet_last_error()) != nil)
    }
}
