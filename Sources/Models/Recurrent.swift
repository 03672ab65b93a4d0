// Sequences read step by step: each step gives a state, of what it reads and of the state before. The products of all steps'
// inputs are one product, and so are the gradients of weights; what steps do one after another is the kernels'.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class Recurrent: Operation {
    private let layer: Layer
    private let shape: RecurrentShape
    private let kernel: Shape
    private let recurrentKernel: Shape
    private let bias: Shape
    private let givesAll: Bool
    private let isReversed: Bool
    private let hasBias: Bool

    /// - Parameter inputs: the sequence's shape, and that of its mask, where it has one.
    init(_ cell: RecurrentCell, _ layer: Layer, inputs: [Shape], _ subject: String) throws(MartletError) {
        let input = inputs[0]
        guard input.rank == 2 else {
            throw MartletError(.shape, "\(subject)'s input is \(input); expected (steps, features)")
        }
        self.layer = layer
        shape = RecurrentShape(cell, steps: input[0], features: input[1], units: layer.units)
        kernel = try Shape([input[1], shape.gates], "\(subject)'s kernel")
        recurrentKernel = try Shape([layer.units, shape.gates], "\(subject)'s recurrent kernel")
        bias = try Shape((shape.joined == shape.gates ? [] : [2]) + [shape.gates], "\(subject)'s bias")
        let states = try Shape([input[0], layer.units], "\(subject)'s states")
        givesAll = layer.flags.contains(.returnSequences)
        isReversed = layer.flags.contains(.goBackwards)
        hasBias = !layer.flags.contains(.noBias)
        super.init(inputs: inputs, output: givesAll ? states : try Shape([layer.units], subject))
    }

    override var parameters: [ArrayDescription] {
        let first = ArrayDescription(
            name: "kernel", shape: kernel, initializer: layer.kernelInitializer, value: layer.kernelValue,
            fanIn: kernel[0], fanOut: kernel[1])
        let second = ArrayDescription(
            name: "recurrent_kernel", shape: recurrentKernel, initializer: layer.recurrentInitializer,
            value: layer.recurrentValue, fanIn: recurrentKernel[0], fanOut: recurrentKernel[1])
        var third = ArrayDescription(
            name: "bias", shape: bias, initializer: layer.biasInitializer, value: layer.biasValue, fanIn: bias[0],
            fanOut: bias.last)
        // Those of the gate that forgets, the second.
        if layer.flags.contains(.unitForgetBias) { third.ones = shape.units..<2 * shape.units }
        return hasBias ? [first, second, third] : [first, second]
    }

    override func savedCount(batch: Int) -> Int { shape.fixedCount + batch * shape.perSample }

    /// The recurrent kernel, and the bias behind it, or their gradients.
    private func second(_ parameters: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
        unsafe parameters + kernel.elementCount
    }
    private func third(_ parameters: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float>? {
        unsafe hasBias ? second(parameters) + recurrentKernel.elementCount : nil
    }

    private func recurrence(_ pass: ForwardPass) -> Recurrence {
        let bias = unsafe third(pass.parameters)
        return unsafe Recurrence(
            shape, batch: pass.batch, activation: layer.activation, gateActivation: layer.recurrentActivation,
            slope: Float(layer.slope), givesAll: givesAll, turnsOutput: layer.flags.contains(.inputOrder),
            isMasked: inputs.count > 1, hidesOutput: layer.flags.contains(.zeroHidden), memory: pass.saved,
            stateBias: bias.map { unsafe UnsafePointer($0 + shape.gates + shape.joined) })
    }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        let (gates, joined, units) = (shape.gates, shape.joined, shape.units)
        let second = unsafe parameters + kernel.elementCount
        let third = unsafe hasBias ? second + recurrentKernel.elementCount : nil
        let bias = CArray(gates + units) { place in
            guard let third = unsafe third else { return 0 }
            // Of a GRU's two those of gates that are joined are added up, and what is new has one of its own.
            if place >= gates { return joined < gates ? unsafe third[joined + place] : 0 }
            return unsafe third[place] + (place < joined && joined < gates ? third[gates + place] : 0)
        }
        let numbers = [
            shape.steps, shape.features, units, gates / units, Int(layer.activation.rawValue),
            Int(layer.recurrentActivation.rawValue), givesAll ? 1 : 0, isReversed ? 1 : 0,
            layer.flags.contains(.inputOrder) ? 1 : 0, layer.flags.contains(.zeroHidden) ? 1 : 0,
        ]
        let kernels = unsafe [
            CArray(parameters, kernel.elementCount), CArray(second, recurrentKernel.elementCount),
        ]
        let arrays = kernels + [bias, CArray([Float(layer.slope)])]
        return [CCall(.recur, reads: [0, inputs.count > 1 ? 1 : nil], numbers, arrays, room: 3 * units + gates)]
    }

    override func forward(_ pass: ForwardPass) {
        let recurrence = unsafe recurrence(pass)
        unsafe forEachRun(of: pass.batch) { count, inOrder, step, inSteps, stride in
            unsafe pass.execution.run(
                RowCopyRequest(
                    rows: count, width: shape.features, from: pass.input + inOrder, fromStride: step,
                    to: recurrence.inputs + inSteps, toStride: stride))
        }
        if inputs.count > 1 {
            let mask = unsafe pass.input(1)
            for sample in unsafe 0..<pass.batch {
                for step in 0..<shape.steps {
                    let place = sample * shape.steps + (isReversed ? shape.steps - 1 - step : step)
                    unsafe recurrence.mask[step * pass.batch + sample] = unsafe mask[place]
                }
            }
        }
        if let bias = unsafe third(pass.parameters) {
            for gate in 0..<shape.gates { unsafe recurrence.bias[gate] = unsafe bias[gate] }
            // Of a GRU's two those of gates that are joined are added up.
            if shape.joined < shape.gates {
                for gate in 0..<shape.joined { unsafe recurrence.bias[gate] += unsafe bias[shape.gates + gate] }
            }
        }
        unsafe pass.execution.multiply(
            MatrixProduct(
                rows: recurrence.rows, inner: shape.features, columns: shape.gates,
                left: Factor(base: recurrence.inputs, rowStride: shape.features, columnStride: 1),
                right: Factor(base: pass.parameters, rowStride: shape.gates, columnStride: 1), out: recurrence.gates,
                outStride: shape.gates, bias: hasBias ? UnsafePointer(recurrence.bias) : nil))
        unsafe pass.execution.recur(recurrence, weights: second(pass.parameters), output: pass.output)
    }

    override func backward(_ pass: BackwardPass) {
        let forward = unsafe pass.forward
        let execution = unsafe forward.execution
        let recurrence = unsafe recurrence(forward)
        unsafe execution.recurBack(recurrence, weights: second(forward.parameters), gradient: pass.gradient)
        if let out = unsafe pass.parameterGradients { unsafe addUp(execution, recurrence, to: out) }
        guard let out = unsafe pass.inputGradient else { return }
        unsafe execution.multiply(
            MatrixProduct(
                rows: recurrence.rows, inner: shape.gates, columns: shape.features,
                left: Factor(base: recurrence.gates, rowStride: shape.gates, columnStride: 1),
                right: Factor(base: forward.parameters, rowStride: 1, columnStride: shape.gates),
                out: recurrence.inputs, outStride: shape.features))
        unsafe forEachRun(of: forward.batch) { count, inOrder, step, inSteps, stride in
            unsafe execution.run(
                RowCopyRequest(
                    rows: count, width: shape.features, from: recurrence.inputs + inSteps, fromStride: stride,
                    to: out + inOrder, toStride: step))
        }
    }

    /// The gradients of weights: what they were applied to at all steps, times the gates' gradients.
    private func addUp(_ execution: Execution, _ recurrence: Recurrence, to out: UnsafeMutablePointer<Float>) {
        let (all, joined, units) = (shape.gates, shape.joined, shape.units)
        func multiply(
            _ read: UnsafeMutablePointer<Float>, _ width: Int, _ gradient: UnsafeMutablePointer<Float>, _ row: Int,
            _ columns: Int, to out: UnsafeMutablePointer<Float>
        ) {
            unsafe execution.multiply(
                MatrixProduct(
                    rows: width, inner: recurrence.rows, columns: columns,
                    left: Factor(base: read, rowStride: 1, columnStride: width),
                    right: Factor(base: gradient, rowStride: row, columnStride: 1), out: out, outStride: all))
        }
        unsafe multiply(recurrence.inputs, shape.features, recurrence.gates, all, all, to: out)
        unsafe multiply(recurrence.states, units, recurrence.gates, all, joined, to: second(out))
        let bias = unsafe third(out)
        if let bias = unsafe bias {
            unsafe execution.columnSums(rows: recurrence.rows, columns: all, x: recurrence.gates, out: bias)
        }
        if joined == all { return }
        unsafe multiply(recurrence.states, units, recurrence.kept, units, units, to: second(out) + joined)
        if let bias = unsafe bias {
            unsafe (bias + all).update(from: bias, count: joined)
            unsafe execution.columnSums(
                rows: recurrence.rows, columns: units, x: recurrence.kept, out: bias + all + joined)
        }
    }

    /// Calls `body` with runs of rows, by how many they are, where each begins and how far its rows are apart: in samples'
    /// order, sample by sample, and in that of steps. The fewer of samples and steps are the runs.
    private func forEachRun(
        of batch: Int, _ body: (_ count: Int, _ inOrder: Int, _ step: Int, _ inSteps: Int, _ stride: Int) -> Void
    ) {
        let (steps, width) = (shape.steps, shape.features)
        func place(_ step: Int) -> Int { (isReversed ? steps - 1 - step : step) * width }
        if batch < steps {
            for sample in 0..<batch {
                let first = sample * steps * width + place(0)
                body(steps, first, isReversed ? -width : width, sample * width, batch * width)
            }
        } else {
            for step in 0..<steps { body(batch, place(step), steps * width, step * batch * width, width) }
        }
    }
}
