// A part of a sequence: its steps without some at its start and at its end, or the last of these.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class Cropping: Operation {
    /// Elements before the part, of it, and of all, in a sample.
    private let first: Int
    private let count: Int
    private let all: Int

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        let least = layer.pads[0] + layer.pads[1] + max(layer.units, 1)
        guard input.rank == 2, input[0] >= least else {
            throw MartletError(
                .shape, "\(subject)'s input is \(input); expected a sequence of more than \(least - 1) steps")
        }
        let most = input[0] - layer.pads[0] - layer.pads[1]
        let output = try Shape([layer.units > 0 ? layer.units : most, input[1]], subject)
        (count, all) = (output.elementCount, input.elementCount)
        first = all - layer.pads[1] * input[1] - count
        super.init(inputs: [input], output: output)
    }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        [CCall(.frame, [input[0], 1, input[1], output[0], 1, first / input[1], 0, 1, 1])]
    }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.execution.run(
            RowCopyRequest(
                rows: pass.batch, width: count, from: pass.input + first, fromStride: all, to: pass.output,
                toStride: count))
    }

    override func backward(_ pass: BackwardPass) {
        guard let out = unsafe pass.inputGradient else { return }
        let batch = unsafe pass.forward.batch
        for sample in 0..<batch {
            unsafe (out + sample * all).update(repeating: 0, count: first)
            unsafe (out + sample * all + first + count).update(repeating: 0, count: all - first - count)
        }
        unsafe pass.forward.execution.run(
            RowCopyRequest(
                rows: batch, width: count, from: pass.gradient, fromStride: count, to: out + first, toStride: all))
    }
}
