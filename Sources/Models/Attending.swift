// Attention over several heads: each place of a sequence takes of values as much as its query says of their keys.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class Attending: Operation {
    private let heads: Int
    private let isCausal: Bool
    /// What part of weights training drops.
    private let rate: Float
    /// Which of the model's operations this is.
    private let stream: UInt64

    /// - Parameter inputs: queries, keys and values, and where there is one the mask of keys and values.
    init(_ layer: Layer, inputs: [Shape], stream: Int, _ subject: String) throws(MartletError) {
        let heads = layer.groups
        (rate, self.stream) = (Float(layer.rate), UInt64(stream))
        self.heads = heads
        isCausal = layer.flags.contains(.causal)
        let (query, key, value) = (inputs[0], inputs[1], inputs[2])
        let areSequences = inputs.prefix(3).allSatisfy { $0.rank == 2 && $0.last % heads == 0 }
        guard areSequences, key.last == query.last, value[0] == key[0] else {
            throw MartletError(
                .shape,
                "\(subject) reads queries of \(query), keys of \(key) and values of \(value); expected (places, features) each, "
                    + "features in \(heads) groups, keys as long as queries and as many values")
        }
        // What is kept for each sample.
        _ = try Shape([2 * heads, inputs[0][0], inputs[1][0]], "\(subject)'s weights")
        super.init(inputs: inputs, output: try Shape([inputs[0][0], inputs[2].last], subject))
    }

    override var needsInput: Bool { true }
    /// The weights; behind them what dropout leaves of these, and their gradients.
    override func savedCount(batch: Int) -> Int { batch * heads * inputs[0][0] * inputs[1][0] }
    override func trainingCount(batch: Int) -> Int { savedCount(batch: batch) }

    private func attention(_ pass: ForwardPass) -> Attention {
        var attention = unsafe Attention(
            batch: pass.batch, heads: heads, queries: inputs[0][0], keys: inputs[1][0], size: inputs[0].last / heads,
            valueSize: inputs[2].last / heads, isCausal: isCausal, query: pass.input(0), key: pass.input(1),
            value: pass.input(2), mask: inputs.count > 3 ? pass.input(3) : nil, weights: pass.saved)
        if unsafe pass.isTraining && rate > 0 {
            unsafe attention.dropout = AttentionDropout(rate: rate, key: pass.key(stream), step: pass.step)
            unsafe attention.dropped = unsafe pass.saved + savedCount(batch: pass.batch)
        }
        return unsafe attention
    }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        let (queries, keys) = (inputs[0], inputs[1])
        let numbers = [
            heads, queries[0], keys[0], queries.last / heads, inputs[2].last / heads, isCausal ? 1 : 0,
        ]
        return [CCall(.attend, reads: [0, 1, 2, inputs.count > 3 ? 3 : nil], numbers, room: keys[0])]
    }

    override func forward(_ pass: ForwardPass) { unsafe pass.execution.attend(attention(pass), out: pass.output) }

    override func backward(_ pass: BackwardPass) {
        let forward = unsafe pass.forward
        unsafe forward.execution.attendBack(
            attention(forward),
            AttentionGradients(
                output: pass.gradient, query: pass.inputGradient(0), key: pass.inputGradient(1),
                value: pass.inputGradient(2), work: forward.saved + savedCount(batch: forward.batch)))
    }
}
