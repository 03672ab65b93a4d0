// Writes safetensors files: the header from names, types and shapes, then the tensors' bytes straight from where they
// are. The same contents give the same bytes, whatever order they were added in. What the tensors mean is the business
// of whoever adds them.

import Glibc
import MartletPlatform

/// What is to be written. Tensors' bytes are borrowed until ``write(to:)`` returns; names and text are copied.
@safe package struct SafetensorsWriter: ~Copyable {
    // Not private: whoever destroys a writer, in another module, needs to see what its lists hold.
    struct Tensor: BitwiseCopyable {
        var name: TextRange
        var type: TensorType
        var rank: UInt8
        var shapeStart: UInt32
        /// The address of the first byte; 0 where there is none.
        var data: UInt
        var byteCount: Int
    }

    private var text = RawList<UInt8>()
    private var tensors = RawList<Tensor>()
    private var sizes = RawList<Int>()
    private var metadata = RawList<TextEntry>()

    package init() {}

    // MARK: Contents

    /// Adds a tensor called `name` with `suffix` behind it. `data` may be nil where there are no bytes.
    /// Throws `.argument` for a name that is not UTF-8 or is `__metadata__`, `.shape` where `byteCount` is not what
    /// type and shape take, and `.memory`.
    package mutating func add(
        name: UnsafeRawBufferPointer, suffix: UnsafeRawBufferPointer, type: TensorType, shape: UnsafeBufferPointer<Int>,
        data: UnsafeRawPointer?, byteCount: Int
    ) throws(MartletError) {
        let wanted = unsafe shape.count <= HeaderParser.mostSizes ? type.byteCount(shape: shape) : nil
        guard let wanted, byteCount == wanted, unsafe data != nil || byteCount == 0 else {
            throw MartletError(.shape, "a tensor's bytes are \(byteCount), which is not what its type and shape take")
        }
        let range = try unsafe keep(name, suffix)
        guard unsafe !Bytes.areEqual(bytes(range), "__metadata__") else {
            throw MartletError(.argument, "a tensor cannot be called '__metadata__'")
        }
        let tensor = Tensor(
            name: range, type: type, rank: UInt8(shape.count), shapeStart: UInt32(sizes.count),
            data: UInt(bitPattern: data), byteCount: byteCount)
        try unsafe sizes.append(shape)
        try tensors.append(tensor)
    }

    /// Adds a tensor called `name`.
    package mutating func add(
        name: String, type: TensorType, shape: [Int], data: UnsafeRawPointer?, byteCount: Int
    ) throws(MartletError) {
        try unsafe name.utf8Span.span.withUnsafeBytes { (name: UnsafeRawBufferPointer) throws(MartletError) in
            try unsafe shape.span.withUnsafeBufferPointer { (shape: UnsafeBufferPointer<Int>) throws(MartletError) in
                try unsafe add(
                    name: name, suffix: UnsafeRawBufferPointer(start: nil, count: 0), type: type, shape: shape,
                    data: data,
                    byteCount: byteCount)
            }
        }
    }

    /// Adds text under `key`. Throws `.argument` where it grows too long for a header, and `.memory`.
    package mutating func addMetadata(_ key: String, _ value: String) throws(MartletError) {
        let key = try keep(key)
        try metadata.append(TextEntry(key: key, value: try keep(value)))
    }

    /// The same of bytes, `prefix` before the key.
    package mutating func addMetadata(
        _ prefix: StaticString, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(MartletError) {
        let before = unsafe UnsafeRawBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount)
        let key = try unsafe keep(before, key)
        let value = try unsafe keep(value, UnsafeRawBufferPointer(start: nil, count: 0))
        try metadata.append(TextEntry(key: key, value: value))
    }

    private mutating func keep(_ string: String) throws(MartletError) -> TextRange {
        try unsafe string.utf8Span.span.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) throws(MartletError) in
            try unsafe keep(bytes, UnsafeRawBufferPointer(start: nil, count: 0))
        }
    }

    /// Copies two pieces of text, one behind the other.
    private mutating func keep(
        _ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer
    ) throws(MartletError) -> TextRange {
        let start = text.count
        let limit = SafetensorsReader.longestHeader
        guard one.count <= limit, other.count <= limit, start + one.count + other.count <= limit else {
            throw MartletError(.argument, "names and text are longer than the \(limit) bytes that a header may have")
        }
        try unsafe text.append(one.assumingMemoryBound(to: UInt8.self))
        try unsafe text.append(other.assumingMemoryBound(to: UInt8.self))
        let range = TextRange(start: UInt32(start), count: UInt32(text.count - start))
        guard unsafe Bytes.firstInvalid(bytes(range)) == nil else {
            throw MartletError(.argument, "a name is not UTF-8")
        }
        return range
    }

    private func bytes(_ range: TextRange) -> UnsafeRawBufferPointer {
        let start = Int(range.start)
        let all = unsafe UnsafeRawBufferPointer(text.elements)
        return unsafe UnsafeRawBufferPointer(rebasing: all[start..<start + Int(range.count)])
    }

    // MARK: Writing

    /// Writes everything to the file at `path`, which afterwards is the whole new file, or what it was before.
    /// Throws `.argument` for a name or key that was added twice, `.file` and `.memory`.
    package consuming func write(to path: UnsafePointer<CChar>) throws(MartletError) {
        try sort()
        let header = try headerText()
        var file = try unsafe DurableFile(replacing: path)
        var length = UInt64(header.count).littleEndian
        try unsafe file.write(&length, byteCount: 8)
        if let start = unsafe header.elements.baseAddress { try unsafe file.write(start, byteCount: header.count) }
        for index in 0..<tensors.count {
            let tensor = tensors[index]
            guard let data = unsafe UnsafeRawPointer(bitPattern: tensor.data) else { continue }
            try unsafe file.write(data, byteCount: tensor.byteCount)
        }
        try file.commit()
    }

    /// Widest type first, then by name, as the format's own library writes them; metadata by key.
    private borrowing func sort() throws(MartletError) {
        let list = unsafe tensors.elements
        unsafe Bytes.sort(list) { unsafe Bytes.compare(bytes($0.name), bytes($1.name)) < 0 }
        for index in 1..<max(list.count, 1) {
            try unsafe checkDifferent(list[index - 1].name, list[index].name, "tensor")
        }
        unsafe Bytes.sort(list) { one, other in
            if one.type != other.type { return one.type.rawValue > other.type.rawValue }
            return unsafe Bytes.compare(bytes(one.name), bytes(other.name)) < 0
        }
        let entries = unsafe metadata.elements
        unsafe Bytes.sort(entries) { unsafe Bytes.compare(bytes($0.key), bytes($1.key)) < 0 }
        for index in 1..<max(entries.count, 1) {
            try unsafe checkDifferent(entries[index - 1].key, entries[index].key, "metadata")
        }
    }

    private func checkDifferent(_ one: TextRange, _ other: TextRange, _ what: StaticString) throws(MartletError) {
        guard unsafe Bytes.areEqual(bytes(one), bytes(other)) else { return }
        let name = unsafe Bytes.excerpt(bytes(one))
        throw MartletError(.argument, "\(what) '\(name)' was added twice")
    }

    private func headerText() throws(MartletError) -> RawList<UInt8> {
        var header = HeaderText()
        try header.append("{")
        if metadata.count > 0 {
            try header.append("\"__metadata__\":{")
            for index in 0..<metadata.count {
                let entry = metadata[index]
                if index > 0 { try header.append(",") }
                try unsafe header.append(string: bytes(entry.key))
                try header.append(":")
                try unsafe header.append(string: bytes(entry.value))
            }
            try header.append("}")
        }
        var offset = 0
        for index in 0..<tensors.count {
            let tensor = tensors[index]
            if index > 0 || metadata.count > 0 { try header.append(",") }
            let (end, overflow) = offset.addingReportingOverflow(tensor.byteCount)
            if overflow { throw MartletError(.argument, "the tensors have more than 2^63 - 1 bytes together") }
            try append(tensor, from: offset, to: end, to: &header)
            offset = end
        }
        try header.append("}")
        // Tensors start at a multiple of 8 bytes in the file.
        while header.bytes.count % 8 != 0 { try header.append(" ") }
        guard header.bytes.count <= SafetensorsReader.longestHeader else {
            throw MartletError(.argument, "the header has \(header.bytes.count) bytes, more than the format allows")
        }
        return header.take()
    }

    private func append(_ tensor: Tensor, from begin: Int, to end: Int, to header: inout HeaderText)
        throws(MartletError)
    {
        try unsafe header.append(string: bytes(tensor.name))
        try header.append(":{\"dtype\":\"")
        try header.append(tensor.type.name)
        try header.append("\",\"shape\":[")
        for index in 0..<Int(tensor.rank) {
            if index > 0 { try header.append(",") }
            try header.append(number: sizes[Int(tensor.shapeStart) + index])
        }
        try header.append("],\"data_offsets\":[")
        try header.append(number: begin)
        try header.append(",")
        try header.append(number: end)
        try header.append("]}")
    }
}

/// JSON being put together.
private struct HeaderText: ~Copyable {
    private(set) var bytes = RawList<UInt8>()

    consuming func take() -> RawList<UInt8> { bytes }

    mutating func append(_ text: StaticString) throws(MartletError) {
        try unsafe bytes.append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func append(number: Int) throws(MartletError) {
        var divisor = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            try bytes.append(UInt8(truncatingIfNeeded: 0x30 + number / divisor % 10))
            divisor /= 10
        }
    }

    /// In quotes, with the escapes that JSON demands.
    mutating func append(string: UnsafeRawBufferPointer) throws(MartletError) {
        try append("\"")
        for index in 0..<string.count {
            let byte = unsafe string[index]
            switch byte {
            case UInt8(ascii: "\""): try append("\\\"")
            case UInt8(ascii: "\\"): try append("\\\\")
            case 0x08: try append("\\b")
            case 0x09: try append("\\t")
            case 0x0A: try append("\\n")
            case 0x0C: try append("\\f")
            case 0x0D: try append("\\r")
            case 0..<0x20:
                try append("\\u00")
                try bytes.append(0x30 + byte >> 4)
                let low = byte & 0xF
                try bytes.append(low < 10 ? 0x30 + low : 0x61 + low - 10)
            default: try bytes.append(byte)
            }
        }
        try append("\"")
    }
}
