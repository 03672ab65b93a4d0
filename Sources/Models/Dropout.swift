// Elements set to 0, or blurred, at random in training. The mask is not kept: the random numbers are those of a counter, so the
// backward pass draws the same again.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class Dropout: Operation {
    private let rate: Float
    /// Which of the model's operations this is, so that each has a mask of its own.
    private let stream: UInt64

    init(_ layer: Layer, input: Shape, stream: Int) {
        rate = Float(layer.rate)
        self.stream = UInt64(stream)
        super.init(inputs: [input], output: input)
    }

    override var isView: Bool { rate == 0 }
    override var runsInPlace: Bool { true }
    override var gradientRunsInPlace: Bool { true }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        [CCall(.copy, [input.elementCount])]
    }

    override func forward(_ pass: ForwardPass) {
        let count = unsafe pass.batch * input.elementCount
        if unsafe pass.isTraining {
            unsafe pass.execution.run(
                DropoutRequest(
                    count: count, rate: rate, key: pass.key(stream), step: pass.step, x: pass.input, y: pass.output))
        } else {
            unsafe pass.copyInput(count)
        }
    }

    override func backward(_ pass: BackwardPass) {
        guard let out = unsafe pass.inputGradient else { return }
        let forward = unsafe pass.forward
        unsafe forward.execution.run(
            DropoutRequest(
                count: forward.batch * input.elementCount, rate: rate, key: forward.key(stream), step: forward.step,
                x: pass.gradient, y: out))
    }
}

/// x + a number of the normal distribution in training.
final class GaussianNoise: Operation {
    private let deviation: Float
    private let stream: UInt64

    init(_ layer: Layer, input: Shape, stream: Int) {
        deviation = Float(layer.rate)
        self.stream = UInt64(stream)
        super.init(inputs: [input], output: input)
    }

    override var isView: Bool { deviation == 0 }
    override var runsInPlace: Bool { true }
    override var passesGradientOn: Bool { true }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        [CCall(.copy, [input.elementCount])]
    }

    override func forward(_ pass: ForwardPass) {
        let count = unsafe pass.batch * input.elementCount
        if unsafe pass.isTraining {
            unsafe pass.execution.run(
                NoiseRequest(
                    count: count, deviation: deviation, key: pass.key(stream), step: pass.step, x: pass.input,
                    y: pass.output))
        } else {
            unsafe pass.copyInput(count)
        }
    }
}

extension ForwardPass {
    /// One key of random numbers for each seed and operation: SplitMix64's odd constant spreads the latter over the word.
    func key(_ stream: UInt64) -> UInt64 { unsafe seed &+ (stream &+ 1) &* 0x9E37_79B9_7F4A_7C15 }

    /// The output is the input, where it does not lie there.
    func copyInput(_ count: Int) {
        if unsafe input != UnsafePointer(output) { unsafe output.update(from: input, count: count) }
    }
}
