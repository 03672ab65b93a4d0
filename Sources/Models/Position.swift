// A row of a table for each place of a sequence, whatever stands there.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class Position: Operation {
    private let layer: Layer
    /// Of a model of one step.
    private let course: Course?
    private let table: Shape

    init(_ layer: Layer, input: Shape, along course: Course?, _ subject: String) throws(MartletError) {
        (self.layer, self.course) = (layer, course)
        guard input.rank == 2 else {
            throw MartletError(.shape, "\(subject)'s input is \(input); expected (steps, features)")
        }
        let steps = course?.length ?? input[0]
        let rows = layer.units > 0 ? layer.units : steps
        guard steps <= rows else {
            throw MartletError(
                .shape, "\(subject) reads \(steps) steps; expected \(rows) at most, the rows of its table")
        }
        table = try Shape([rows, input[1]], "\(subject)'s table")
        super.init(inputs: [input], output: input)
    }

    override var parameters: [ArrayDescription] {
        [
            ArrayDescription(
                name: "embeddings", shape: table, initializer: layer.kernelInitializer, value: layer.kernelValue,
                fanIn: table[0], fanOut: table[1])
        ]
    }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        [CCall(.copy, reads: [], [input.elementCount], [unsafe CArray(parameters, input.elementCount)])]
    }

    override func forward(_ pass: ForwardPass) {
        if let course {
            let (count, from) = unsafe (
                pass.batch / course.sequences * input[1], pass.parameters + course.done * input[1]
            )
            for sequence in 0..<course.sequences {
                unsafe (pass.output + sequence * count).update(from: from, count: count)
            }
            return
        }
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
            let read = input.elementCount
            unsafe (out + read).update(repeating: 0, count: table.elementCount - read)
        }
        if let out = unsafe pass.inputGradient {
            unsafe out.update(repeating: 0, count: forward.batch * input.elementCount)
        }
    }
}
