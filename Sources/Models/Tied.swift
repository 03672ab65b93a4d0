// A dense layer over the table of an embedding: y = x tableᵀ, and what such a layer adds to it. A language model that reads
// tokens by the rows of a table and gives its logits by the same is Press, Wolf: Using the output embedding to improve
// language models. EACL 2017.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// y = x tableᵀ over the last size. The table is the embedding's parameter, and this its second reader: the gradient is the
/// sum of both, this one's first, which runs backward before.
final class TiedDense: Operation {
    private let table: ArrayDescription
    private var rows: Int { table.shape[0] }
    private var columns: Int { table.shape[1] }

    /// - Parameter embedding: what has the table.
    init(reading embedding: Operation?, input: Shape, _ subject: String) throws(MartletError) {
        guard let table = embedding?.parameters.first, input.last == table.shape[1] else {
            let columns = embedding?.parameters.first.map { "\($0.shape[1])" } ?? "a table"
            throw MartletError(
                .shape, "\(subject)'s input is \(input); expected \(columns) as its last size, the columns of its table"
            )
        }
        self.table = table
        super.init(
            inputs: [input], output: try input.replacingLast(with: table.shape[0], "\(subject)'s output"))
    }

    override var parameters: [ArrayDescription] { [table] }
    override var needsInput: Bool { true }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        let table = unsafe [CArray(parameters, self.table.shape.elementCount)]
        return [CCall(.tied, [input.outerCount, columns, rows], table)]
    }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.execution.multiply(
            MatrixProduct(
                rows: pass.batch * input.outerCount, inner: columns, columns: rows,
                left: Factor(base: pass.input, rowStride: columns, columnStride: 1),
                right: Factor(base: pass.parameters, rowStride: 1, columnStride: columns),
                out: pass.output, outStride: rows, bias: nil, epilogue: .none, accumulates: false))
    }

    override func backward(_ pass: BackwardPass) {
        let forward = unsafe pass.forward
        let count = unsafe forward.batch * input.outerCount
        if let out = unsafe pass.parameterGradients {
            unsafe forward.execution.multiply(
                MatrixProduct(
                    rows: rows, inner: count, columns: columns,
                    left: Factor(base: pass.gradient, rowStride: 1, columnStride: rows),
                    right: Factor(base: forward.input, rowStride: columns, columnStride: 1),
                    out: out, outStride: columns, bias: nil, epilogue: .none, accumulates: false))
        }
        guard let out = unsafe pass.inputGradient else { return }
        unsafe forward.execution.multiply(
            MatrixProduct(
                rows: count, inner: rows, columns: columns,
                left: Factor(base: pass.gradient, rowStride: rows, columnStride: 1),
                right: Factor(base: forward.parameters, rowStride: columns, columnStride: 1),
                out: out, outStride: columns, bias: nil, epilogue: .none, accumulates: false))
    }
}

/// y = x + bias over the last size.
final class Shifting: Operation {
    private let bias: ArrayDescription

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        bias = ArrayDescription(
            name: "bias", shape: try Shape([input.last], "\(subject)'s bias"), initializer: layer.biasInitializer,
            value: layer.biasValue, fanIn: input.last, fanOut: input.last)
        super.init(inputs: [input], output: input)
    }

    override var parameters: [ArrayDescription] { [bias] }
    override var gradientRunsInPlace: Bool { true }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        [CCall(.shift, [input.outerCount, input.last], [unsafe CArray(parameters, input.last)])]
    }

    override func forward(_ pass: ForwardPass) {
        let count = unsafe pass.batch * input.outerCount
        unsafe pass.execution.run(
            RowCopyRequest(
                rows: count, width: input.last, from: pass.parameters, fromStride: 0, to: pass.output,
                toStride: input.last))
        unsafe pass.execution.run(
            CombinationRequest(.sum, count: count * input.last, pass.input, pass.output, out: pass.output))
    }

    override func backward(_ pass: BackwardPass) {
        let count = unsafe pass.forward.batch * input.outerCount
        if let out = unsafe pass.parameterGradients {
            unsafe pass.forward.execution.columnSums(rows: count, columns: input.last, x: pass.gradient, out: out)
        }
        guard let out = unsafe pass.inputGradient, unsafe out != pass.gradient else { return }
        unsafe pass.forward.execution.run(
            RowCopyRequest(
                rows: count, width: input.last, from: pass.gradient, fromStride: input.last, to: out,
                toStride: input.last))
    }
}

extension Model {
    /// The operation that has the table which a layer shares; nil: it shares none. Throws `.argument` where its node is no
    /// embedding's, and `.unsupported` where that is trained by rows.
    func tableStep(of layer: Layer, _ prefix: String) throws(MartletError) -> Int? {
        guard layer.kind == .tiedDense else { return nil }
        guard nodes.indices.contains(layer.table), nodes[layer.table].layer.kind == .embedding else {
            throw MartletError(
                .argument, "\(prefix)table is \(layer.table); expected the node of an embedding, whose table is shared")
        }
        let node = nodes[layer.table]
        guard !node.layer.flags.contains(.sparse) else {
            throw MartletError(
                .unsupported,
                "\(prefix)table is that of \"\(node.name.string)\", which is sparse, trained by the rows that a batch names; "
                    + "expected one that is not: the gradient of what shares a table is of all rows")
        }
        return node.operations.last { graph.steps[$0].operation is Embedding }
    }
}
