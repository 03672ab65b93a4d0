// Safetensors files: what is written is read back, and what is not a right file is refused. Files from and for the
// format's own library are exchanged in the Python tests.

import Glibc
import MartletCheckpoints
import MartletPlatform
import MartletTestSupport
import Testing

@Suite struct SafetensorsWriterTests {
    private let folder = Folder()

    /// Tensors of several types, sizes and names.
    private let samples: [(name: String, type: TensorType, shape: [Int], bytes: [UInt8])] = [
        ("weight.exp_avg", .f32, [2, 3], (0..<24).map { $0 }),
        ("weight.step", .i64, [], [7, 0, 0, 0, 0, 0, 0, 0]),
        ("b", .bf16, [3], [1, 2, 3, 4, 5, 6]),
        ("a", .bf16, [1], [9, 8]),
        ("empty", .f64, [0, 5], []),
        ("empty, of many", .f64, [1 << 62, 4, 0], []),
        ("", .u8, [1], [255]),
        ("\u{1F426} \"\\/\u{8}\u{c}\n\r\t\u{1}\u{1F}\u{7F}\u{0}é", .f16, [1, 1, 1], [3, 4]),
        ("nibbles", .f4, [2, 3], [1, 2, 3]),
        ("double", .f64, [1], (1...8).map { $0 }),
    ]

    private func write(_ order: [Int], _ metadata: [(String, String)], to name: String) throws {
        var writer = SafetensorsWriter()
        for index in order {
            let sample = samples[index]
            try writer.add(
                name: sample.name, type: sample.type, shape: sample.shape,
                data: UnsafeRawPointer(bytes(index)), byteCount: sample.bytes.count)
        }
        for (key, value) in metadata { try writer.addMetadata(key, value) }
        try writer.write(to: folder[name])
    }

    /// The sample's bytes where the writer can borrow them; they stay until the process ends.
    private func bytes(_ index: Int) -> UnsafeMutablePointer<UInt8>? {
        let bytes = samples[index].bytes
        guard !bytes.isEmpty else { return nil }
        let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
        copy.initialize(from: bytes, count: bytes.count)
        return copy
    }

    @Test func roundTrip() throws {
        let metadata = [("format", "martlet"), ("lr", "0.001"), ("", ""), ("quote \"", "line\nbreak é \u{1F426}")]
        try write(Array(samples.indices), metadata, to: "file")
        let found = try FoundFile(path: folder["file"])
        #expect(found.tensors.count == samples.count)
        for sample in samples {
            let wanted = FoundTensor(type: sample.type, shape: sample.shape, bytes: sample.bytes)
            #expect(found.tensors[sample.name] == wanted, "\(sample.name)")
        }
        #expect(found.metadata == Dictionary(uniqueKeysWithValues: metadata))
    }

    @Test func orderOfAddingDoesNotMatter() throws {
        try write(Array(samples.indices), [("a", "1"), ("b", "2")], to: "one")
        try write(samples.indices.reversed(), [("b", "2"), ("a", "1")], to: "other")
        #expect(folder.read("one") == folder.read("other"))
    }

    /// The bytes as the format's description has them: padding, compact JSON, widest type first.
    @Test func bytesOfAFile() throws {
        try write([3, 0], [("k", "v")], to: "file")
        let header =
            #"{"__metadata__":{"k":"v"},"weight.exp_avg":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"#
            + #""a":{"dtype":"BF16","shape":[1],"data_offsets":[24,26]}}"#
        let padded = header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
        #expect(folder.read("file") == fileBytes(padded) + samples[0].bytes + samples[3].bytes)
        try write([], [], to: "nothing")
        #expect(folder.read("nothing") == fileBytes("{}      "))
    }

    @Test func lookUp() throws {
        try write(Array(samples.indices), [("k", "v")], to: "file")
        let reader = try SafetensorsReader(path: folder["file"])
        for sample in samples {
            #expect(reader.index(of: sample.name).map { reader.name($0) } == sample.name)
            // The same name in two parts, cut anywhere.
            let bytes = Array(sample.name.utf8)
            for cut in 0...bytes.count {
                let index = bytes.withUnsafeBytes {
                    reader.index(of: .init(rebasing: $0[..<cut]), suffix: .init(rebasing: $0[cut...]))
                }
                #expect(index.map { reader.name($0) } == sample.name)
            }
        }
        for name in ["weight", "weight.stepp", "weight.ste", "zzz", "A", " "] { #expect(reader.index(of: name) == nil) }
        #expect(reader.metadata("k").map { Array($0) } == Array("v".utf8))
        #expect(reader.metadata("K") == nil)
        // Among many, in no order.
        let keys = (0..<100).map { "key \($0 * 37 % 100)" }
        try write([], keys.map { ($0, $0 + "!") }, to: "many")
        let many = try SafetensorsReader(path: folder["many"])
        for key in keys { #expect(many.metadata(key).map { Array($0) } == Array((key + "!").utf8)) }
        for key in ["", "key", "key 100", "key 0 ", "z"] { #expect(many.metadata(key) == nil) }
    }

    @Test func refusedContents() {
        let byte: [UInt8] = [0]
        let invalid = UnsafeMutablePointer<UInt8>.allocate(capacity: 2)
        invalid.initialize(from: [0xC3, 0x28], count: 2)
        defer { invalid.deallocate() }
        func kind(_ body: (inout SafetensorsWriter) throws(MartletError) -> Void) -> MartletError.Kind? {
            var writer = SafetensorsWriter()
            do throws(MartletError) {
                try body(&writer)
                try writer.write(to: folder["refused"])
                return nil
            } catch {
                return error.kind
            }
        }
        func add(_ writer: inout SafetensorsWriter, _ name: String, _ shape: [Int] = [1]) throws(MartletError) {
            try writer.add(name: name, type: .u8, shape: shape, data: byte, byteCount: 1)
        }
        #expect(
            kind { (w) throws(MartletError) in
                try add(&w, "a"); try add(&w, "a")
            } == .argument)
        #expect(kind { (w) throws(MartletError) in try add(&w, "__metadata__") } == .argument)
        #expect(
            kind { (w) throws(MartletError) in
                try w.addMetadata("k", "1"); try w.addMetadata("k", "2")
            } == .argument)
        for shape in [[2], [-1], [-1, -1], [.max, 2], [1 << 62, 1 << 62], Array(repeating: 1, count: 65)] {
            #expect(kind { (w) throws(MartletError) in try add(&w, "a", shape) } == .shape)
        }
        #expect(
            kind { (w) throws(MartletError) in
                try w.add(name: "a", type: .u8, shape: [1], data: nil, byteCount: 1)
            } == .shape)
        #expect(
            kind { (w) throws(MartletError) in
                try w.add(
                    name: UnsafeRawBufferPointer(start: invalid, count: 2),
                    suffix: UnsafeRawBufferPointer(start: nil, count: 0),
                    type: .u8, shape: UnsafeBufferPointer(start: nil, count: 0), data: byte, byteCount: 1)
            } == .argument)
        #expect(access(folder["refused"], F_OK) != 0)
    }
}

@Suite struct SafetensorsReaderTests {
    private let folder = Folder()

    /// nil where the file is read, else the kind of error.
    private func kind(_ bytes: [UInt8]) -> MartletError.Kind? {
        folder.write("file", bytes)
        do throws(MartletError) {
            _ = try FoundFile(path: folder["file"])
            return nil
        } catch {
            return error.kind
        }
    }

    private let small =
        #"{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"#
        + #""b":{"dtype":"U8","shape":[3,1],"data_offsets":[8,11]}}  "#

    @Test func rightFiles() {
        #expect(kind(fileBytes(small, data: 11)) == nil)
        #expect(kind(fileBytes("{}")) == nil)
        #expect(kind(fileBytes("{ \n\t\r} \n")) == nil)
        #expect(kind(fileBytes(#"{"__metadata__":{}}"#)) == nil)
        // Any order of members and blanks; tensors in any order of offsets; empty tensors anywhere.
        #expect(
            kind(
                fileBytes(
                    #"{ "b" : { "shape" : [ ] , "data_offsets" : [ 4 , 8 ] , "dtype" : "I32" } ,"#
                        + #" "e":{"dtype":"F64","shape":[0],"data_offsets":[4,4]}, "__metadata__" : { } ,"#
                        + #" "a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]} }"#, data: 8)) == nil)
    }

    @Test func escapesAreDecoded() throws {
        let header = #"{"__metadata__":{"\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\udc26\u0000":"\u007f"}}"#
        folder.write("file", fileBytes(header))
        let found = try FoundFile(path: folder["file"])
        #expect(found.metadata == ["\"\\/\u{8}\u{c}\n\r\tA\u{e9}\u{20ac}\u{1F426}\u{0}": "\u{7f}"])
    }

    @Test func everyTypeOfTheFormat() {
        for type in TensorType.allCases {
            let bytes = type.bitCount
            let header = "{\"t\":{\"dtype\":\"\(type.name)\",\"shape\":[8],\"data_offsets\":[0,\(bytes)]}}"
            #expect(kind(fileBytes(header, data: bytes)) == nil, "\(type.name)")
        }
    }

    @Test func everyTruncationIsRefused() {
        let bytes = fileBytes(small, data: 11)
        for count in bytes.indices { #expect(kind(Array(bytes[..<count])) == .format, "\(count)") }
        #expect(kind(bytes + [0]) == .format)
    }

    /// Refused or read, never a crash; and what is read is still within the file.
    @Test func everyFlippedBit() {
        let bytes = fileBytes(small, data: 11)
        var refused = 0
        for place in bytes.indices {
            for bit in 0..<8 {
                var changed = bytes
                changed[place] ^= 1 << bit
                let result = kind(changed)
                #expect(result == nil || result == .format)
                if result != nil { refused += 1 }
            }
        }
        // Names, values and data may change; nothing else can.
        #expect(refused > 700)
    }

    /// Every byte of the header replaced by bytes that mean something in JSON.
    @Test func everyByteReplaced() {
        let bytes = fileBytes(small, data: 11)
        for place in bytes.indices.dropFirst(8).dropLast(11) {
            for byte in Array("{}[]\",:\\0-9eE.nu ".utf8) + [0, 0x1F, 0x80, 0xC3, 0xFF] {
                var changed = bytes
                changed[place] = byte
                let result = kind(changed)
                #expect(result == nil || result == .format)
            }
        }
    }

    private func tensor(_ type: String, _ shape: String, _ offsets: String, _ name: String = "t") -> String {
        "\"\(name)\":{\"dtype\":\(type),\"shape\":\(shape),\"data_offsets\":\(offsets)}"
    }

    @Test func lengthsThatLie() {
        for length in [3, 100_000_000, 100_000_001, 1 << 32, 1 << 63, UInt64.max, UInt64.max - 7] {
            #expect(kind(fileBytes("{}", length: length)) == .format, "\(length)")
        }
        #expect(kind(fileBytes("", length: 0)) == .format)
    }

    @Test func offsetsThatLie() {
        let u8 = #""U8""#
        let cases: [(String, Int)] = [
            // A hole before, behind and between; overlaps; beyond the file; backwards; the wrong size.
            (tensor(u8, "[4]", "[1,5]"), 5), (tensor(u8, "[4]", "[0,4]"), 5), (tensor(u8, "[4]", "[0,4]"), 3),
            (tensor(u8, "[4]", "[0,4]", "a") + "," + tensor(u8, "[4]", "[5,9]", "b"), 9),
            (tensor(u8, "[4]", "[0,4]", "a") + "," + tensor(u8, "[4]", "[3,7]", "b"), 7),
            (tensor(u8, "[4]", "[0,4]", "a") + "," + tensor(u8, "[4]", "[0,4]", "b"), 4),
            (tensor(u8, "[4]", "[0,4]", "a") + "," + tensor(u8, "[2]", "[1,3]", "b"), 4),
            (tensor(u8, "[4]", "[4,0]"), 4), (tensor(u8, "[3]", "[0,4]"), 4), (tensor(u8, "[5]", "[0,4]"), 4),
            (tensor(u8, "[]", "[0,0]"), 0), (tensor(u8, "[0]", "[0,1]"), 1),
            (tensor(u8, "[1]", "[9223372036854775807,9223372036854775807]"), 1),
            (tensor(u8, "[1]", "[0,9223372036854775807]"), 1), (tensor(u8, "[1]", "[18446744073709551615,0]"), 1),
            (tensor(u8, "[1]", "[0]"), 1), (tensor(u8, "[1]", "[0,1,1]"), 1), (tensor(u8, "[1]", "[]"), 1),
            (tensor(u8, "[1]", "{}"), 1), (tensor(u8, "[1]", "[0,\"1\"]"), 1), (tensor(u8, "[1]", "null"), 1),
            ("", 1),
        ]
        for (members, data) in cases { #expect(kind(fileBytes("{\(members)}", data: data)) == .format, "\(members)") }
    }

    @Test func shapesThatLie() {
        let u8 = #""U8""#
        for shape in [
            "[-1]", "[1.0]", "[1e0]", "[01]", "[+1]", "[0x1]", "[1,]", "[,1]", "[1 1]", "[[1]]", "[null]", "[\"1\"]",
            "1",
            "[9223372036854775808]", "[18446744073709551617]", "[4294967296,4294967296]", "[9223372036854775807,3]",
            "[" + String(repeating: "1,", count: 64) + "1]", "null", "{}", "[", "[1",
        ] {
            #expect(kind(fileBytes("{\(tensor(u8, shape, "[0,1]"))}", data: 1)) == .format, "\(shape)")
        }
        #expect(kind(fileBytes("{\(tensor(#""F4""#, "[3]", "[0,1]"))}", data: 1)) == .format)
        #expect(kind(fileBytes("{\(tensor(#""F64""#, "[1152921504606846976]", "[0,0]"))}")) == .format)
    }

    @Test func typesThatLie() {
        for type in [#""F33""#, #""f32""#, #""""#, #""F32 ""#, "32", "null", "[]", #""FLOAT""#, #""F3\u0000""#] {
            #expect(kind(fileBytes("{\(tensor(type, "[1]", "[0,4]"))}", data: 4)) == .format, "\(type)")
        }
        // An escape is only another spelling.
        #expect(kind(fileBytes("{\(tensor(#""\u004632""#, "[1]", "[0,4]"))}", data: 4)) == nil)
    }

    @Test func namesThatStandTwice() {
        let one = tensor(#""U8""#, "[1]", "[0,1]", "a")
        let other = tensor(#""U8""#, "[1]", "[1,2]", "a")
        #expect(kind(fileBytes("{\(one),\(other)}", data: 2)) == .format)
        #expect(kind(fileBytes("{\(one),\(tensor(#""U8""#, "[1]", "[1,2]", "\\u0061"))}", data: 2)) == .format)
        #expect(kind(fileBytes(#"{"__metadata__":{"k":"1","k":"2"}}"#)) == .format)
        #expect(kind(fileBytes(#"{"__metadata__":{},"__metadata__":{}}"#)) == .format)
        #expect(kind(fileBytes(#"{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#)) == .format)
    }

    @Test func headersThatAreNone() {
        for header in [
            " ", "[]", "null", "1", "\"\"", "{", "}", "{}}", "{}{}", "{},", "{} x", " {}", "\u{FEFF}{}", "{,}",
            #"{"a"}"#,
            #"{"a":}"#, #"{"a":1}"#, #"{"a":null}"#, #"{"a":[]}"#, #"{"a":{}}"#, #"{"a":{"dtype":"U8"}}"#, #"{a:{}}"#,
            #"{'a':{}}"#, #"{"__metadata__":null}"#, #"{"__metadata__":[]}"#, #"{"__metadata__":{"k":1}}"#,
            #"{"__metadata__":{"k":{}}}"#, #"{"__metadata__":{"k":null}}"#, #"{"__metadata__":{"k":"v",}}"#,
            #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"more":1}}"#, "{}\u{0}", "/**/{}", "{}//",
        ] {
            #expect(kind(fileBytes(header)) == .format, "\(header)")
        }
    }

    @Test func stringsThatAreNone() {
        for text in [
            #"\"#, #"\x41"#, #"\u12"#, #"\u12G4"#, #"\ud83d"#, #"\ud83dx"#, #"\ud83d\n"#, #"\ud83dA"#, #"\udc26"#,
            #"\udc26\ud83d"#, #"\uD83D\uD83D"#, "\n", "\t", "\u{0}", "\u{1F}", #"\U0041"#, #"\u+041"#,
        ] {
            #expect(kind(fileBytes("{\"__metadata__\":{\"\(text)\":\"\"}}")) == .format, "\(text)")
            #expect(kind(fileBytes("{\"__metadata__\":{\"k\":\"\(text)")) == .format, "\(text)")
        }
        // Not UTF-8: a lone continuation, a cut sequence, too long a form, a surrogate, beyond the last character.
        for bytes in [
            [0x80], [0xC3], [0xC0, 0x80], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xFF],
        ]
            as [[UInt8]]
        {
            let header = Array(#"{"__metadata__":{"k":""#.utf8) + bytes + Array(#""}}"#.utf8)
            #expect(kind(fileBytes(header)) == .format)
        }
    }

    @Test func deepNesting() {
        let depth = 1_000_000
        for open in ["[", "{\"a\":", "{\"__metadata__\":"] {
            let text = "{\"a\":" + String(repeating: open, count: depth)
            #expect(kind(fileBytes(text)) == .format)
        }
        #expect(kind(fileBytes("{" + tensor(#""U8""#, String(repeating: "[", count: depth), "[0,0]") + "}")) == .format)
    }

    /// As many tensors as fit in a few megabytes, in the worst order, are read in a moment.
    @Test func manyTensors() throws {
        let count = 50_000
        let members = (0..<count).reversed().map {
            tensor(#""U8""#, "[1]", "[\($0),\($0 + 1)]", "n\($0)")
        }
        folder.write("file", fileBytes("{" + members.joined(separator: ",") + "}", data: count))
        let reader = try SafetensorsReader(path: folder["file"])
        #expect(reader.count == count)
        for number in stride(from: 0, to: count, by: 997) {
            guard let index = reader.index(of: "n\(number)") else {
                Issue.record("n\(number) is not found")
                continue
            }
            var byte: UInt8 = 0
            try reader.read(index, into: &byte)
            #expect(byte == UInt8(truncatingIfNeeded: number))
        }
    }

    @Test func missingFile() {
        #expect(throws: MartletError.self) { try FoundFile(path: folder["absent"]) }
    }

    /// The error says what and where.
    @Test func messages() {
        func message(_ bytes: [UInt8]) -> String {
            folder.write("file", bytes)
            do throws(MartletError) {
                _ = try FoundFile(path: folder["file"])
                return ""
            } catch {
                return error.message
            }
        }
        #expect(message(fileBytes("{\"a\" 1}")) == "header, byte 5: expected ':'")
        let overlap = tensor(#""U8""#, "[4]", "[0,4]", "a") + "," + tensor(#""U8""#, "[4]", "[3,7]", "b")
        #expect(
            message(fileBytes("{\(overlap)}", data: 7))
                == "tensor 'b' starts at byte 3 of the data and overlaps the one before it, which ends at 4")
        #expect(
            message(fileBytes("{}", length: 1 << 40))
                == "the header's length is 1099511627776 bytes; the format allows 100000000")
    }
}
