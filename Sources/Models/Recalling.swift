// Attention along sequences that a model is run along: of the steps of a call, which may see those of the calls before, whose
// keys and values are kept.
import MartletCompute
import MartletPlatform

final class RecallingAttention: Operation {
    private let course: Course
    private let heads: Int
    /// Of each sequence all steps there may be: of keys a row for each feature, of values for each step.
    private let keys: FlatBuffer
    private let values: FlatBuffer

    /// - Parameter inputs: of queries, keys and values, one step each.
    init(_ layer: Layer, inputs: [Shape], _ course: Course, _ subject: String) throws(MartletError) {
        guard layer.flags.contains(.causal), inputs.count == 3 else {
            throw MartletError(
                .unsupported,
                "\(subject) sees steps behind a step's own, or reads a mask; expected causal attention without one")
        }
        let ofStep = try Attending(layer, inputs: inputs, stream: 0, subject)
        (self.course, heads) = (course, layer.groups)
        keys = try FlatBuffer(count: course.count(inputs[1].last))
        values = try FlatBuffer(count: course.count(inputs[2].last))
        super.init(inputs: inputs, output: ofStep.output)
    }

    /// The weights of one sequence's steps: the next one's take their place.
    override func savedCount(batch: Int) -> Int { heads * course.length * course.length }

    override func forward(_ pass: ForwardPass) {
        let (steps, done) = unsafe (pass.batch / course.sequences, course.done)
        let (size, valueSize) = (inputs[1].last, inputs[2].last)
        for sequence in 0..<course.sequences {
            let (first, start) = (sequence * steps, sequence * course.length)
            let (key, value) = unsafe (keys.base + start * size, values.base + start * valueSize)
            for step in 0..<steps {
                let read = unsafe pass.input(1) + (first + step) * size
                for feature in 0..<size { unsafe key[feature * course.length + done + step] = unsafe read[feature] }
            }
            unsafe (value + done * valueSize).update(
                from: pass.input(2) + first * valueSize, count: steps * valueSize)
            var attention = unsafe Attention(
                batch: 1, heads: heads, queries: steps, keys: done + steps, size: size / heads,
                valueSize: valueSize / heads, isCausal: true, first: done, query: pass.input(0) + first * size,
                key: key,
                value: value, mask: nil, weights: pass.saved)
            unsafe attention.keyStrides = (1, course.length)
            unsafe pass.execution.attend(attention, out: pass.output + first * valueSize)
        }
    }
}
