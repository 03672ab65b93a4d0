// y = sum over a window of x kernel, + bias, for each filter: a cross-correlation, as every library calls convolution.
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
