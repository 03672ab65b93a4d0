// A row of a table for each place of a sequence, whatever stands there.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class Position: Operation {
    private let layer: Layer

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        self.layer = layer
        guard input.rank == 2 else {
            throw MartletError(.shape, "\(subject)'s input is \(input); expected (steps, features)")
        }
        super.init(inputs: [input], output: input)
    }

    override var parameters: [ArrayDescription] {
        [
            ArrayDescription(
                name: "embeddings", shape: input, initializer: layer.kernelInitializer, value: layer.kernelValue,
                fanIn: input[0], fanOut: input[1])
        ]
    }

    override var stopsGradient: Bool { false }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        [CCall(.copy, reads: [], [input.elementCount], [unsafe CArray(parameters, input.elementCount)])]
    }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.execution.run(
            RowCopyRequest(
                rows: pass.batch, width: input.elementCount, from: pass.parameters, fromStride: 0, to: pass.output,
                toStride: input.elementCount))
    }

    override func backward(_ pass: BackwardPass) {
        let forward = unsafe pass.forward
        if let out = unsafe pass.parameterGradients {
            unsafe forward.execution.columnSums(
                rows: forward.batch, columns: input.elementCount, x: pass.gradient, out: out)
        }
        if let out = unsafe pass.inputGradient {
            unsafe out.update(repeating: 0, count: forward.batch * input.elementCount)
        }
    }
}
