// y = sum over a window of x kernel, + bias, for each filter: a cross-correlation, as every library calls convolution; of each
// channel by itself; and transposed, where each pixel adds its share to a window.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class Convolution: Weighted {
    private let window: ImageWindow
    private let groups: Int

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        window = try ImageWindow(layer, input: input, subject)
        groups = layer.groups
        guard input.last % groups == 0 else {
            throw MartletError(
                .shape, "\(subject)'s input has \(input.last) channels; expected a multiple of groups, \(groups)")
        }
        try super.init(
            layer,
            kernel: layer.windowSizes(window.kernelHeight, window.kernelWidth) + [input.last / groups, layer.units],
            input: input,
            output: Shape(
                layer.windowSizes(window.outHeight, window.outWidth) + [layer.units], "\(subject)'s output"), subject)
    }

    /// Whether the gradients of its largest outputs alone cost less by themselves: windows over sequences whose taps are
    /// neighbours, and many of them.
    var takesPeaks: Bool {
        let isNarrow = window.height == 1 && window.kernelHeight == 1 && window.dilationWidth == 1
        let fits = unsafe PeakWeightsRequest.fits(window, filters: units)
        return unsafe isNarrow && fits && groups == 1 && window.outWidth >= 8
            && 4 * units * window.partCount <= Execution.sharedByteCount
    }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        let own = input.last / groups
        return [
            unsafe CCall(window: window.numbers, filters: units, groups: groups, bias: bias(behind: parameters)) {
                [units] (tap, channel, filter) in unsafe parameters[(tap * own + channel) * units + filter]
            }
        ]
    }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.execution.convolve(
            window.over(pass.batch), filters: units, groups: groups, image: pass.input, weights: pass.parameters,
            bias: bias(pass.parameters).map { unsafe UnsafePointer($0) }, epilogue: epilogue, out: pass.output)
    }

    override func backward(_ pass: BackwardPass) {
        let forward = unsafe pass.forward
        let window = unsafe window.over(forward.batch)
        if let peaks = unsafe pass.peaks {
            let found = unsafe Peaks(
                window, filters: units, gradient: pass.gradient, rectified: epilogue == .relu ? peaks.outputs : nil,
                places: peaks.places)
            return unsafe backward(pass, found)
        }
        if let kernelGradient = unsafe pass.parameterGradients {
            unsafe forward.execution.convolveBackward(
                weightsOf: window, filters: units, groups: groups, image: forward.input, gradient: pass.gradient,
                weightGradient: kernelGradient)
        }
        unsafe biasBackward(pass, rows: window.batch * window.outHeight * window.outWidth)
        guard let inputGradient = unsafe pass.inputGradient else { return }
        unsafe forward.execution.convolveBackward(
            inputOf: window, filters: units, groups: groups, gradient: pass.gradient, weights: forward.parameters,
            imageGradient: inputGradient)
    }

    private func backward(_ pass: BackwardPass, _ peaks: Peaks) {
        let forward = unsafe pass.forward
        if let gradients = unsafe pass.parameterGradients {
            unsafe forward.execution.run(
                PeakWeightsRequest(
                    peaks, image: forward.input, weightGradient: gradients, biasGradient: bias(gradients)))
        }
        guard let inputGradient = unsafe pass.inputGradient else { return }
        // A row for each filter.
        let turned = unsafe forward.execution.shared
        unsafe forward.execution.run(
            TurnRequest(
                rows: window.partCount, columns: units, from: forward.parameters, fromDouble: false, fromStride: units,
                to: turned, toDouble: false, toStride: window.partCount, turns: true, scale: 1))
        unsafe forward.execution.run(
            PeakImageRequest(
                peaks, weights: turned.assumingMemoryBound(to: Float.self), imageGradient: inputGradient))
    }
}

/// Each channel by itself, with `units` filters of its own. Those of one filter have kernels of their own; others are
/// convolutions of as many groups as there are channels.
final class DepthwiseConvolution: Weighted {
    private let window: ImageWindow

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        window = try ImageWindow(layer, input: input, subject)
        try super.init(
            layer, kernel: [window.kernelHeight, window.kernelWidth, input.last, layer.units], input: input,
            output: Shape(
                [window.outHeight, window.outWidth, input.last * layer.units], "\(subject)'s output"), subject)
    }

    private var isPlain: Bool {
        units == window.channels && window.kernelHeight * window.kernelWidth <= (unsafe DepthwiseRequest.mostTaps)
    }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        let arrays = unsafe [
            CArray(parameters, units * window.kernelHeight * window.kernelWidth),
            CArray(bias(behind: parameters), units),
        ]
        return [CCall(.depthwise, window.numbers + [units], arrays)]
    }

    override func forward(_ pass: ForwardPass) {
        let window = unsafe window.over(pass.batch)
        let bias = unsafe bias(pass.parameters).map { unsafe UnsafePointer($0) }
        if isPlain {
            unsafe pass.execution.run(
                DepthwiseRequest(
                    window, isBackward: false, image: pass.input, weights: pass.parameters, bias: bias,
                    epilogue: epilogue, out: pass.output))
        } else {
            unsafe pass.execution.convolve(
                window, filters: units, groups: window.channels, image: pass.input, weights: pass.parameters,
                bias: bias,
                epilogue: epilogue, out: pass.output)
        }
    }

    override func backward(_ pass: BackwardPass) {
        let forward = unsafe pass.forward
        let execution = unsafe forward.execution
        let window = unsafe window.over(forward.batch)
        if let out = unsafe pass.parameterGradients {
            if isPlain {
                unsafe execution.run(
                    DepthwiseWeightsRequest(
                        window, image: forward.input, gradient: pass.gradient, weightGradient: out))
            } else {
                unsafe execution.convolveBackward(
                    weightsOf: window, filters: units, groups: window.channels, image: forward.input,
                    gradient: pass.gradient, weightGradient: out)
            }
        }
        unsafe biasBackward(pass, rows: window.positions)
        guard let out = unsafe pass.inputGradient else { return }
        if isPlain {
            unsafe execution.run(
                DepthwiseRequest(
                    window, isBackward: true, image: pass.gradient, weights: forward.parameters, bias: nil,
                    epilogue: .none, out: out))
        } else {
            unsafe execution.convolveBackward(
                inputOf: window, filters: units, groups: window.channels, gradient: pass.gradient,
                weights: forward.parameters, imageGradient: out)
        }
    }
}

/// The gradient of a convolution's image, taken forward: the window slides over the output, and the input is what it gives.
final class TransposedConvolution: Weighted {
    private let window: ImageWindow

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        window = try ImageWindow(transposed: layer, input: input, subject)
        try super.init(
            layer, kernel: [window.kernelHeight, window.kernelWidth, layer.units, input.last], input: input,
            output: Shape([window.height, window.width, layer.units], "\(subject)'s output"), subject)
    }

    override func fuse(_ activation: Activation) -> Bool { false }
    /// The bias with its sign changed, and ones.
    override func savedCount(batch: Int) -> Int { 2 * units }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        var numbers = window.numbers
        // It slides over the output.
        (numbers[0], numbers[1], numbers[2]) = (window.outHeight, window.outWidth, input.last)
        (numbers[3], numbers[4]) = (window.height, window.width)
        return [
            unsafe CCall(window: numbers, filters: units, isTransposed: true, bias: bias(behind: parameters)) {
                [units, input] (tap, channel, filter) in
                unsafe parameters[(tap * units + filter) * input.last + channel]
            }
        ]
    }

    override func forward(_ pass: ForwardPass) {
        let window = unsafe window.over(pass.batch)
        unsafe pass.execution.convolveBackward(
            inputOf: window, filters: input.last, groups: 1, gradient: pass.input, weights: pass.parameters,
            imageGradient: pass.output)
        guard let bias = unsafe bias(pass.parameters) else { return }
        let saved = unsafe pass.saved
        for unit in 0..<units { unsafe (saved[unit], saved[units + unit]) = unsafe (-bias[unit], 1) }
        unsafe pass.execution.run(
            NormalizationRequest(
                rows: window.batch * window.height * window.width, columns: units, mean: saved, factor: saved + units,
                x: pass.output, y: pass.output))
    }

    override func backward(_ pass: BackwardPass) {
        let forward = unsafe pass.forward
        let window = unsafe window.over(forward.batch)
        if let out = unsafe pass.parameterGradients {
            unsafe forward.execution.convolveBackward(
                weightsOf: window, filters: input.last, groups: 1, image: pass.gradient, gradient: forward.input,
                weightGradient: out)
        }
        unsafe biasBackward(pass, rows: window.batch * window.height * window.width)
        guard let out = unsafe pass.inputGradient else { return }
        unsafe forward.execution.convolve(
            window, filters: input.last, groups: 1, image: pass.gradient, weights: forward.parameters, bias: nil,
            epilogue: .none, out: out)
    }
}
