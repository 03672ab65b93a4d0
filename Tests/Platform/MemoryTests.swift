// Memory of the library's own, and what it keeps for each thread.

import Glibc
import MartletPlatform
import MartletTestSupport
import Synchronization
import Testing

@Suite struct MemoryTests {
    @Test(arguments: [0, 1, 63, 64, 65, 4096, 2 << 20 - 1, 2 << 20, 2 << 20 + 1, 5_000_001, 64 << 20])
    func zeroFilledAndAligned(byteCount: Int) throws {
        let memory = try ZeroedMemory(byteCount: byteCount)
        #expect(UInt(bitPattern: memory.base) % 64 == 0)
        #expect(memory.byteCount == byteCount)
        let bytes = UnsafeMutableRawBufferPointer(start: memory.base, count: byteCount)
        #expect(bytes.allSatisfy { $0 == 0 })
        // All of it can be written; a wrong length would be seen by the next one, or by the system.
        memset(memory.base, 0xFF, byteCount)
    }

    @Test(arguments: [-1, .min, .max, .max - 4096, .max - 3 << 20, 1 << 60, 1 << 60 + 1]) func tooLarge(byteCount: Int)
    {
        #expect(kind { () throws(MartletError) in _ = try ZeroedMemory(byteCount: byteCount).byteCount } == .memory)
    }

    @Test func productsThatOverflow() throws {
        #expect(
            kind { () throws(MartletError) in _ = try ZeroedMemory(count: 1 << 61, stride: 8).byteCount } == .memory)
        #expect(
            kind { () throws(MartletError) in _ = try ZeroedMemory(count: 1 << 62, stride: 4).byteCount } == .memory)
        #expect(kind { () throws(MartletError) in _ = try ZeroedMemory(count: -1, stride: 4).byteCount } == .memory)
        #expect(try ZeroedMemory(count: 3, stride: 8).byteCount == 24)
    }

    private func kind(_ body: () throws(MartletError) -> Void) -> MartletError.Kind? {
        do throws(MartletError) {
            try body()
            return nil
        } catch {
            return error.kind
        }
    }
}

@Suite struct ThreadRecordTests {
    /// Runs `body` with the record of a fresh thread.
    private func onThread(_ body: @escaping @Sendable (ThreadRecord) -> Bool) -> Bool {
        let isRight = UnsafeMutablePointer<Bool>.allocate(capacity: 1)
        isRight.initialize(to: false)
        defer { isRight.deallocate() }
        let address = UInt(bitPattern: isRight)
        TestThread {
            guard let record = ThreadRecord.current else { return }
            UnsafeMutablePointer<Bool>(bitPattern: address)?.pointee = body(record)
        }.join()
        return isRight.pointee
    }

    @Test func startsEmptyOnEachThread() {
        for _ in 0..<2 {
            #expect(
                onThread { record in
                    let isEmpty = record.errorText[0] == 0 && record.lastISA == 0 && record.lastThreads == 0
                    record.setError("something")
                    record.lastISA = 3
                    record.lastThreads = 7
                    guard let again = ThreadRecord.current else { return false }
                    return isEmpty && String(cString: again.errorText) == "something" && again.lastISA == 3
                        && again.lastThreads == 7
                })
        }
    }

    @Test func textIsCutAtACharacter() {
        #expect(
            onThread { record in
                record.setError("one", " and ", "two")
                if String(cString: record.errorText) != "one and two" { return false }
                record.setError("a\0b")
                if String(cString: record.errorText) != "a b" { return false }
                // Characters of one to four bytes, at every distance from the end.
                for character in ["x", "é", "€", "🐦"] {
                    for before in 1015...1024 {
                        let head = String(repeating: "a", count: before)
                        record.setError(head, character, character)
                        var wanted = head
                        for _ in 0..<2 where wanted.utf8.count + character.utf8.count <= 1023 { wanted += character }
                        if before > 1023 { wanted = String(repeating: "a", count: 1023) }
                        if String(cString: record.errorText) != wanted { return false }
                    }
                }
                record.setError("")
                return record.errorText[0] == 0
            })
    }

    @Test func scratchIsReusedAndGrows() {
        #expect(
            onThread { record in
                guard let small = record.scratch(byteCount: 1000) else { return false }
                memset(small, 1, 1000)
                if record.scratch(byteCount: 1000) != small || record.scratch(byteCount: 10) != small { return false }
                guard let large = record.scratch(byteCount: 10 << 20) else { return false }
                memset(large, 1, 10 << 20)
                if UInt(bitPattern: large) % 64 != 0 || record.scratch(byteCount: 1000) != large { return false }
                // What cannot be had leaves what there is.
                if record.scratch(byteCount: .max) != nil || record.scratch(byteCount: 1 << 60) != nil { return false }
                return record.scratch(byteCount: 10 << 20) == large
            })
    }
}
