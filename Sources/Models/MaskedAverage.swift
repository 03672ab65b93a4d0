// The mean of each channel over the steps of a sequence that are seen; 0 where none is.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class MaskedAverage: Operation {
    /// - Parameter inputs: of the sequence and its mask.
    init(inputs: [Shape], _ subject: String) throws(MartletError) {
        super.init(inputs: inputs, output: try Shape([inputs[0].last], "\(subject)'s output"))
    }

    override var needsInput: Bool { true }

    /// The steps of a sample, its mask, and one over how many are seen, or 0.
    private func seen(_ pass: ForwardPass, _ sample: Int) -> (mask: UnsafePointer<Float>, share: Float) {
        let mask = unsafe pass.input(1) + sample * input[0]
        var count = 0
        for step in 0..<input[0] where unsafe mask[step] != 0 { count += 1 }
        return unsafe (mask, count == 0 ? 0 : 1 / Float(count))
    }

    override func forward(_ pass: ForwardPass) {
        let width = input.last
        for sample in unsafe 0..<pass.batch {
            let (mask, share) = unsafe seen(pass, sample)
            let (steps, out) = unsafe (pass.input + sample * input.elementCount, pass.output + sample * width)
            unsafe out.update(repeating: 0, count: width)
            for step in 0..<input[0] where unsafe mask[step] != 0 {
                unsafe pass.execution.run(CombinationRequest(.sum, count: width, out, steps + step * width, out: out))
            }
            unsafe pass.execution.run(CombinationRequest(.affine, count: width, out, out, out: out, first: share))
        }
    }

    override func backward(_ pass: BackwardPass) {
        guard let gradients = unsafe pass.inputGradient else { return }
        let (forward, width) = unsafe (pass.forward, input.last)
        for sample in unsafe 0..<forward.batch {
            let (mask, share) = unsafe seen(forward, sample)
            let gradient = unsafe pass.gradient + sample * width
            for step in 0..<input[0] {
                let out = unsafe gradients + sample * input.elementCount + step * width
                if unsafe mask[step] == 0 {
                    unsafe out.update(repeating: 0, count: width)
                } else {
                    unsafe forward.execution.run(
                        CombinationRequest(.affine, count: width, gradient, gradient, out: out, first: share))
                }
            }
        }
    }
}
