// y = sum over a window of x kernel, + bias, for each filter: a cross-correlation, as every library calls convolution.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class Convolution: Operation {
    private let window: ImageWindow
    private let filters: Int
    private let groups: Int
    private let hasBias: Bool
    private let layer: Layer
    private let kernel: Shape
    private let bias: Shape
    private var epilogue = Epilogue.none

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        self.layer = layer
        window = try ImageWindow(layer, input: input, subject)
        filters = layer.units
        groups = layer.groups
        hasBias = !layer.flags.contains(.noBias)
        guard input.last % groups == 0 else {
            throw MartletError(
                .shape, "\(subject)'s input has \(input.last) channels; expected a multiple of groups, \(groups)")
        }
        kernel = try Shape(
            [layer.kernel.height, layer.kernel.width, input.last / groups, filters], "\(subject)'s kernel")
        bias = try Shape([filters], "\(subject)'s bias")
        let output = try Shape([window.outHeight, window.outWidth, filters], "\(subject)'s output")
        super.init(input: input, output: output)
    }

    override var parameters: [ArrayDescription] {
        let area = kernel[0] * kernel[1]
        let first = ArrayDescription(
            name: "kernel", shape: kernel, initializer: layer.kernelInitializer, value: layer.kernelValue,
            fanIn: area * kernel[2], fanOut: area * filters)
        let second = ArrayDescription(
            name: "bias", shape: bias, initializer: layer.biasInitializer, value: layer.biasValue, fanIn: filters,
            fanOut: filters)
        return hasBias ? [first, second] : [first]
    }

    override var needsInput: Bool { true }

    override func fuse(_ activation: Activation) -> Bool {
        if activation == .relu { epilogue = .relu }
        return activation == .relu
    }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.execution.convolve(
            window.over(pass.batch), filters: filters, groups: groups, image: pass.input, weights: pass.parameters,
            bias: hasBias ? pass.parameters + kernel.elementCount : nil, epilogue: epilogue, out: pass.output)
    }

    override func backward(_ pass: BackwardPass) {
        let forward = unsafe pass.forward
        let window = unsafe window.over(forward.batch)
        unsafe forward.execution.convolveBackward(
            weightsOf: window, filters: filters, groups: groups, image: forward.input, gradient: pass.gradient,
            weightGradient: pass.parameterGradients)
        if hasBias {
            unsafe forward.execution.columnSums(
                rows: window.batch * window.outHeight * window.outWidth, columns: filters, x: pass.gradient,
                out: pass.parameterGradients + kernel.elementCount)
        }
        guard let inputGradient = unsafe pass.inputGradient else { return }
        unsafe forward.execution.convolveBackward(
            inputOf: window, filters: filters, groups: groups, gradient: pass.gradient, weights: forward.parameters,
            imageGradient: inputGradient)
    }
}
