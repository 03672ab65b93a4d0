// Parses the JSON of a safetensors header, and nothing more of JSON than such a header holds: one object of tensors,
// each with dtype, shape and data_offsets, and one object of text. So nothing nests deeper than the grammar below, and
// nothing recurses. Strings are decoded where they stand, since decoding never makes one longer. What the offsets mean
// for the file is checked by the reader.

import MartletPlatform

/// A part of the header's bytes.
struct TextRange: BitwiseCopyable {
    var start: UInt32 = 0
    var count: UInt32 = 0
}

struct TensorEntry: BitwiseCopyable {
    var name = TextRange()
    var type = TensorType.u8
    var rank: UInt8 = 0
    /// Where its sizes start in the list of all.
    var shapeStart: UInt32 = 0
    var begin = 0
    var end = 0
}

struct TextEntry: BitwiseCopyable {
    var key = TextRange()
    var value = TextRange()
}

/// What a header says.
struct Header: ~Copyable {
    var tensors = RawList<TensorEntry>()
    var sizes = RawList<Int>()
    var metadata = RawList<TextEntry>()
}

@safe struct HeaderParser: ~Copyable {
    /// The most sizes a shape may have, as many as an array of `martlet.h`.
    static var mostSizes: Int { 64 }

    private let text: UnsafeMutableBufferPointer<UInt8>
    private var place = 0
    private var header = Header()

    /// Parses `text`, which is valid UTF-8, and decodes its strings in place. Throws `.format` and `.memory`.
    static func parse(_ text: UnsafeMutableBufferPointer<UInt8>) throws(MartletError) -> Header {
        var parser = unsafe HeaderParser(text)
        try parser.parseHeader()
        return parser.takeHeader()
    }

    private init(_ text: UnsafeMutableBufferPointer<UInt8>) { unsafe self.text = text }

    private consuming func takeHeader() -> Header { header }

    // MARK: Grammar

    private mutating func parseHeader() throws(MartletError) {
        guard peek() == UInt8(ascii: "{") else { throw failure("a header starts with '{'") }
        var hasMetadata = false
        try parseObject { (parser: inout HeaderParser, key: TextRange) throws(MartletError) in
            if parser.isText(key, "__metadata__") {
                if hasMetadata { throw parser.failure("'__metadata__' stands there twice") }
                hasMetadata = true
                try parser.parseMetadata()
            } else {
                try parser.parseTensor(key)
            }
        }
        skipBlanks()
        guard unsafe place == text.count else { throw failure("nothing but blanks may follow the header's '}'") }
    }

    private mutating func parseMetadata() throws(MartletError) {
        try parseObject { (parser: inout HeaderParser, key: TextRange) throws(MartletError) in
            let value = try parser.parseString()
            try parser.header.metadata.append(TextEntry(key: key, value: value))
        }
    }

    private mutating func parseTensor(_ name: TextRange) throws(MartletError) {
        var entry = TensorEntry(name: name)
        var hasType = false
        var hasShape = false
        var hasOffsets = false
        try parseObject { (parser: inout HeaderParser, key: TextRange) throws(MartletError) in
            if parser.isText(key, "dtype"), !hasType {
                hasType = true
                entry.type = try parser.parseType()
            } else if parser.isText(key, "shape"), !hasShape {
                hasShape = true
                entry.shapeStart = UInt32(parser.header.sizes.count)
                entry.rank = try parser.parseShape()
            } else if parser.isText(key, "data_offsets"), !hasOffsets {
                hasOffsets = true
                (entry.begin, entry.end) = try parser.parseOffsets()
            } else {
                throw parser.failure("a tensor has one each of dtype, shape and data_offsets, and nothing else")
            }
        }
        guard hasType, hasShape, hasOffsets else { throw failure("a tensor lacks its dtype, shape or data_offsets") }
        try header.tensors.append(entry)
    }

    private mutating func parseType() throws(MartletError) -> TensorType {
        let name = try parseString()
        guard let type = unsafe TensorType(name: UnsafeRawBufferPointer(bytes(name))) else {
            throw failure("a dtype is none of the format's")
        }
        return type
    }

    private mutating func parseShape() throws(MartletError) -> UInt8 {
        var rank = 0
        try parseArray { (parser: inout HeaderParser) throws(MartletError) in
            guard rank < HeaderParser.mostSizes else {
                throw parser.failure("a shape has more than \(HeaderParser.mostSizes) sizes")
            }
            rank += 1
            try parser.header.sizes.append(try parser.parseNumber())
        }
        return UInt8(rank)
    }

    private mutating func parseOffsets() throws(MartletError) -> (Int, Int) {
        var offsets = (0, 0)
        var count = 0
        try parseArray { (parser: inout HeaderParser) throws(MartletError) in
            let number = try parser.parseNumber()
            if count == 0 { offsets.0 = number } else { offsets.1 = number }
            count += 1
            if count > 2 { throw parser.failure("data_offsets has more than two numbers") }
        }
        guard count == 2 else { throw failure("data_offsets has fewer than two numbers") }
        guard offsets.0 <= offsets.1 else { throw failure("data_offsets end before they begin") }
        return offsets
    }

    // MARK: JSON

    /// `{ "key": member, ... }`; `member` parses what stands behind each colon.
    private mutating func parseObject(
        _ member: (inout HeaderParser, TextRange) throws(MartletError) -> Void
    ) throws(MartletError) {
        try expect("{")
        if takes("}") { return }
        repeat {
            let key = try parseString()
            try expect(":")
            try member(&self, key)
        } while takes(",")
        try expect("}")
    }

    private mutating func parseArray(_ element: (inout HeaderParser) throws(MartletError) -> Void) throws(MartletError)
    {
        try expect("[")
        if takes("]") { return }
        repeat { try element(&self) } while takes(",")
        try expect("]")
    }

    private mutating func parseNumber() throws(MartletError) -> Int {
        skipBlanks()
        let start = place
        var number = 0
        while let byte = peek(), byte >= 0x30, byte <= 0x39 {
            let (tens, tooLarge) = number.multipliedReportingOverflow(by: 10)
            let (sum, overflow) = tens.addingReportingOverflow(Int(byte) - 0x30)
            if tooLarge || overflow { throw failure("a number is beyond 2^63 - 1") }
            number = sum
            place += 1
        }
        guard place > start else { throw failure("expected a whole number, 0 or more") }
        if place - start > 1, unsafe text[start] == 0x30 { throw failure("a number starts with a needless 0") }
        return number
    }

    /// A string, decoded in place.
    private mutating func parseString() throws(MartletError) -> TextRange {
        try expect("\"")
        let start = place
        var end = place
        while let byte = peek(), byte != UInt8(ascii: "\"") {
            guard byte >= 0x20 else { throw failure("a string holds a bare control character") }
            place += 1
            if byte == UInt8(ascii: "\\") {
                end = try parseEscape(writingAt: end)
            } else {
                unsafe text[end] = byte
                end += 1
            }
        }
        guard peek() != nil else { throw failure("a string has no end") }
        place += 1
        return TextRange(start: UInt32(start), count: UInt32(end - start))
    }

    /// The escape behind a backslash; returns the place behind what was written.
    private mutating func parseEscape(writingAt end: Int) throws(MartletError) -> Int {
        guard let byte = peek() else { throw failure("a string has no end") }
        place += 1
        let plain: UInt8
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): plain = byte
        case UInt8(ascii: "b"): plain = 0x08
        case UInt8(ascii: "f"): plain = 0x0C
        case UInt8(ascii: "n"): plain = 0x0A
        case UInt8(ascii: "r"): plain = 0x0D
        case UInt8(ascii: "t"): plain = 0x09
        case UInt8(ascii: "u"): return try parseUnicodeEscape(writingAt: end)
        default: throw failure("a string holds an unknown escape")
        }
        unsafe text[end] = plain
        return end + 1
    }

    private mutating func parseUnicodeEscape(writingAt start: Int) throws(MartletError) -> Int {
        var value = try parseHex()
        if value >= 0xD800, value <= 0xDBFF {
            guard peek() == UInt8(ascii: "\\") else { throw failure("a string holds half a surrogate pair") }
            place += 1
            guard peek() == UInt8(ascii: "u") else { throw failure("a string holds half a surrogate pair") }
            place += 1
            let low = try parseHex()
            guard low >= 0xDC00, low <= 0xDFFF else { throw failure("a string holds half a surrogate pair") }
            value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(value) else { throw failure("a string holds half a surrogate pair") }
        var end = start
        for unit in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter {
            unsafe text[end] = unit
            end += 1
        }
        return end
    }

    private mutating func parseHex() throws(MartletError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek() else { throw failure("a string has no end") }
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46: digit = byte - 0x41 + 10
            case 0x61...0x66: digit = byte - 0x61 + 10
            default: throw failure("four hexadecimal digits stand behind \\u")
            }
            value = value << 4 | UInt32(digit)
            place += 1
        }
        return value
    }

    // MARK: Bytes

    private func peek() -> UInt8? { unsafe place < text.count ? text[place] : nil }

    private mutating func skipBlanks() {
        while let byte = peek(), byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { place += 1 }
    }

    /// Takes `character` where it is what comes next behind blanks.
    private mutating func takes(_ character: Unicode.Scalar) -> Bool {
        skipBlanks()
        guard peek() == UInt8(ascii: character) else { return false }
        place += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(MartletError) {
        guard takes(character) else { throw failure("expected '\(character)'") }
    }

    private func bytes(_ range: TextRange) -> UnsafeMutableBufferPointer<UInt8> {
        unsafe UnsafeMutableBufferPointer(rebasing: text[Int(range.start)..<Int(range.start + range.count)])
    }

    private func isText(_ range: TextRange, _ wanted: StaticString) -> Bool {
        unsafe Bytes.areEqual(UnsafeRawBufferPointer(bytes(range)), wanted)
    }

    private func failure(_ what: String) -> MartletError {
        MartletError(.format, "header, byte \(place): \(what)")
    }
}
