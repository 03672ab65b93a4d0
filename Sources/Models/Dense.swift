// y = x kernel + bias over the last size; what stands before it counts as more samples.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class Dense: Operation {
    private let inputs: Int
    private let units: Int
    private let hasBias: Bool
    private let layer: Layer
    private let kernel: Shape
    private let bias: Shape
    private var epilogue = Epilogue.none

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        self.layer = layer
        inputs = input.last
        units = layer.units
        hasBias = !layer.flags.contains(.noBias)
        kernel = try Shape([inputs, units], "\(subject)'s kernel")
        bias = try Shape([units], "\(subject)'s bias")
        super.init(input: input, output: try input.replacingLast(with: units, "\(subject)'s output"))
    }

    override var parameters: [ArrayDescription] {
        let first = ArrayDescription(
            name: "kernel", shape: kernel, initializer: layer.kernelInitializer, value: layer.kernelValue,
            fanIn: inputs, fanOut: units)
        let second = ArrayDescription(
            name: "bias", shape: bias, initializer: layer.biasInitializer, value: layer.biasValue, fanIn: units,
            fanOut: units)
        return hasBias ? [first, second] : [first]
    }

    override var needsInput: Bool { true }

    override func fuse(_ activation: Activation) -> Bool {
        if activation == .relu { epilogue = .relu }
        return activation == .relu
    }

    private func rows(_ batch: Int) -> Int { batch * input.outerCount }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.execution.multiply(
            MatrixProduct(
                rows: rows(pass.batch), inner: inputs, columns: units,
                left: Factor(base: pass.input, rowStride: inputs, columnStride: 1),
                right: Factor(base: pass.parameters, rowStride: units, columnStride: 1),
                out: pass.output, outStride: units, bias: hasBias ? pass.parameters + inputs * units : nil,
                epilogue: epilogue, accumulates: false))
    }

    override func backward(_ pass: BackwardPass) {
        let forward = unsafe pass.forward
        let rows = unsafe rows(forward.batch)
        unsafe forward.execution.multiply(
            MatrixProduct(
                rows: inputs, inner: rows, columns: units,
                left: Factor(base: forward.input, rowStride: 1, columnStride: inputs),
                right: Factor(base: pass.gradient, rowStride: units, columnStride: 1),
                out: pass.parameterGradients, outStride: units, bias: nil, epilogue: .none, accumulates: false))
        if hasBias {
            unsafe forward.execution.columnSums(
                rows: rows, columns: units, x: pass.gradient, out: pass.parameterGradients + inputs * units)
        }
        guard let inputGradient = unsafe pass.inputGradient else { return }
        unsafe forward.execution.multiply(
            MatrixProduct(
                rows: rows, inner: units, columns: inputs,
                left: Factor(base: pass.gradient, rowStride: units, columnStride: 1),
                right: Factor(base: forward.parameters, rowStride: 1, columnStride: units),
                out: inputGradient, outStride: inputs, bias: nil, epilogue: .none, accumulates: false))
    }
}
