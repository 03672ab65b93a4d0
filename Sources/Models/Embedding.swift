// y = the row of a table that each whole number of the input names.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class Embedding: Operation {
    let rows: Int
    var columns: Int { table.last }
    private let layer: Layer
    private let table: Shape

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        self.layer = layer
        rows = layer.vocabulary
        table = try Shape([layer.vocabulary, layer.units], "\(subject)'s table")
        super.init(inputs: [input], output: try Shape(input.list + [layer.units], "\(subject)'s output"))
    }

    override var reads: ValueKind { .indices }

    override var parameters: [ArrayDescription] {
        [
            ArrayDescription(
                name: "embeddings", shape: table, initializer: layer.kernelInitializer, value: layer.kernelValue,
                fanIn: table[0], fanOut: table[1])
        ]
    }

    override var needsInput: Bool { true }
    override var givesRows: Bool { layer.flags.contains(.sparse) }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        let table = unsafe [CArray(parameters, table.elementCount)]
        return [CCall(.rows, [input.elementCount, self.table.last, rows], table)]
    }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.execution.run(
            EmbeddingRequest(
                count: pass.batch * input.elementCount, columns: table.last, indices: pass.indices,
                table: pass.parameters, out: pass.output))
    }

    override func backward(_ pass: BackwardPass) {
        guard !givesRows, let out = unsafe pass.parameterGradients else { return }
        let forward = unsafe pass.forward
        unsafe forward.execution.run(
            EmbeddingBackwardRequest(
                rows: rows, count: forward.batch * input.elementCount, columns: table.last, indices: forward.indices,
                gradient: pass.gradient, tableGradient: out))
        if layer.stillRow >= 0 { unsafe (out + layer.stillRow * columns).update(repeating: 0, count: columns) }
    }
}
