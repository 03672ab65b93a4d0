// A model's life seen from Swift: layers and their shapes, the order of calls, training, files.

import Glibc
import MartletModels
import MartletOptimizers
import MartletTestSupport
import Testing

@Suite struct ModelTests {
    private func error(_ body: () throws -> Void) -> MartletError? {
        do {
            try body()
            return nil
        } catch {
            return error as? MartletError
        }
    }

    @Test func inferShapes() throws {
        let model = try model(
            [28, 28, 1],
            [
                .conv2D(8, Pair(3, 3), padding: .same), layer(.maxPool2D), .conv2D(16, Pair(3, 3)),
                layer(.averagePool2D) { ($0.kernel, $0.padding) = (Pair(5, 5), .same) },
                layer(.permute) { $0.sizes = [2, 0, 1] },
                layer(.reshape) { $0.sizes = [-1, 3] }, layer(.flatten), .dense(10, activation: .softmax),
            ])
        let shapes = [
            [28, 28, 1], [28, 28, 8], [14, 14, 8], [12, 12, 16], [3, 3, 16], [16, 3, 3], [48, 3], [144], [10],
        ]
        #expect(model.nodes.map { $0.output.list } == shapes)
        #expect(
            model.nodes.map { $0.name.string } == [
                "input", "conv2d", "max_pool2d", "conv2d_1", "average_pool2d", "permute", "reshape", "flatten", "dense",
            ])
        #expect(try model.parameters.count == 80 + 8 * 9 * 16 + 16 + 1450)
    }

    @Test func refuseLayersThatDoNotSuit() throws {
        let cases: [([Int], Layer, MartletError.Kind)] = [
            ([5], .conv2D(4, Pair(3, 3)), .shape), ([2, 8, 1], .conv2D(4, Pair(3, 3)), .shape),
            ([8, 8, 3], layer(.conv2D) { ($0.units, $0.kernel, $0.groups) = (4, Pair(1, 1), 2) }, .shape),
            ([8, 8, 3], layer(.conv2D) { ($0.units, $0.kernel, $0.groups) = (4, Pair(1, 1), 3) }, .argument),
            ([5], layer(.globalAveragePool2D), .shape), ([5], layer(.reshape) { $0.sizes = [2, 3] }, .shape),
            ([6], layer(.reshape) { $0.sizes = [-1, -1] }, .shape),
            ([6], layer(.reshape) { $0.sizes = [-1, 4] }, .shape),
            ([2, 3], layer(.permute) { $0.sizes = [0, 0] }, .shape), ([5], .dense(0), .argument),
            ([5], .dense(-1), .argument),
            ([5], layer(.dropout) { $0.rate = 1 }, .argument), ([5], layer(.dropout) { $0.rate = .nan }, .argument),
            ([5], layer(.batchNorm) { $0.epsilon = 0 }, .argument),
            ([5], layer(.batchNorm) { $0.momentum = 2 }, .argument),
            ([1 << 38], .dense(1 << 30), .shape),
        ]
        for (input, layer, kind) in cases {
            let empty = try model(input, [])
            let thrown = error { try empty.add(layer) }
            #expect(thrown?.kind == kind, "\(layer.kind) on \(input): \(thrown?.message ?? "no error")")
            #expect(empty.nodes.count == 1)
        }
    }

    @Test func refuseCallsOutOfOrder() throws {
        let empty = try model([4], [])
        #expect(error { try empty.compile(Training(.mse)) }?.kind == .order)
        let model = try model([4], [.dense(2)])
        #expect(error { try model.fit([1, 2, 3, 4], [0]) }?.kind == .order)
        #expect(error { _ = try model.gradients }?.kind == .order)
        #expect(error { try model.add(.dense(2), inputs: [0, 1]) }?.kind == .argument)
        #expect(error { try model.add(layer(.add), inputs: [0]) }?.kind == .argument)
        #expect(error { try model.add(layer(.add), inputs: [0, 1]) }?.kind == .shape)
        #expect(error { try model.add(.dense(2), inputs: [7]) }?.kind == .argument)
        #expect(error { try model.add(layer(.dense) { ($0.units, $0.name) = (2, "dense") }) }?.kind == .argument)
        _ = try model.parameters
        #expect(error { try model.add(.dense(2)) }?.kind == .order)
    }

    /// Four clouds of points, which a small network tells apart.
    private func clouds(_ count: Int, seed: UInt64) -> (x: [Float], y: [Int32]) {
        let y = labels(count, classes: 4, seed: seed)
        var x = numbers(2 * count, seed: seed + 1, scale: 0.3)
        for index in 0..<count {
            x[2 * index] += y[index] % 2 == 0 ? 1 : -1
            x[2 * index + 1] += y[index] / 2 == 0 ? 1 : -1
        }
        return (x, y)
    }

    @Test func learns() throws {
        let model = try model([2], [.dense(16, activation: .relu), .dense(4)])
        var training = Training(.crossEntropy)
        training.metrics = Metrics(.accuracy)
        var configuration = Configuration(.adam)
        configuration.lr = 0.02
        try model.compile(training, optimizer: configuration)
        let (x, y) = clouds(500, seed: 11)
        var loop = Loop()
        loop.epochs = 10
        var calls = 0
        loop.progress = { progress in
            calls += 1
            return progress.loss.isFinite && progress.batches == 16
        }
        let outcome = try model.fit(x, y, loop)
        #expect(outcome.score.accuracy > 0.97 && outcome.score.meanLoss < 0.2 && outcome.epochs == 10)
        #expect(calls == 160)
        loop.progress = { $0.batch < 3 }
        #expect(try model.fit(x, y, loop).isStopped)
        #expect(try model.fit(x, y, loop).epochs == 0)
        #expect(try model.stepCount() == 166)
    }

    @Test func goesOnFromAFileToTheBit() throws {
        let folder = Folder()
        let path = folder.path + "/model.safetensors"
        let layers: [Layer] = [
            .dense(16), layer(.batchNorm) { $0.activation = .relu }, layer(.dropout) { $0.rate = 0.2 }, .dense(4),
        ]
        let (x, y) = clouds(100, seed: 21)
        let first = try model([2], layers, seed: 5)
        try first.compile(Training(.crossEntropy))
        try first.fit(x, y)
        try first.save(to: path)
        try first.fit(x, y)
        let second = try Model.load(from: path)
        #expect(try second.stepCount() == 4)
        try second.fit(x, y)
        #expect(try first.parameters == second.parameters)
        #expect(try first.predict(x) == second.predict(x))
        #expect(second.nodes.map { $0.name.string } == first.nodes.map { $0.name.string })
    }

    @Test func namesThatNoFileCanHave() throws {
        let folder = Folder()
        let model = try model([2], [.dense(4)], seed: 5)
        #expect(throws: MartletError.self) { try model.save(to: folder.path + "/a\0b") }
        #expect(throws: MartletError.self) { try Model.load(from: folder.path + "/a\0b") }
        #expect(throws: MartletError.self) { try Model.load(from: folder.path + "/a") }
    }

    @Test func startsAgainFromTheSeed() throws {
        let (x, y) = clouds(100, seed: 31)
        let model = try model([2], [.dense(8, activation: .tanh), .dense(4)], seed: 9)
        let start = try model.parameters
        try model.compile(Training(.crossEntropy))
        try model.fit(x, y)
        let trained = try model.parameters
        #expect(trained != start)
        try model.reset()
        #expect(try model.parameters == start)
        try model.fit(x, y)
        #expect(try model.parameters == trained)
        #expect(try MartletModelsTests.model([2], [.dense(8), .dense(4)], seed: 10).parameters != start)
    }

    @Test func initialValuesHaveTheirVariance() throws {
        let cases: [(Initializer, Double, Double)] = [
            (.glorotUniform, 2.0 / 500, 2), (.glorotNormal, 2.0 / 500, 3), (.heUniform, 2.0 / 300, 2),
            (.heNormal, 2.0 / 300, 3), (.lecunUniform, 1.0 / 300, 2), (.lecunNormal, 1.0 / 300, 3),
            (.fanInNormal, 1.5 / 300, 3), (.fanInUntruncatedNormal, 1.5 / 300, 6), (.fanInUniform, 1.5 / 300, 2),
            (.fanOutNormal, 1.5 / 200, 3), (.fanOutUntruncatedNormal, 1.5 / 200, 6), (.fanOutUniform, 1.5 / 200, 2),
            (.fanAverageNormal, 1.5 / 250, 3), (.fanAverageUntruncatedNormal, 1.5 / 250, 6),
            (.fanAverageUniform, 1.5 / 250, 2),
        ]
        for (initializer, variance, reach) in cases {
            let dense = layer(.dense) {
                ($0.units, $0.kernelInitializer, $0.kernelValue) = (200, initializer, 1.5)
            }
            let model = try model([300], [dense])
            let kernel = try model.parameters.prefix(60_000).map(Double.init)
            let mean = kernel.reduce(0, +) / 60_000
            let found = kernel.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 60_000
            #expect(abs(mean) < 4 * (variance / 60_000).squareRoot(), "\(initializer)")
            #expect(abs(found / variance - 1) < 0.02, "\(initializer): variance \(found), not \(variance)")
            #expect(kernel.allSatisfy { abs($0) < reach * variance.squareRoot() }, "\(initializer)")
            #expect(try model.parameters.suffix(200).allSatisfy { $0 == 0 })
        }
    }

    /// Rows or columns of a kernel seen as a matrix, each with itself and with the others.
    @Test func initialValuesAreOrthogonal() throws {
        for (input, kernel, units) in [([30], Pair(0, 0), 12), ([12], Pair(0, 0), 30), ([9, 9, 3], Pair(3, 2), 20)] {
            let one = layer(kernel.height > 0 ? .conv2D : .dense) {
                ($0.units, $0.kernel, $0.kernelInitializer, $0.kernelValue) = (units, kernel, .orthogonal, 2)
                $0.flags = .noBias
            }
            let matrix = try model(input, [one]).parameters.map(Double.init)
            let rows = matrix.count / units
            let (vectors, size) = rows < units ? (rows, units) : (units, rows)
            func number(_ vector: Int, _ place: Int) -> Double {
                rows < units ? matrix[vector * units + place] : matrix[place * units + vector]
            }
            for first in 0..<vectors {
                for second in 0..<vectors {
                    let product = (0..<size).reduce(0) { $0 + number(first, $1) * number(second, $1) }
                    #expect(abs(product - (first == second ? 4 : 0)) < 2e-6, "\(input) \(units): \(first), \(second)")
                }
            }
        }
        let large = layer(.dense) { ($0.units, $0.kernelInitializer, $0.kernelValue) = (5000, .orthogonal, 1) }
        #expect(error { _ = try model([5000], [large]) }?.kind == .unsupported)
    }

    @Test func refusesLabelsOutOfRange() throws {
        let model = try model([2], [.dense(4)])
        try model.compile(Training(.crossEntropy))
        let before = try model.parameters
        #expect(error { try model.train([1, 2, 3, 4], [0, 4]) }?.message.hasPrefix("y[1] is 4") == true)
        #expect(error { try model.train([1, 2, 3, 4], [-1, 0]) }?.kind == .argument)
        #expect(error { try model.train([1, 2, 3, 4], [0]) }?.kind == .shape)
        #expect(error { try model.train([1, 2, 3], [0]) }?.kind == .shape)
        #expect(try model.parameters == before && model.stepCount() == 0)
    }

    @Test("Calls over arrays: labels of every type are the same labels, and what is wrong is refused")
    func arrays() throws {
        let x = numbers(12 * 3, seed: 3)
        let labels = labels(12, classes: 2, seed: 4)
        func trained<Label: SampleNumber>(_ y: [Label]) throws -> (loss: Double, outputs: [Float]) {
            let network = try model([3], [.dense(4, activation: .tanh), .dense(2)])
            try network.compile(Training(.crossEntropy))
            var loop = Loop()
            loop.epochs = 2
            let outcome = try network.fit(x, y, validation: (x, y), loop)
            #expect(outcome.validation?.meanLoss == (try network.evaluate(x, y)).score.meanLoss)
            return (outcome.score.meanLoss, try network.predict(x))
        }
        let wanted = try trained(labels)
        #expect(wanted.outputs.count == 24 && !wanted.outputs.contains { $0.isNaN })
        #expect(try trained(labels.map(Int.init)) == wanted)
        #expect(try trained(labels.map(Int64.init)) == wanted)
        #expect(try trained(labels.map(UInt8.init)) == wanted)

        let network = try model([3], [.dense(2)])
        #expect(error { _ = try network.predict([1, 2, 3, 4]) }?.kind == .shape)
        #expect(error { _ = try network.predict([]) }?.kind == .shape)
        #expect(error { try network.train([1, 2, 3], [0]) }?.kind == .order)
        #expect(try multiply([1, 2, 3, 4], [5, 6], rows: 2, inner: 2, columns: 1) == [17, 39])
        #expect(error { _ = try multiply([1, 2, 3], [5, 6], rows: 2, inner: 2, columns: 1) }?.kind == .shape)
        #expect(error { _ = try multiply([], [], rows: .max, inner: 0, columns: .max) }?.kind == .shape)
        #expect(error { _ = try multiply([], [], rows: -1, inner: 0, columns: 0) }?.kind == .shape)
        #expect(error { _ = try multiply([], [], rows: 1 << 28, inner: 0, columns: 1 << 28) }?.kind == .memory)
        #expect(try multiply([], [], rows: 2, inner: 0, columns: 1) == [0, 0])
    }
}
