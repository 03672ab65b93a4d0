// The environment variables that the library reads, and what it makes of their text. Settings asks once and keeps
// the answers; nothing here is remembered, and nothing here writes to the environment.

import Glibc

package enum Environment {
    /// `MARTLET_NUM_THREADS`; nil where it is not set or empty.
    package static func threads() throws(MartletError) -> Int? {
        guard let text = unsafe value("MARTLET_NUM_THREADS") else { return nil }
        if let number = unsafe leadingNumber(text, endsAt: isEnd), number >= 1, number <= Machine.mostThreads {
            return number
        }
        throw MartletError(
            .argument,
            "MARTLET_NUM_THREADS in the environment is '\(unsafe excerpt(text))'; expected 1 to \(Machine.mostThreads)"
        )
    }

    /// `MARTLET_ISA`; nil where it is not set or empty.
    package static func isa() throws(MartletError) -> InstructionSet? {
        guard let text = unsafe value("MARTLET_ISA") else { return nil }
        for isa in [InstructionSet.baseline, .avx2, .avx512] where unsafe strcmp(text, isa.name.cString) == 0 {
            if isa.isSupported { return isa }
            throw MartletError(
                .argument,
                "MARTLET_ISA in the environment is \(isa.name), which this machine lacks; its best is \(InstructionSet.best.name)"
            )
        }
        throw MartletError(
            .argument,
            "MARTLET_ISA in the environment is '\(unsafe excerpt(text))'; expected baseline, avx2 or avx512")
    }

    /// The first number of `OMP_NUM_THREADS`, which may be a list by nesting level; nil where there is none, since an
    /// OpenMP runtime also goes on without it.
    package static func openMPThreads() -> Int? {
        guard let text = unsafe value("OMP_NUM_THREADS") else { return nil }
        let number = unsafe leadingNumber(text, endsAt: { isEnd($0) || $0 == UInt8(ascii: ",") })
        return number.flatMap { $0 >= 1 ? min($0, Machine.mostThreads) : nil }
    }

    private static func value(_ name: StaticString) -> UnsafePointer<CChar>? {
        guard let text = unsafe getenv(name.cString), unsafe text[0] != 0 else { return nil }
        return unsafe UnsafePointer(text)
    }

    private static func isEnd(_ byte: UInt8) -> Bool { byte == 0 }

    /// The decimal number that `text` starts with, blanks around it allowed, if `endsAt` accepts the byte behind it.
    private static func leadingNumber(_ text: UnsafePointer<CChar>, endsAt: (UInt8) -> Bool) -> Int? {
        func byte(_ index: Int) -> UInt8 { unsafe UInt8(bitPattern: text[index]) }
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        var index = 0
        while isBlank(byte(index)) { index += 1 }
        var number: Int?
        while case let digit = Int(byte(index)) - 0x30, digit >= 0, digit <= 9 {
            // Far above any thread count is as good as infinity, and cannot overflow.
            number = min((number ?? 0) * 10 + digit, 1 << 40)
            index += 1
        }
        while isBlank(byte(index)) { index += 1 }
        return endsAt(byte(index)) ? number : nil
    }

    /// At most 40 bytes of `text`, for a message.
    private static func excerpt(_ text: UnsafePointer<CChar>) -> String {
        let bytes = unsafe UnsafeRawBufferPointer(start: text, count: strnlen(text, 40))
        return unsafe String(decoding: bytes, as: UTF8.self)
    }
}

extension StaticString {
    /// The text for C; literals end in a NUL.
    var cString: UnsafePointer<CChar> { unsafe UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self) }
}
