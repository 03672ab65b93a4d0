// Sequences read step by step: each step gives a state, of what it reads and of the state before. The products of all steps'
// inputs are one product, and so are the gradients of weights; what steps do one after another is the kernels'.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class Recurrent: Operation {
    private let layer: Layer
    private let sizes: RecurrentShape
    private let kernel: Shape
    private let recurrentKernel: Shape
    private let bias: Shape
    private let givesAll: Bool
    private let isReversed: Bool

    init(_ cell: RecurrentCell, _ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        guard input.rank == 2 else {
            throw MartletError(.shape, "\(subject)'s input is \(input); expected (steps, features)")
        }
        self.layer = layer
        sizes = RecurrentShape(cell, steps: input[0], features: input[1], units: layer.units)
        kernel = try Shape([input[1], sizes.gates], "\(subject)'s kernel")
        recurrentKernel = try Shape([layer.units, sizes.gates], "\(subject)'s recurrent kernel")
        bias = try Shape([sizes.gates], "\(subject)'s bias")
        let states = try Shape([input[0], layer.units], "\(subject)'s states")
        givesAll = layer.flags.contains(.returnSequences)
        isReversed = layer.flags.contains(.goBackwards)
        super.init(inputs: [input], output: givesAll ? states : try Shape([layer.units], subject))
    }

    private var hasBias: Bool { !layer.flags.contains(.noBias) }

    override var parameters: [ArrayDescription] {
        let first = ArrayDescription(
            name: "kernel", shape: kernel, initializer: layer.kernelInitializer, value: layer.kernelValue,
            fanIn: kernel[0], fanOut: kernel[1])
        let second = ArrayDescription(
            name: "recurrent_kernel", shape: recurrentKernel, initializer: layer.recurrentInitializer,
            value: layer.recurrentValue, fanIn: recurrentKernel[0], fanOut: recurrentKernel[1])
        var third = ArrayDescription(
            name: "bias", shape: bias, initializer: layer.biasInitializer, value: layer.biasValue, fanIn: bias.last,
            fanOut: bias.last)
        // Those of the gate that forgets, the second.
        if layer.flags.contains(.unitForgetBias) { third.ones = sizes.units..<2 * sizes.units }
        return hasBias ? [first, second, third] : [first, second]
    }

    override func savedCount(batch: Int) -> Int { sizes.panelCount + batch * sizes.perSample }

    private func recurrence(_ pass: ForwardPass) -> Recurrence {
        unsafe Recurrence(
            sizes, batch: pass.batch, activation: layer.activation, gateActivation: layer.recurrentActivation,
            slope: Float(layer.slope), givesAll: givesAll, memory: pass.saved)
    }

    override func forward(_ pass: ForwardPass) {
        let recurrence = unsafe recurrence(pass)
        let weights = unsafe pass.parameters + kernel.elementCount
        unsafe forEachRun(of: pass.batch) { count, inOrder, step, inSteps, stride in
            unsafe pass.execution.run(
                RowCopyRequest(
                    rows: count, width: sizes.features, from: pass.input + inOrder, fromStride: step,
                    to: recurrence.inputs + inSteps, toStride: stride))
        }
        unsafe pass.execution.multiply(
            MatrixProduct(
                rows: recurrence.rows, inner: sizes.features, columns: sizes.gates,
                left: Factor(base: recurrence.inputs, rowStride: sizes.features, columnStride: 1),
                right: Factor(base: pass.parameters, rowStride: sizes.gates, columnStride: 1), out: recurrence.gates,
                outStride: sizes.gates,
                bias: hasBias ? UnsafePointer(weights + recurrentKernel.elementCount) : nil))
        unsafe pass.execution.recur(recurrence, weights: weights, output: pass.output)
    }

    override func backward(_ pass: BackwardPass) {
        let forward = unsafe pass.forward
        let execution = unsafe forward.execution
        let recurrence = unsafe recurrence(forward)
        unsafe execution.recurBack(
            recurrence, weights: forward.parameters + kernel.elementCount, gradient: pass.gradient)
        if let out = unsafe pass.parameterGradients {
            unsafe addUp(execution, recurrence, recurrence.inputs, sizes.features, to: out)
            let second = unsafe out + kernel.elementCount
            unsafe addUp(execution, recurrence, recurrence.states, sizes.units, to: second)
            if hasBias {
                unsafe execution.columnSums(
                    rows: recurrence.rows, columns: sizes.gates, x: recurrence.gates,
                    out: second + recurrentKernel.elementCount)
            }
        }
        guard let out = unsafe pass.inputGradient else { return }
        unsafe execution.multiply(
            MatrixProduct(
                rows: recurrence.rows, inner: sizes.gates, columns: sizes.features,
                left: Factor(base: recurrence.gates, rowStride: sizes.gates, columnStride: 1),
                right: Factor(base: forward.parameters, rowStride: 1, columnStride: sizes.gates),
                out: recurrence.inputs, outStride: sizes.features))
        unsafe forEachRun(of: forward.batch) { count, inOrder, step, inSteps, stride in
            unsafe execution.run(
                RowCopyRequest(
                    rows: count, width: sizes.features, from: recurrence.inputs + inSteps, fromStride: stride,
                    to: out + inOrder, toStride: step))
        }
    }

    /// The gradient of weights: what they were applied to at all steps, times the gates' gradients.
    private func addUp(
        _ execution: Execution, _ recurrence: Recurrence, _ read: UnsafeMutablePointer<Float>, _ width: Int,
        to out: UnsafeMutablePointer<Float>
    ) {
        unsafe execution.multiply(
            MatrixProduct(
                rows: width, inner: recurrence.rows, columns: sizes.gates,
                left: Factor(base: read, rowStride: 1, columnStride: width),
                right: Factor(base: recurrence.gates, rowStride: sizes.gates, columnStride: 1), out: out,
                outStride: sizes.gates))
    }

    /// Calls `body` with runs of rows, by how many they are, where each begins and how far its rows are apart: in samples'
    /// order, sample by sample, and in that of steps. The fewer of samples and steps are the runs.
    private func forEachRun(
        of batch: Int, _ body: (_ count: Int, _ inOrder: Int, _ step: Int, _ inSteps: Int, _ stride: Int) -> Void
    ) {
        let (steps, width) = (sizes.steps, sizes.features)
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
