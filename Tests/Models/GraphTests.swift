// Models whose values have several readers, or which read several inputs: gradients against central differences, layers that
// are there twice, layers that are frozen, tables, and what is refused.

import Glibc
import MartletModels
import MartletOptimizers
import MartletTestSupport
import Testing

@Suite struct GraphTests {
    private func error(_ body: () throws -> Void) -> MartletError? {
        do {
            try body()
            return nil
        } catch {
            return error as? MartletError
        }
    }

    @Test(arguments: cases.indices)
    func agreeWithCentralDifferences(number: Int) throws {
        let one = GraphTests.cases[number]
        let model = try MartletModelsTests.model(one.input, [])
        try one.build(model)
        try expectSlopes(model, numbers(6 * model.input.elementCount, seed: 3), one.name)
    }

    /// Predictions of a graph, whose memory is planned without gradients, are the outputs that training scores.
    @Test(arguments: cases.indices)
    func predictWhatTheyTrainOn(number: Int) throws {
        let one = GraphTests.cases[number]
        let model = try MartletModelsTests.model(one.input, [])
        try one.build(model)
        // These compute something else in training, or score it otherwise.
        let isOther = model.nodes.contains { node in
            [.batchNorm, .dropout].contains(node.layer.kind) || node.layer.l2 > 0 || node.layer.recurrentRate > 0
        }
        if isOther { return }
        var still = Configuration(.adam)
        still.lr = 0
        try model.compile(Training(.crossEntropy), optimizer: still)
        let (x, y) = (numbers(6 * model.input.elementCount, seed: 3), labels(6, classes: 3, seed: 4))
        let loss = try model.train(x, y).meanLoss
        let outputs = try model.predict(x)
        let mean =
            (0..<6).reduce(0.0) { sum, row in
                let logits = (0..<3).map { Double(outputs[3 * row + $0]) }
                let top = logits.max() ?? 0
                let total = logits.reduce(0.0) { $0 + exp($1 - top) }
                return sum + top - logits[Int(y[row])] + log(total)
            } / 6
        #expect(abs(mean - loss) < 1e-6 * max(1, loss), "\(one.name)")
    }

    /// y = x^2 w, at two places, by a function; one that fails ends the call and leaves parameters as they were.
    @Test func layersOfTheCallersHaveTheirFunctionsGradients() throws {
        let model = try MartletModelsTests.model([4], [.dense(4)])
        let own = layer(.own) { ($0.sizes, $0.units) = ([4], 4) }
        let node = try model.add(own)
        try model.add(again: node)
        try model.add(.dense(3))
        var works = true
        #expect(error { try model.setFunction(ofNode: 1) { _ in true } }?.kind == .argument)
        try model.setFunction(ofNode: node) { pass in
            let (x, w) = (pass.inputs[0]!, pass.weights)
            for place in 0..<4 { pass.weightSlopes?[place] = 0 }
            for index in 0..<4 * pass.batch {
                pass.out?[index] = x[index] * x[index] * w[index % 4]
                guard let slopes = pass.slopes else { continue }
                pass.inputSlopes[0]?[index] = slopes[index] * 2 * x[index] * w[index % 4]
                pass.weightSlopes?[index % 4] += slopes[index] * x[index] * x[index]
            }
            return works
        }
        let parameters = try model.parameterMemory()
        for place in 0..<4 { parameters[20 + place] = 0.5 + 0.1 * Float(place) }
        try expectSlopes(model, numbers(24, seed: 3), "layers of the caller's")
        try model.compile(Training(.crossEntropy))
        let before = Array(parameters)
        works = false
        #expect(error { try model.train(numbers(24, seed: 3), labels(6, classes: 3, seed: 4)) }?.kind == .stopped)
        #expect(Array(parameters) == before)
    }

    @Test func tablesHaveTheGradientsOfTheirRows() throws {
        let model = try MartletModelsTests.model([4], [])
        let rows = try model.add(.embedding(7, 5))
        let others = try model.add(.embedding(9, 5), inputs: [0])
        try model.add(layer(.add), inputs: [rows, others])
        try model.add(layer(.flatten))
        try model.add(.dense(3))
        let (rows7, y) = (labels(24, classes: 7, seed: 5), labels(6, classes: 3, seed: 4))
        try expectSlopes(model, "tables") { try model.train(integers: rows7, y).meanLoss }
        // A row that is named twice, and one that is not.
        let gradients = try model.gradients
        let named = Set(rows7)
        for row in 0..<7 where !named.contains(Int32(row)) {
            #expect(gradients[(5 * row)..<(5 * row + 5)].allSatisfy { $0 == 0 })
        }
        let thrown = error { try model.train(integers: [Int32](repeating: 7, count: 4), [Int32(0)]) }
        #expect(thrown?.kind == .argument && thrown?.message.contains("x[0] is 7; expected 0 ..< 7") == true)
        #expect(error { try model.train([Float](repeating: 1, count: 4), [Int32(0)]) }?.kind == .type)
        #expect(try model.predict(integers: [Int64](repeating: 3, count: 4)).count == 3)
        #expect(error { _ = try model.predict(integers: [Int64](repeating: -1, count: 4)) }?.kind == .argument)
    }

    private func tied(_ table: Int, _ change: (inout Layer) -> Void = { _ in }) -> Layer {
        layer(.tiedDense) {
            $0.table = table
            change(&$0)
        }
    }

    @Test(arguments: [LayerFlags.noBias, []])
    func aTableHasTheGradientsOfAllThatReadIt(flags: LayerFlags) throws {
        let model = try MartletModelsTests.model([4], [])
        let rows = try model.add(layer(.embedding) { ($0.vocabulary, $0.units, $0.l2) = (7, 5, 0.02) })
        let again = try model.add(again: rows, inputs: [0])
        try model.add(layer(.add), inputs: [rows, again])
        try model.add(.dense(5, activation: .tanh))
        let head = try model.add(tied(rows) { ($0.flags, $0.activation) = (flags, .tanh) })
        try model.add(.dense(5, activation: .tanh))
        try model.add(again: head)
        let other = try model.add(
            tied(again) { ($0.biasInitializer, $0.biasValue) = (.uniform, 0.5) }, inputs: [rows])
        try model.add(layer(.add), inputs: [other, other - 1])
        try model.add(layer(.flatten))
        try model.add(.dense(3))
        // A table; of the heads biases alone.
        let heads = try model.made().parameterViews.filter { $0.name.string.hasPrefix("tied_dense") }
        #expect(heads.map { $0.shape.elementCount } == (flags.contains(.noBias) ? [7] : [7, 7]))
        #expect(model.nodes[other].first == nil && model.elementCounts(of: model.nodes[other]).parameters == 7)
        let (x, y) = (labels(24, classes: 7, seed: 5), labels(6, classes: 3, seed: 4))
        try expectSlopes(model, "tied tables") { try model.train(integers: x, y).meanLoss }
    }

    /// Whether training changes a table says the embedding; a head says it of its bias.
    @Test func tablesAreFrozenByTheirOwners() throws {
        for (flags, changes) in [(LayerFlags.frozen, [false, true]), ([], [true, false])] {
            let model = try MartletModelsTests.model([4], [])
            let rows = try model.add(layer(.embedding) { ($0.vocabulary, $0.units, $0.flags) = (3, 5, flags) })
            try model.add(tied(rows) { $0.flags = flags.symmetricDifference(.frozen) })
            try model.add(layer(.globalAveragePool1D))
            try model.compile(Training(.crossEntropy))
            let before = try model.parameters
            try model.train(integers: labels(24, classes: 3, seed: 5), labels(6, classes: 3, seed: 4))
            let after = try model.parameters
            #expect([before[..<15] != after[..<15], before[15...] != after[15...]] == changes)
        }
    }

    /// A row without a gradient as one that is named has that of what else reads the table.
    @Test func aRowMayHaveNoGradient() throws {
        var gradients: [[Float]] = []
        for still in [-1, 2] {
            let model = try MartletModelsTests.model([4], [])
            let rows = try model.add(layer(.embedding) { ($0.vocabulary, $0.units, $0.stillRow) = (3, 5, still) })
            try model.add(.dense(5, activation: .tanh))
            try model.add(tied(rows))
            try model.add(layer(.globalAveragePool1D))
            try model.compile(Training(.crossEntropy))
            try model.train(integers: labels(24, classes: 3, seed: 5), labels(6, classes: 3, seed: 4))
            gradients.append(Array(try model.gradients[..<15]))
        }
        #expect(gradients[0][..<10] == gradients[1][..<10] && gradients[0][10...] != gradients[1][10...])
        #expect(gradients[1][10...].contains { $0 != 0 })
        let alone = try MartletModelsTests.model([4], [])
        try alone.add(layer(.embedding) { ($0.vocabulary, $0.units, $0.stillRow) = (3, 3, 2) })
        try alone.add(layer(.globalAveragePool1D))
        try alone.compile(Training(.crossEntropy))
        try alone.train(integers: labels(24, classes: 3, seed: 5), labels(6, classes: 3, seed: 4))
        #expect(try alone.gradients.map { $0 != 0 } == [Bool](repeating: true, count: 6) + [false, false, false])
    }

    @Test func tablesThatCannotBeSharedAreRefused() throws {
        let model = try MartletModelsTests.model([4], [])
        let rows = try model.add(.embedding(7, 5))
        let sparse = try model.add(
            layer(.embedding) { ($0.vocabulary, $0.units, $0.flags) = (7, 5, .sparse) }, inputs: [0])
        let narrow = try model.add(.dense(4), inputs: [rows])
        for node in [0, -1, narrow, 9, .max, .min] {
            let thrown = error { try model.add(tied(node), inputs: [rows]) }
            #expect(thrown?.kind == .argument)
            #expect(thrown?.message.contains("layer.table is \(node); expected") == true)
        }
        let thrown = error { try model.add(tied(sparse), inputs: [rows]) }
        #expect(thrown?.kind == .unsupported && thrown?.message.contains("\"embedding_1\", which is sparse") == true)
        #expect(
            error { try model.add(tied(rows), inputs: [narrow]) }?.message.contains("expected 5 as its last") == true)
        #expect(error { try model.add(tied(rows), inputs: [0]) }?.kind == .shape)
        #expect(error { try model.add(tied(rows) { $0.l2 = 1 }, inputs: [rows]) }?.kind == .argument)
        #expect(error { try model.add(tied(rows), inputs: [rows, rows]) }?.kind == .argument)
        #expect(model.nodes.count == 4)
    }

    @Test func bytesAreNumbers() throws {
        let model = try MartletModelsTests.model([4], [.dense(3)])
        let bytes: [UInt8] = [0, 1, 128, 255, 7, 8, 9, 10]
        #expect(try model.predict(integers: bytes) == model.predict(bytes.map { Float($0) }))
    }

    @Test func severalInputs() throws {
        let model = try MartletModelsTests.model([3], [])
        let words = try model.add(layer(.input) { ($0.sizes, $0.name) = ([2], "words") })
        let rows = try model.add(.embedding(6, 4), inputs: [words])
        let flat = try model.add(layer(.flatten), inputs: [rows])
        try model.add(layer(.concatenate), inputs: [0, flat])
        try model.add(.dense(3, activation: .tanh))
        try model.add(.dense(3))
        let (x, ids) = (numbers(18, seed: 3), labels(12, classes: 6, seed: 7))
        let y = labels(6, classes: 3, seed: 4)
        func step() throws -> Double {
            try unsafe x.withUnsafeBufferPointer { x in
                try unsafe ids.withUnsafeBufferPointer { ids in
                    try unsafe y.withUnsafeBufferPointer { y in
                        let inputs = try unsafe SampleArrays(Samples(x))
                        try unsafe inputs.append(Samples(ids))
                        return try unsafe model.train(inputs, SampleArrays(Samples(y), name: "y")).meanLoss
                    }
                }
            }
        }
        try expectSlopes(model, "two inputs", step: step)
        #expect(error { try model.train(x, y) }?.message.contains("expected 2, one for each input") == true)
    }

    @Test func frozenLayersStay() throws {
        let model = try MartletModelsTests.model([4], [])
        try model.add(.dense(4, activation: .relu))
        let frozen = layer(.dense) { ($0.units, $0.flags, $0.activation) = (4, .frozen, .tanh) }
        try model.add(frozen)
        try model.add(layer(.batchNorm) { $0.flags = .frozen })
        try model.add(.dense(3))
        let (x, y) = (numbers(24, seed: 3), labels(6, classes: 3, seed: 4))
        try model.compile(Training(.crossEntropy))
        let before = try model.parameters
        let views = try model.made().parameterViews
        let statistics = Array(try model.statisticMemory())
        try model.fit(x, y)
        let after = try model.parameters
        for view in views {
            let range = view.offset..<(view.offset + view.shape.elementCount)
            let stays = ["dense_1", "batch_norm"].contains { view.name.string.hasPrefix($0 + "/") }
            #expect((Array(before[range]) == Array(after[range])) == stays, "\(view.name.string)")
        }
        #expect(Array(try model.statisticMemory()) == statistics)
        // Gradients go through them.
        try expectSlopes(try trained(model), x, "around frozen layers")
    }

    /// A model of the same layers, all of which are trained but the frozen batch norm, at the same values.
    private func trained(_ other: Model) throws -> Model {
        let model = try MartletModelsTests.model([4], [.dense(4, activation: .relu), .dense(4, activation: .tanh)])
        try model.add(layer(.batchNorm) { $0.flags = [.frozen, .noBias, .noScale] })
        try model.add(.dense(3))
        return model
    }

    /// What a kind does not read may be anything: of the kinds whose fields are those of windows, or few.
    @Test(arguments: LayerKind.allCases.filter { (1...LayerKind.layerNorm.rawValue).contains($0.rawValue) })
    func fieldsThatAKindDoesNotReadDoNothing(kind: LayerKind) throws {
        let shape = kind.name.description.contains("1d") ? [9, 3] : [6, 5, 2]
        let merges = kind == .add || kind == .multiply || kind == .concatenate
        for odd in [Int.min, -1, 0, 3, Int.max] {
            var outputs: [[Float]] = []
            for isOdd in [false, true] {
                let model = try MartletModelsTests.model(shape, [])
                var one = layer(kind) { ($0.units, $0.vocabulary, $0.rate, $0.sizes) = (4, 7, 0, [1, 0, 2]) }
                if kind == .reshape { one.sizes = [3, -1] }
                if ["conv", "pool"].contains(where: { kind.name.description.contains($0) }) { one.kernel = Pair(2, 2) }
                if isOdd {
                    let slides = kind.name.description.contains("conv") || kind.name.description.contains("pool")
                    let isGlobal = kind.name.description.contains("global")
                    if !slides || isGlobal {
                        (one.kernel, one.stride, one.dilation) = (Pair(odd, odd), Pair(odd, odd), Pair(odd, odd))
                        (one.padding, one.groups) = (.same, odd)
                    }
                    if kind != .batchNorm && kind != .layerNorm { (one.momentum, one.epsilon) = (-1, .nan) }
                    if kind != .concatenate { one.axis = odd }
                    one.slope = .nan
                }
                try model.add(one, inputs: merges ? [0, 0] : nil)
                let count = 2 * model.input.elementCount
                if kind == .embedding {
                    outputs.append(try model.predict(integers: labels(count, classes: 7, seed: 2)))
                } else {
                    outputs.append(try model.predict(numbers(count, seed: 2)))
                }
            }
            #expect(outputs[0] == outputs[1], "\(kind.name), \(odd)")
        }
    }

    /// The loss is what it is without penalties, and what these come to; of layers that are frozen, or lead nowhere, to nothing.
    @Test func penaltiesArePartOfTheLoss() throws {
        func made(_ l1: Double, _ l2: Double) throws -> Model {
            let model = try MartletModelsTests.model([4], [])
            let first = try model.add(
                layer(.dense) { ($0.units, $0.activation, $0.l1, $0.l2) = (4, .tanh, l1, l2) })
            try model.add(layer(.dense) { ($0.units, $0.l1, $0.l2) = (4, l1, l2) })
            try model.add(layer(.dense) { ($0.units, $0.flags, $0.l2) = (3, .frozen, l2) }, inputs: [first])
            try model.compile(Training(.crossEntropy))
            return model
        }
        let (x, y) = (numbers(24, seed: 3), labels(6, classes: 3, seed: 4))
        let (plain, penalised) = (try made(0, 0), try made(0.25, 0.5))
        let kernel = try plain.parameters.prefix(16).map(Double.init)
        let wanted = kernel.reduce(0) { $0 + 0.25 * abs($1) + 0.5 * $1 * $1 }
        let before = try (plain.evaluate(x, y).score.meanLoss, penalised.evaluate(x, y).score.meanLoss)
        #expect(abs(before.1 - before.0 - wanted) < 1e-6)
        let trained = try (plain.train(x, y).meanLoss, penalised.train(x, y).meanLoss)
        #expect(abs(trained.1 - trained.0 - wanted) < 1e-6)
        let gradients = try (plain.gradients, penalised.gradients)
        for (place, w) in kernel.enumerated() {
            let own = 0.25 * (w > 0 ? 1 : -1) + w
            #expect(abs(Double(gradients.1[place] - gradients.0[place]) - own) < 1e-6)
        }
        #expect(gradients.0[16...] == gradients.1[16...])
    }

    @Test func whatLeadsNowhereIsNotComputed() throws {
        let model = try MartletModelsTests.model([4], [])
        let start = try model.add(.dense(4))
        try model.add(.dense(4, activation: .relu), inputs: [start])
        try model.add(.dense(3), inputs: [start])
        try expectSlopes(model, numbers(24, seed: 3), "a dead end")
        let (x, y) = (numbers(24, seed: 3), labels(6, classes: 3, seed: 4))
        try model.compile(Training(.crossEntropy))
        try model.fit(x, y)
        let plain = try MartletModelsTests.model([4], [.dense(4), .dense(3)])
        #expect(try model.predict(x).count == plain.predict(x).count)
    }

    @Test func goOnFromAFileToTheBit() throws {
        let folder = Folder()
        let path = folder.path + "/graph.safetensors"
        for one in GraphTests.cases {
            let first = try MartletModelsTests.model(one.input, [])
            try one.build(first)
            try first.compile(Training(.crossEntropy))
            let (x, y) = (numbers(12 * first.input.elementCount, seed: 3), labels(12, classes: 3, seed: 4))
            try first.fit(x, y)
            try first.save(to: path)
            let second = try Model.load(from: path)
            try first.fit(x, y)
            try second.fit(x, y)
            #expect(try first.parameters == second.parameters, "\(one.name)")
            #expect(try first.predict(x) == second.predict(x), "\(one.name)")
        }
    }

    @Test func refuseWhatDoesNotMeet() throws {
        let model = try MartletModelsTests.model([4, 3], [])
        let first = try model.add(.dense(3))
        #expect(error { try model.add(layer(.add), inputs: [0, 5]) }?.kind == .argument)
        #expect(error { try model.add(layer(.add), inputs: [-1, 0]) }?.kind == .argument)
        #expect(error { try model.add(layer(.concatenate) { $0.axis = 2 }, inputs: [0, first]) }?.kind == .argument)
        #expect(error { try model.add(.embedding(4, 2), inputs: [first]) }?.kind == .argument)
        #expect(error { try model.add(.embedding(4, 2), inputs: [0]) }?.kind == .argument)
        #expect(error { try model.add(.embedding(0, 2), inputs: [0]) }?.kind == .argument)
        #expect(error { try model.add(layer(.conv1D) { $0.units = 2 }, inputs: [0]) }?.kind == .argument)
        #expect(error { try model.add(layer(.globalMaxPool2D), inputs: [0]) }?.kind == .shape)
        #expect(error { try model.add(again: 0) }?.kind == .argument)
        #expect(error { try model.add(again: 9) }?.kind == .argument)
        #expect(error { try model.add(layer(.input)) }?.kind == .shape)
        #expect(error { try model.add(layer(.input) { $0.sizes = [2] }, inputs: [0]) }?.kind == .argument)
        let flat = try model.add(layer(.flatten), inputs: [first])
        #expect(error { try model.add(again: first, inputs: [flat]) }?.kind == .shape)
        #expect(model.nodes.count == 3)
        try model.add(layer(.input) { $0.sizes = [2] })
        #expect(error { try model.compile(Training(.mse)) }?.kind == .order)
        let words = try MartletModelsTests.model([4], [.embedding(5, 2)])
        #expect(error { try words.add(.dense(2), inputs: [0]) }?.kind == .argument)
        for _ in 1..<Model.mostInputs { try words.add(layer(.input) { $0.sizes = [2] }) }
        #expect(error { try words.add(layer(.input) { $0.sizes = [2] }) }?.kind == .argument)
    }
}
