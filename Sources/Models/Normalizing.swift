// Each channel brought to mean 0 and deviation 1: by the batch's own statistics and learned ones (batch normalization),
// or by numbers that training leaves alone.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// y = scale (x - mean) / sqrt(variance + epsilon) + shift.
final class BatchNorm: Operation {
    private let layer: Layer
    private let channels: Shape
    private let hasScale: Bool
    private let hasShift: Bool

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        self.layer = layer
        channels = try Shape([input.last], subject)
        hasScale = !layer.flags.contains(.noScale)
        hasShift = !layer.flags.contains(.noBias)
        super.init(inputs: [input], output: input)
    }

    override var parameters: [ArrayDescription] {
        let scale = ArrayDescription(name: "gamma", shape: channels, initializer: .constant, value: 1)
        let shift = ArrayDescription(name: "beta", shape: channels)
        return (hasScale ? [scale] : []) + (hasShift ? [shift] : [])
    }

    override var statistics: [ArrayDescription] {
        [
            ArrayDescription(name: "moving_mean", shape: channels),
            ArrayDescription(name: "moving_variance", shape: channels, initializer: .constant, value: 1),
        ]
    }

    /// Whether it takes the moving statistics in training too, and leaves them as they are.
    private var isFrozen: Bool { layer.flags.contains(.frozen) }

    override var needsInput: Bool { true }
    override var gradientRunsInPlace: Bool { true }
    override var givesInputGradient: Bool { true }
    override func savedCount(batch: Int) -> Int { 2 * input.last }

    private func scale(_ base: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float>? {
        unsafe hasScale ? base : nil
    }

    private func shift(_ base: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float>? {
        unsafe hasShift ? base + (hasScale ? input.last : 0) : nil
    }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        let (channels, epsilon) = (input.last, Float(layer.epsilon))
        let scale = unsafe hasScale ? parameters : nil
        let shift = unsafe hasShift ? parameters + (hasScale ? channels : 0) : nil
        let factors = CArray(channels) { channel in
            unsafe (scale.map { unsafe $0[channel] } ?? 1) / (statistics[channels + channel] + epsilon).squareRoot()
        }
        let arrays = unsafe [CArray(statistics, channels), factors, CArray(shift, channels)]
        return [CCall(.standardize, [input.outerCount, channels], arrays)]
    }

    override func forward(_ pass: ForwardPass) {
        let rows = unsafe pass.batch * input.outerCount
        if unsafe pass.isTraining && !isFrozen {
            unsafe pass.execution.batchNorm(
                rows: rows, channels: input.last, momentum: layer.momentum, epsilon: Float(layer.epsilon),
                unbiased: layer.flags.contains(.unbiasedVariance), x: pass.input,
                scale: scale(pass.parameters).map { unsafe UnsafePointer($0) },
                shift: shift(pass.parameters).map { unsafe UnsafePointer($0) }, moving: pass.statistics,
                saved: pass.saved, y: pass.output)
        } else {
            unsafe pass.execution.run(
                BatchNormApplyRequest(
                    rows: rows, channels: input.last, statistics: pass.statistics, epsilon: Float(layer.epsilon),
                    x: pass.input, scale: scale(pass.parameters).map { unsafe UnsafePointer($0) },
                    shift: shift(pass.parameters).map { unsafe UnsafePointer($0) }, y: pass.output))
        }
        if unsafe pass.isTraining && isFrozen { unsafe keepFactors(pass) }
    }

    /// The numbers that a frozen layer multiplies each channel by, which its gradient is multiplied by too.
    private func keepFactors(_ pass: ForwardPass) {
        for channel in 0..<input.last {
            let variance = unsafe pass.statistics[input.last + channel]
            let scale = unsafe scale(pass.parameters).map { unsafe $0[channel] } ?? 1
            unsafe pass.saved[channel] = scale / (variance + Float(layer.epsilon)).squareRoot()
        }
    }

    override func backward(_ pass: BackwardPass) {
        let forward = unsafe pass.forward
        if isFrozen {
            unsafe forward.execution.run(
                NormalizationRequest(
                    rows: forward.batch * input.outerCount, columns: input.last, mean: nil, factor: forward.saved,
                    x: pass.gradient, y: pass.inputGradient ?? pass.gradient))
            return
        }
        let gradients = unsafe pass.parameterGradients
        unsafe forward.execution.batchNormBackward(
            rows: forward.batch * input.outerCount, channels: input.last, x: forward.input,
            scale: scale(forward.parameters).map { unsafe UnsafePointer($0) }, saved: forward.saved,
            gradient: pass.gradient, scaleGradient: gradients.flatMap { unsafe scale($0) },
            shiftGradient: gradients.flatMap { unsafe shift($0) }, out: pass.inputGradient ?? pass.gradient)
    }
}

/// y = (x - mean) factor.
final class Normalization: Operation {
    private let channels: Shape

    init(input: Shape, _ subject: String) throws(MartletError) {
        channels = try Shape([input.last], subject)
        super.init(inputs: [input], output: input)
    }

    override var statistics: [ArrayDescription] {
        [
            ArrayDescription(name: "mean", shape: channels),
            ArrayDescription(name: "factor", shape: channels, initializer: .constant, value: 1),
        ]
    }

    override var gradientRunsInPlace: Bool { true }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        let channels = input.last
        let arrays = unsafe [
            CArray(statistics, channels), CArray(statistics + channels, channels), CArray(nil, channels),
        ]
        return [CCall(.standardize, [input.outerCount, channels], arrays)]
    }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.execution.run(
            NormalizationRequest(
                rows: pass.batch * input.outerCount, columns: input.last, mean: pass.statistics,
                factor: pass.statistics + input.last, x: pass.input, y: pass.output))
    }

    override func backward(_ pass: BackwardPass) {
        guard let out = unsafe pass.inputGradient else { return }
        let forward = unsafe pass.forward
        unsafe forward.execution.run(
            NormalizationRequest(
                rows: forward.batch * input.outerCount, columns: input.last, mean: nil,
                factor: forward.statistics + input.last, x: pass.gradient, y: out))
    }
}
