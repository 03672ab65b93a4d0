// Sequences that a model is run along some steps at a time: each step gives the bits that the whole sequence gives there.

import MartletModels
import MartletTestSupport
import Testing

@Suite("Sequences step by step")
struct SequenceTests {
    private static let features = 5

    /// Attention whose values are taken in one block of products, and in several, and recurrent layers.
    private static func made(_ kind: LayerKind, length: Int) throws -> Model {
        let model = try Model(input: Shape([length, features]), seed: 3)
        if kind == .attention {
            let node = try model.add(layer(.dense) { $0.units = 20 })
            try model.add(layer(.attention) { ($0.groups, $0.flags) = (2, .causal) }, inputs: [node, node, node])
        } else {
            try model.add(layer(kind) { ($0.units, $0.flags) = (19, .returnSequences) })
            try model.add(layer(kind) { ($0.units, $0.flags) = (7, [.returnSequences, .noBias]) })
        }
        try model.add(layer(.dense) { $0.units = 3 })
        return model
    }

    /// What it gives for the next steps.
    private static func next(_ model: Model, _ x: [Float]) throws -> [Float] {
        var out = [Float](repeating: .nan, count: x.count / features * 3)
        try x.withUnsafeBufferPointer { x in
            let given = try SampleArrays(Samples(x))
            try out.withUnsafeMutableBufferPointer { out in try model.predictSteps(given, into: out) }
        }
        return out
    }

    @Test(arguments: [LayerKind.attention, .lstm, .gru, .simpleRNN], [9, 352, 353, 801])
    func stepsGiveTheBitsOfWholeSequences(_ kind: LayerKind, _ length: Int) throws {
        let (sequences, model) = (2, try SequenceTests.made(kind, length: length))
        let x = numbers(sequences * length * SequenceTests.features, seed: 7)
        let whole = try model.predict(x)
        for cut in [1, 7, length] {
            try model.beginSequences(sequences)
            var done = 0
            while done < length {
                let steps = min(cut, length - done)
                var given: [Float] = []
                var wanted: [Float] = []
                for first in [done, length + done] {
                    let end = first + steps
                    given += x[first * SequenceTests.features..<end * SequenceTests.features]
                    wanted += whole[first * 3..<end * 3]
                }
                let found = try SequenceTests.next(model, given)
                #expect(found == wanted, "\(kind), \(steps) steps from \(done) of \(length)")
                done += steps
            }
        }
    }
}
