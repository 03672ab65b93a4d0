// Flat memory with named views: a model's parameters, gradients and statistics.
import Glibc
import MartletPlatform

/// Zero-filled floats that a model owns.
final class FlatBuffer {
    private let memory: ZeroedMemory
    let count: Int

    /// Throws `.memory`.
    init(count: Int) throws(MartletError) {
        memory = try ZeroedMemory(count: count, stride: MemoryLayout<Float>.stride)
        self.count = count
    }

    var base: UnsafeMutablePointer<Float> { unsafe memory.base.assumingMemoryBound(to: Float.self) }
    var elements: UnsafeMutableBufferPointer<Float> { unsafe UnsafeMutableBufferPointer(start: base, count: count) }
}

/// An array of a flat buffer.
package struct View {
    let array: ArrayDescription
    /// "dense/kernel"
    package let name: OwnedText
    package let node: Int
    package let offset: Int
    /// Whether training leaves it alone.
    let isFrozen: Bool
    /// Whether it is a table that is trained by rows.
    let isOfRows: Bool

    package var shape: Shape { array.shape }
}

/// Views one behind the other.
struct ViewList {
    private(set) var views: [View] = []
    /// Elements in all of them.
    private(set) var count = 0

    /// Throws `.shape` where there are more elements than a buffer may have, and `.memory`.
    mutating func append(
        _ array: ArrayDescription, of node: Int, named layer: OwnedText, isFrozen: Bool = false, isOfRows: Bool = false
    ) throws(MartletError) {
        let (end, overflow) = count.addingReportingOverflow(array.shape.elementCount)
        guard !overflow, end <= Shape.mostElements else {
            throw MartletError(.shape, "the layers up to \"\(layer.string)\" have more than 2^40 parameters")
        }
        let name = try OwnedText("\(layer.string)/\(array.name)")
        views.append(
            View(array: array, name: name, node: node, offset: count, isFrozen: isFrozen, isOfRows: isOfRows))
        count = end
    }
}

/// Text that C may read as long as its owner lives.
@safe package final class OwnedText {
    package let start: UnsafeMutablePointer<CChar>
    package let string: String

    init(_ string: String) throws(MartletError) {
        guard let start = unsafe strdup(string) else {
            throw MartletError(.memory, "the system gave no memory for a name")
        }
        unsafe self.start = start
        self.string = string
    }

    deinit { unsafe free(start) }
}
