// The mean of each channel over the steps of a sequence that are seen; 0 where none is.
import MartletCompute
import MartletPlatform

final class MaskedAverage: Operation {
    /// - Parameter inputs: of the sequence and its mask.
    init(inputs: [Shape], _ subject: String) throws(MartletError) {
        super.init(inputs: inputs, output: try Shape([inputs[0].last], "\(subject)'s output"))
    }

    override var needsInput: Bool { true }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.output.update(repeating: 0, count: pass.batch * input.last)
        unsafe forEachStep(pass) { from, to, share in
            if share > 0 { unsafe pass.output[to] += unsafe pass.input[from] * share }
        }
    }

    override func backward(_ pass: BackwardPass) {
        guard let out = unsafe pass.inputGradient else { return }
        unsafe forEachStep(pass.forward) { to, from, share in
            unsafe out[to] = unsafe share > 0 ? pass.gradient[from] * share : 0
        }
    }

    /// Calls `body` with each element's place in the sequences, in the means, and its share in these.
    private func forEachStep(_ pass: ForwardPass, _ body: (Int, Int, Float) -> Void) {
        let (steps, width) = (input[0], input.last)
        for sample in unsafe 0..<pass.batch {
            let mask = unsafe pass.input(1) + sample * steps
            var seen = 0
            for step in 0..<steps where unsafe mask[step] != 0 { seen += 1 }
            for step in 0..<steps {
                let share = unsafe mask[step] == 0 ? 0 : 1 / Float(seen)
                for channel in 0..<width {
                    body((sample * steps + step) * width + channel, sample * width + channel, share)
                }
            }
        }
    }
}
