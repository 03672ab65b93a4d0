// Windows of an image made one number, each channel apart: the largest, the mean, or the mean of the whole image.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// The largest of each window. Which element that was is kept, so neither input nor output is needed again.
final class MaxPooling: Operation {
    private let window: ImageWindow

    /// Whether the window is the whole of a sequence, of which each channel has one largest element.
    var isOfSequences: Bool {
        window.height == 1 && window.kernelWidth == window.width && output.elementCount == input.last
    }

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        window = try ImageWindow(layer, input: input, subject)
        // Places in an image are kept in 32 bits.
        guard input.elementCount <= 1 << 31 else {
            throw MartletError(.shape, "\(subject)'s input is \(input); expected 2^31 elements at most")
        }
        super.init(
            inputs: [input], output: try layer.pooled(window, input.last, subject))
    }

    override func savedCount(batch: Int) -> Int { batch * output.elementCount }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        [CCall(.maxPool, window.numbers)]
    }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.saved.withMemoryRebound(to: Int32.self, capacity: savedCount(batch: pass.batch)) { places in
            unsafe pass.execution.run(
                MaxPoolRequest(window.over(pass.batch), image: pass.input, out: pass.output, places: places))
        }
    }

    override func backward(_ pass: BackwardPass) {
        guard let inputGradient = unsafe pass.inputGradient else { return }
        let forward = unsafe pass.forward
        unsafe forward.saved.withMemoryRebound(to: Int32.self, capacity: savedCount(batch: forward.batch)) { places in
            unsafe forward.execution.run(
                MaxPoolBackwardRequest(
                    window.over(forward.batch), gradient: pass.gradient, places: places, imageGradient: inputGradient))
        }
    }
}

/// The mean of each window.
final class AveragePooling: Operation {
    private let window: ImageWindow
    private let countsPadding: Bool

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        window = try ImageWindow(layer, input: input, subject)
        countsPadding = layer.flags.contains(.countPadding)
        super.init(
            inputs: [input], output: try layer.pooled(window, input.last, subject))
    }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        [CCall(.averagePool, window.numbers + [countsPadding ? 1 : 0])]
    }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.execution.run(
            AveragePoolRequest(
                window.over(pass.batch), countsPadding: countsPadding, image: pass.input, out: pass.output))
    }

    override func backward(_ pass: BackwardPass) {
        guard let inputGradient = unsafe pass.inputGradient else { return }
        let forward = unsafe pass.forward
        unsafe forward.execution.run(
            AveragePoolBackwardRequest(
                window.over(forward.batch), countsPadding: countsPadding, gradient: pass.gradient,
                imageGradient: inputGradient))
    }
}

/// The mean of each channel.
final class GlobalAveragePooling: Operation {
    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        _ = try layer.images(input, subject)
        super.init(inputs: [input], output: try Shape([input.last], "\(subject)'s output"))
    }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        let places = input.outerCount
        return [CCall(.averagePool, [1, places, input.last, 1, 1, 1, places, 1, 1, 1, 1, 0, 0, 0])]
    }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.execution.run(
            GlobalAverageRequest(
                batch: pass.batch, places: input.outerCount, channels: input.last, image: pass.input, out: pass.output))
    }

    override func backward(_ pass: BackwardPass) {
        guard let inputGradient = unsafe pass.inputGradient else { return }
        let forward = unsafe pass.forward
        unsafe forward.execution.run(
            GlobalAverageBackwardRequest(
                batch: forward.batch, places: input.outerCount, channels: input.last, gradient: pass.gradient,
                imageGradient: inputGradient))
    }
}

extension Layer {
    /// The shape of what a pool gives: of the whole image, or sequence, one number for each channel.
    fileprivate func pooled(_ window: ImageWindow, _ channels: Int, _ subject: String) throws(MartletError) -> Shape {
        let isGlobal = kind == .globalMaxPool1D || kind == .globalMaxPool2D
        return try Shape(
            (isGlobal ? [] : windowSizes(window.outHeight, window.outWidth)) + [channels], "\(subject)'s output")
    }
}
