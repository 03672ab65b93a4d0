// What the tests of this room share: files put together by hand, and what a reader makes of them.

import Glibc
import MartletCheckpoints
import MartletPlatform

/// A tensor as read from a file.
struct FoundTensor: Equatable {
    var type: TensorType
    var shape: [Int]
    var bytes: [UInt8]
}

/// All that a file holds.
struct FoundFile: Equatable {
    var tensors: [String: FoundTensor] = [:]
    var metadata: [String: String] = [:]

    /// Reads everything, by number and by name.
    init(path: String) throws(MartletError) {
        let reader = try SafetensorsReader(path: path)
        for index in 0..<reader.count {
            var bytes = [UInt8](repeating: 0xAA, count: reader.byteCount(index))
            try reader.read(index, into: &bytes)
            tensors[reader.name(index)] = FoundTensor(
                type: reader.type(index), shape: Array(reader.shape(index)), bytes: bytes)
        }
        for index in 0..<reader.metadataCount {
            let (key, value) = reader.metadata(index)
            metadata[key] = value
        }
    }
}

/// A file's bytes: the header's length, the header, the data.
func fileBytes(_ header: String, data: Int = 0, length: UInt64? = nil) -> [UInt8] {
    fileBytes(Array(header.utf8), data: data, length: length)
}

func fileBytes(_ header: [UInt8], data: Int = 0, length: UInt64? = nil) -> [UInt8] {
    let length = length ?? UInt64(header.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) } + header
        + (0..<data).map { UInt8(truncatingIfNeeded: $0) }
}
