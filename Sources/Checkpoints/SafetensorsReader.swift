// Reads safetensors files, from whoever they come: 8 bytes of header length, a JSON header, then the tensors' bytes
// without gaps. Everything the header claims is checked against the file before anything else uses it, and memory is
// taken in proportion to the file's own size at most.

import Glibc
import MartletPlatform

/// An open file. Tensors are numbered from 0 in the order of their names' bytes. Any thread may read.
@safe package struct SafetensorsReader: ~Copyable {
    private let file: ReadableFile
    private let text: UnsafeMutableBufferPointer<UInt8>
    private let header: Header

    /// The longest header that the format allows.
    package static var longestHeader: Int { 100_000_000 }

    /// Opens a file and checks its header. Throws `.file`, `.memory`, and `.format` with what is wrong and where.
    package init(path: UnsafePointer<CChar>) throws(MartletError) {
        let file = try unsafe ReadableFile(path: path)
        let text = try unsafe SafetensorsReader.readHeader(of: file)
        do throws(MartletError) {
            header = try unsafe SafetensorsReader.checkedHeader(text, dataByteCount: file.byteCount - 8 - text.count)
        } catch {
            unsafe free(text.baseAddress)
            throw error
        }
        self.file = file
        unsafe self.text = text
    }

    deinit { unsafe free(text.baseAddress) }

    // MARK: Contents

    /// How many tensors there are.
    package var count: Int { header.tensors.count }

    /// The number of the tensor called `name` with `suffix` behind it; nil where there is none.
    package func index(of name: UnsafeRawBufferPointer, suffix: UnsafeRawBufferPointer) -> Int? {
        var low = 0
        var high = count
        while low < high {
            let middle = low + (high - low) / 2
            let order = unsafe compare(bytes(header.tensors[middle].name), name, suffix)
            if order == 0 { return middle }
            if order < 0 { low = middle + 1 } else { high = middle }
        }
        return nil
    }

    /// The number of the tensor called `name`; nil where there is none.
    package func index(of name: String) -> Int? {
        unsafe name.utf8Span.span.withUnsafeBytes { unsafe index(of: $0, suffix: .init(start: nil, count: 0)) }
    }

    /// The name of a tensor.
    package func name(_ index: Int) -> String { string(header.tensors[index].name) }

    package func type(_ index: Int) -> TensorType { header.tensors[index].type }

    /// The sizes of a tensor, outermost first; empty for a single number. Valid as long as the reader.
    package func shape(_ index: Int) -> UnsafeBufferPointer<Int> {
        let entry = header.tensors[index]
        let start = Int(entry.shapeStart)
        return unsafe UnsafeBufferPointer(rebasing: header.sizes.elements[start..<start + Int(entry.rank)])
    }

    package func byteCount(_ index: Int) -> Int {
        let entry = header.tensors[index]
        return entry.end - entry.begin
    }

    /// Reads all bytes of a tensor, ``byteCount(_:)`` of them. Throws `.file`.
    package func read(_ index: Int, into memory: UnsafeMutableRawPointer) throws(MartletError) {
        let entry = header.tensors[index]
        let start = unsafe 8 + text.count + entry.begin
        try unsafe file.read(into: memory, byteCount: entry.end - entry.begin, at: start)
    }

    /// How many pieces of text the file carries besides.
    package var metadataCount: Int { header.metadata.count }

    /// Their keys and values, in the order of the keys' bytes.
    package func metadata(_ index: Int) -> (key: String, value: String) {
        let entry = header.metadata[index]
        return (string(entry.key), string(entry.value))
    }

    /// The same as bytes, valid as long as the reader.
    package func metadataBytes(_ index: Int) -> (key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        let entry = header.metadata[index]
        return unsafe (bytes(entry.key), bytes(entry.value))
    }

    /// The text under `key`, which is UTF-8 of any length; nil where there is none. Valid as long as the reader.
    package func metadata(_ key: String) -> UnsafeRawBufferPointer? {
        unsafe key.utf8Span.span.withUnsafeBytes { wanted in
            var low = 0
            var high = header.metadata.count
            while low < high {
                let middle = low + (high - low) / 2
                let order = unsafe Bytes.compare(bytes(header.metadata[middle].key), wanted)
                if order == 0 { return unsafe bytes(header.metadata[middle].value) }
                if order < 0 { low = middle + 1 } else { high = middle }
            }
            return nil
        }
    }

    private func bytes(_ range: TextRange) -> UnsafeRawBufferPointer { unsafe SafetensorsReader.bytes(range, in: text) }

    private func string(_ range: TextRange) -> String { unsafe String(decoding: bytes(range), as: UTF8.self) }

    private func compare(
        _ name: UnsafeRawBufferPointer, _ wanted: UnsafeRawBufferPointer, _ suffix: UnsafeRawBufferPointer
    ) -> Int {
        guard name.count > wanted.count else {
            let order = unsafe Bytes.compare(name, wanted)
            return order != 0 ? order : -suffix.count
        }
        let order = unsafe Bytes.compare(UnsafeRawBufferPointer(rebasing: name[..<wanted.count]), wanted)
        return unsafe order != 0
            ? order : Bytes.compare(UnsafeRawBufferPointer(rebasing: name[wanted.count...]), suffix)
    }

    // MARK: Opening

    private static func readHeader(
        of file: borrowing ReadableFile
    ) throws(MartletError) -> UnsafeMutableBufferPointer<UInt8> {
        guard file.byteCount >= 8 else {
            throw MartletError(.format, "the file has \(file.byteCount) bytes; a safetensors file has 8 or more")
        }
        var length: UInt64 = 0
        try unsafe file.read(into: &length, byteCount: 8, at: 0)
        length = UInt64(littleEndian: length)
        guard length <= UInt64(longestHeader) else {
            throw MartletError(.format, "the header's length is \(length) bytes; the format allows \(longestHeader)")
        }
        let byteCount = Int(length)
        guard byteCount <= file.byteCount - 8 else {
            throw MartletError(.format, "the header's length is \(length) bytes, the file has \(file.byteCount)")
        }
        guard let block = unsafe malloc(max(byteCount, 1)) else {
            throw MartletError(.memory, "the system gave no memory for a file's header of \(byteCount) bytes")
        }
        do throws(MartletError) {
            try unsafe file.read(into: block, byteCount: byteCount, at: 8)
        } catch {
            unsafe free(block)
            throw error
        }
        return unsafe UnsafeMutableBufferPointer(
            start: block.bindMemory(to: UInt8.self, capacity: byteCount), count: byteCount)
    }

    private static func checkedHeader(
        _ text: UnsafeMutableBufferPointer<UInt8>, dataByteCount: Int
    ) throws(MartletError) -> Header {
        if let place = unsafe Bytes.firstInvalid(UnsafeRawBufferPointer(text)) {
            throw MartletError(.format, "header, byte \(place): not UTF-8")
        }
        let header = try unsafe HeaderParser.parse(text)
        try unsafe checkOffsets(header, text, dataByteCount: dataByteCount)
        try unsafe checkNames(header, text)
        return header
    }

    /// Every byte behind the header belongs to exactly one tensor, which has the size its shape says.
    private static func checkOffsets(
        _ header: borrowing Header, _ text: UnsafeMutableBufferPointer<UInt8>, dataByteCount: Int
    ) throws(MartletError) {
        unsafe Bytes.sort(header.tensors.elements) { ($0.begin, $0.end) < ($1.begin, $1.end) }
        var place = 0
        for index in 0..<header.tensors.count {
            let entry = header.tensors[index]
            let start = Int(entry.shapeStart)
            let shape = unsafe UnsafeBufferPointer(rebasing: header.sizes.elements[start..<start + Int(entry.rank)])
            guard entry.begin == place else {
                let what = entry.begin < place ? "overlaps the one before it" : "leaves a hole before it"
                throw unsafe failure(
                    entry, text, "starts at byte \(entry.begin) of the data and \(what), which ends at \(place)")
            }
            guard let byteCount = unsafe entry.type.byteCount(shape: shape) else {
                throw unsafe failure(entry, text, "has a shape whose size in bytes is no number")
            }
            guard entry.end - entry.begin == byteCount else {
                throw unsafe failure(
                    entry, text, "has \(entry.end - entry.begin) bytes; its dtype and shape take \(byteCount)")
            }
            place = entry.end
        }
        guard place == dataByteCount else {
            throw MartletError(.format, "the file has \(dataByteCount) bytes of data; its header speaks of \(place)")
        }
    }

    /// Sorts tensors and metadata by name; no name may stand twice.
    private static func checkNames(
        _ header: borrowing Header, _ text: UnsafeMutableBufferPointer<UInt8>
    ) throws(MartletError) {
        let tensors = unsafe header.tensors.elements
        unsafe Bytes.sort(tensors) { unsafe Bytes.compare(bytes($0.name, in: text), bytes($1.name, in: text)) < 0 }
        for index in 1..<max(tensors.count, 1)
        where unsafe Bytes.areEqual(bytes(tensors[index - 1].name, in: text), bytes(tensors[index].name, in: text)) {
            throw unsafe failure(tensors[index], text, "stands there twice")
        }
        let metadata = unsafe header.metadata.elements
        unsafe Bytes.sort(metadata) { unsafe Bytes.compare(bytes($0.key, in: text), bytes($1.key, in: text)) < 0 }
        for index in 1..<max(metadata.count, 1)
        where unsafe Bytes.areEqual(bytes(metadata[index - 1].key, in: text), bytes(metadata[index].key, in: text)) {
            throw unsafe MartletError(.format, "metadata '\(excerpt(metadata[index].key, text))' stands there twice")
        }
    }

    private static func bytes(_ range: TextRange, in text: UnsafeMutableBufferPointer<UInt8>) -> UnsafeRawBufferPointer
    {
        let start = Int(range.start)
        return unsafe UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(text)[start..<start + Int(range.count)])
    }

    private static func failure(
        _ entry: TensorEntry, _ text: UnsafeMutableBufferPointer<UInt8>, _ what: String
    ) -> MartletError {
        unsafe MartletError(.format, "tensor '\(excerpt(entry.name, text))' \(what)")
    }

    private static func excerpt(_ range: TextRange, _ text: UnsafeMutableBufferPointer<UInt8>) -> String {
        unsafe Bytes.excerpt(bytes(range, in: text))
    }
}
