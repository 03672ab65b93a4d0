// A node of a model's graph.
import MartletPlatform

/// A layer, or an input, in its place: an object, so that no list of nodes is a large allocation.
package final class Node {
    package let name: OwnedText
    package fileprivate(set) var layer: Layer
    package let inputs: [Int]
    private let inputNumbers: ZeroedMemory
    package fileprivate(set) var output: Shape
    /// The value that it gives, among those of the graph.
    let value: Int
    /// Which of these says what steps of it are seen; nil: all are.
    let mask: Int?
    let operations: Range<Int>
    /// The node whose layer this is once more; nil: its own.
    package let first: Int?

    init(
        name: OwnedText, layer: Layer, inputs: [Int], _ numbers: consuming ZeroedMemory, output: Shape, value: Int,
        mask: Int? = nil, operations: Range<Int>, first: Int? = nil
    ) {
        self.name = name
        inputNumbers = numbers
        self.layer = layer
        self.inputs = inputs
        self.output = output
        self.value = value
        self.mask = mask
        self.operations = operations
        self.first = first
    }
    /// The nodes that it reads, as C has them; valid as long as the node.
    package var inputList: UnsafeMutablePointer<Int32> {
        unsafe inputNumbers.base.assumingMemoryBound(to: Int32.self)
    }

    /// Gives what another node does, which is the same over inputs of other sizes.
    func resize(_ other: Node) {
        output = other.output
        if layer.kind == .input { layer.sizes = output.list }
    }

    /// Memory with these in it. Throws `.memory`.
    static func numbers(_ inputs: [Int]) throws(MartletError) -> ZeroedMemory {
        let memory = try ZeroedMemory(count: inputs.count, stride: MemoryLayout<Int32>.stride)
        let list = unsafe memory.base.assumingMemoryBound(to: Int32.self)
        for (place, input) in inputs.enumerated() { unsafe list[place] = Int32(input) }
        return memory
    }
}
