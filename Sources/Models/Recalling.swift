// What layers keep that look back along the sequences that a model is run along: attention, of the steps of a call, which may
// see those of the calls before, their keys and values, and recurrent layers, whose operation is Recurrent.swift's, their
// states.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class RecallingAttention: Operation {
    private let course: Course
    private let heads: Int
    /// Of each sequence all steps there may be: of keys a row for each feature, of values for each step.
    private let keys: FlatBuffer
    private let values: FlatBuffer
    /// From row to row of keys.
    private let row: Int

    /// - Parameter inputs: of queries, keys and values, one step each.
    init(_ layer: Layer, inputs: [Shape], _ course: Course, _ subject: String) throws(MartletError) {
        guard layer.flags.contains(.causal), inputs.count == 3 else {
            throw MartletError(
                .unsupported,
                "\(subject) sees steps behind a step's own, or reads a mask; expected causal attention without one")
        }
        let ofStep = try Attending(layer, inputs: inputs, stream: 0, subject)
        (self.course, heads) = (course, layer.groups)
        row = unsafe AttentionStepsRequest.keyRow(length: course.length)
        keys = try FlatBuffer(count: course.count(inputs[1].last, steps: row))
        values = try unsafe FlatBuffer(count: course.count(inputs[2].last) + AttentionStepsRequest.spare)
        super.init(inputs: inputs, output: ofStep.output)
    }

    /// The weights of one sequence's steps: the next one's take their place.
    override func savedCount(batch: Int) -> Int { heads * course.length * row }

    override func forward(_ pass: ForwardPass) {
        let (steps, done) = unsafe (pass.batch / course.sequences, course.done)
        let (size, valueSize) = (inputs[1].last, inputs[2].last)
        for sequence in 0..<course.sequences {
            let first = sequence * steps
            let (key, value) = unsafe (
                keys.base + sequence * size * row, values.base + sequence * course.length * valueSize
            )
            for step in 0..<steps {
                let read = unsafe pass.input(1) + (first + step) * size
                for feature in 0..<size { unsafe key[feature * row + done + step] = unsafe read[feature] }
            }
            unsafe (value + done * valueSize).update(
                from: pass.input(2) + first * valueSize, count: steps * valueSize)
            unsafe pass.execution.run(
                AttentionStepsRequest(
                    heads: heads, queries: steps, keys: done + steps, length: course.length, size: size / heads,
                    valueSize: valueSize / heads, query: pass.input(0) + first * size, key: key, value: value,
                    weights: pass.saved, out: pass.output + first * valueSize))
        }
    }
}

/// The states of a recurrent layer behind the last step that was read, those of all sequences one after another; before the
/// first step they are zeros, whatever lies here.
final class RecalledStates {
    let course: Course
    private let buffer: FlatBuffer

    /// nil where there is no course. Throws `.memory`.
    init?(_ shape: RecurrentShape, _ course: Course?) throws(MartletError) {
        guard let course else { return nil }
        self.course = course
        buffer = try FlatBuffer(count: course.count(shape.cell.states * shape.units, steps: 1))
    }

    var floats: UnsafeMutablePointer<Float> { unsafe buffer.base }
}

extension Node {
    /// Throws `.unsupported` where a recurrent layer reads or gives more than a step and those before it.
    func checkRecurrence() throws(MartletError) {
        guard layer.kind.isRecurrent else { return }
        let fault: StaticString? =
            if layer.flags.contains(.goBackwards) {
                "reads sequences from their end; expected a layer that reads them from their start"
            } else if !layer.flags.contains(.returnSequences) {
                "gives its last state alone; expected one that gives those of all steps"
            } else if layer.flags.contains(.returnState) {
                "gives its last states behind those of the steps; expected one that gives these alone"
            } else if inputs.count > 1 {
                "begins with states that it is given; expected one that begins with zeros"
            } else {
                nil
            }
        if let fault { throw MartletError(.unsupported, "layer \"\(name.string)\" \(fault)") }
    }
}
