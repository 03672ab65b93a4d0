// The text of the latest error: each thread's own, kept until the next failure, and cut at a whole character.

import CMartlet
import Glibc
import MartletTestSupport
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
            (MARTLET_STOPPED, "MARTLET_STOPPED"), (MARTLET_ERROR_ORDER, "MARTLET_ERROR_ORDER"),
            (1, "MARTLET_ERROR_?"), (-17, "MARTLET_ERROR_?"), (.min, "MARTLET_ERROR_?"), (.max, "MARTLET_ERROR_?"),
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
        #expect(text(martlet_algorithm_name(MARTLET_ADAM)) == "adam")
        #expect(text(martlet_algorithm_name(MARTLET_ADAMW)) == "adamw")
        for algorithm in [0, -1, .max, .min] as [Int32] {
            #expect(martlet_algorithm_name(algorithm) == nil && martlet_algorithm_flags(algorithm) == 0)
            #expect(martlet_algorithm_needs(algorithm) == 0)
        }
    }

    @Test func slots() {
        let names = ["exp_avg", "exp_avg_sq", "max_exp_avg_sq", "lr_max"]
        for algorithm in [MARTLET_ADAM, MARTLET_ADAMW] {
            for (flags, kept) in [
                (0, [0, 1]), (MARTLET_AMSGRAD, [0, 1, 2]), (MARTLET_CORRECTED_DECAY, [0, 1, 3]),
                (MARTLET_AMSGRAD | MARTLET_CORRECTED_DECAY, [0, 1, 2, 3]),
            ] {
                var config = makeConfig(algorithm) { $0.flags = flags }
                var (slot, count) = (martlet_slot(), Int64(0))
                #expect(martlet_algorithm_slot_count(&count, &config) == MARTLET_OK && count == kept.count)
                for (index, name) in kept.enumerated() {
                    #expect(martlet_slot_get(&slot, &config, Int32(index)) == MARTLET_OK)
                    #expect(text(slot.name) == names[name])
                    #expect(slot.kind == (name == 3 ? MARTLET_SLOT_SCALAR : MARTLET_SLOT_ELEMENTS))
                    #expect(slot.dtype == (name == 3 ? MARTLET_FP64 : 0) && slot.reserved == 0)
                    let types = [
                        (MARTLET_FLOAT16, MARTLET_FLOAT8, MARTLET_FLOAT4),
                        (MARTLET_UFLOAT16, MARTLET_UFLOAT8, MARTLET_UFLOAT4),
                        (MARTLET_UFLOAT16, MARTLET_UFLOAT8, MARTLET_UFLOAT4),
                        (0, 0, 0),
                    ]
                    #expect((slot.dtype_16bit, slot.dtype_8bit, slot.dtype_4bit) == types[name])
                }
                for index in [-1, Int32(kept.count), .max, .min] {
                    #expect(martlet_slot_get(&slot, &config, index) == MARTLET_ERROR_ARGUMENT)
                    #expect(lastError.contains("slot is \(index); expected 0 ..< \(kept.count)"))
                }
            }
        }
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

    /// A message that would be longer than 1,023 bytes ends with its last whole character: here one that quotes a path of
    /// bytes that are no text, each of which the message replaces by a character of three.
    @Test func longMessages() {
        let handle = Handle()
        defer { extendLifetime(handle) }
        for padding in 0..<6 {
            let path = Array(repeating: CChar(0x78), count: padding) + Array(repeating: CChar(-1), count: 400 - padding)
            #expect(martlet_optimizer_load(handle.token, path + [0]) == MARTLET_ERROR_FILE)
            let whole =
                "martlet_optimizer_load: file '" + String(repeating: "x", count: padding)
                + String(repeating: "\u{FFFD}", count: 400 - padding)
            let bytes = strlen(martlet_last_error())
            #expect(bytes <= 1023 && bytes > 1020, "\(bytes) bytes")
            #expect(String(validatingCString: martlet_last_error()) != nil, "not UTF-8")
            let isStart = whole.utf8.starts(with: lastError.utf8)
            #expect(isStart, "\(lastError)")
        }
    }

    /// What a message quotes of a file is its beginning: at most 80 bytes, up to a whole character.
    @Test(arguments: ["a", "é", "€", "\u{1F426}"])
    func longText(character: String) {
        let handle = Handle()
        defer { extendLifetime(handle) }
        for padding in 0..<6 {
            let word = String(repeating: "x", count: padding) + String(repeating: character, count: 1500)
            #expect(loadFile(format: word, into: handle) == MARTLET_ERROR_FORMAT)
            let shown = padding + (80 - padding) / character.utf8.count
            #expect(
                lastError == "martlet_optimizer_load: the file's format is \"\(word.prefix(shown))...\"; "
                    + "expected \"martlet.optimizer\"")
        }
    }

    /// Loads a file without tensors whose metadata names this format.
    private func loadFile(format: String, into handle: Handle) -> martlet_status {
        let folder = Folder()
        defer { extendLifetime(folder) }
        let header = "{\"__metadata__\":{\"format\":\"\(format)\"}}"
        let length = UInt64(header.utf8.count)
        let bytes = (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + Array(header.utf8)
        folder.write("file", bytes)
        return martlet_optimizer_load(handle.token, folder["file"])
    }

    /// Names that are not UTF-8 are refused, with a text that is.
    @Test(arguments: [[0xFF], [0xFE], [0xC3, 0x28, 0xFF, 0xF0, 0x9F], [0xED, 0xA0, 0x80], [0x61, 0xE2, 0x82]])
    func namesThatAreNoText(bytes: [UInt8]) {
        let handle = Handle()
        defer { extendLifetime(handle) }
        let values = Floats(4)
        defer { extendLifetime(values) }
        let name = bytes.map { CChar(bitPattern: $0) } + [0]
        name.withUnsafeBufferPointer { name in
            var parameter = makeParameter(values, name: name.baseAddress)
            #expect(martlet_optimizer_add(handle.token, nil, &parameter) == MARTLET_ERROR_ARGUMENT)
        }
        #expect(lastError.contains("parameter.name is") && lastError.contains("not UTF-8"))
        #expect(String(validatingCString: martlet_last_error()) != nil)
    }

    /// A name is read as far as it must be: here it ends where the memory does, without a NUL.
    @Test func namesWithoutAnEnd() {
        let page = 1 << 16
        let memory = mmap(nil, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
        defer { munmap(memory, 2 * page) }
        #expect(mprotect(memory + page, page, PROT_NONE) == 0)
        memset(memory, 0x6E, page)
        func name(_ count: Int) -> UnsafePointer<CChar> {
            UnsafePointer((memory + page - count).assumingMemoryBound(to: CChar.self))
        }
        let handle = Handle()
        let (values, gradient) = (Floats(4), Floats(3))
        defer { extendLifetime((handle, values, gradient)) }
        var parameter = makeParameter(values, name: name(501))
        #expect(martlet_optimizer_add(handle.token, nil, &parameter) == MARTLET_ERROR_ARGUMENT)
        #expect(lastError.contains("parameter.name is \"nnn") && lastError.contains("more than 500 bytes"))
        // In a step's message 80 bytes of it.
        var step: Int64 = 0
        var config = makeConfig()
        parameter = makeParameter(values, name: name(81))
        parameter.grad = gradient.array
        withUnsafeMutablePointer(to: &step) { step in
            parameter.step = step
            var slots = [Floats(4), Floats(4)].map(\.array)
            slots.withUnsafeMutableBufferPointer { slots in
                (parameter.state, parameter.state_count) = (slots.baseAddress, 2)
                #expect(martlet_step(nil, &parameter, 1, &config, 1) == MARTLET_ERROR_SHAPE)
            }
        }
        #expect(lastError.contains("(\"" + String(repeating: "n", count: 80) + "...\")"))
    }

    /// What `add` says of its arguments begins with the struct they stand in, and a bad handle's value is told.
    @Test func spelling() {
        let handle = Handle()
        let values = Floats(4)
        defer { extendLifetime((handle, values)) }
        func add(_ words: String, _ change: (inout martlet_parameter) -> Void) {
            var parameter = makeParameter(values)
            change(&parameter)
            #expect(martlet_optimizer_add(handle.token, nil, &parameter) != MARTLET_OK)
            #expect(lastError.contains("martlet_optimizer_add: " + words), "\(lastError)")
        }
        add("parameter.group is 3") { $0.group = 3 }
        add("parameter.value.count is -1") { $0.value.count = -1 }
        add("parameter.value.dtype is 99") { $0.value.dtype = 99 }
        add("parameter.state_count is 16") { $0.state_count = 16 }
        let nothing = Memory(byteCount: 1)
        defer { extendLifetime(nothing) }
        add("parameter.name is \"\"") { $0.name = UnsafePointer(nothing.pointer()) }
        #expect(martlet_optimizer_reset(OpaquePointer(bitPattern: 0xABC)) == MARTLET_ERROR_HANDLE)
        #expect(lastError.contains("optimizer is 0xabc"))
    }
}
