// Models of several outputs: losses and gradients against those of each output by itself, metrics of each, and what is refused.

import MartletModels
import MartletOptimizers
import MartletPlatform
import MartletTestSupport
import Testing

@Suite struct OutputTests {
    /// A graph over 5 numbers, and which of its nodes are outputs, each with a loss and its weight.
    private struct Case: Sendable {
        let name: String
        let goals: [Training]
        let build: @Sendable (Model) throws -> [Int]

        init(_ name: String, _ goals: [(LossKind, Double)], _ build: @escaping @Sendable (Model) throws -> [Int]) {
            self.name = name
            self.goals = goals.map { kind, weight in
                var goal = Training(kind)
                goal.weight = weight
                if kind == .crossEntropy { goal.metrics = Metrics(.accuracy, .precision, .perplexity) }
                return goal
            }
            self.build = build
        }
    }

    private static let cases: [Case] = [
        Case("side by side", [(.crossEntropy, 1), (.mse, 0.5)]) { model in
            let shared = try model.add(.dense(8, activation: .tanh))
            let first = try model.add(.dense(3, activation: .softmax))
            return [first, try model.add(.dense(2), inputs: [shared])]
        },
        Case("in another order, one on the other's way", [(.crossEntropy, 2), (.mse, 1), (.huber, 0.25)]) { model in
            let start = try model.add(.dense(4, activation: .relu))
            let middle = try model.add(.dense(4, activation: .tanh))
            let last = try model.add(.dense(3))
            return [last, start, middle]
        },
        Case("of one value: logits, and their softmax", [(.crossEntropy, 1), (.crossEntropy, 3), (.mse, 1)]) { model in
            try model.add(.dense(6, activation: .tanh))
            let logits = try model.add(.dense(3))
            let soft = try model.add(layer(.activation) { $0.activation = .softmax }, inputs: [logits])
            let other = try model.add(.dense(2), inputs: [logits])
            return [soft, logits, other]
        },
        Case("a softmax whose logits are read behind it", [(.crossEntropy, 1), (.mse, 1)]) { model in
            let logits = try model.add(.dense(3))
            let soft = try model.add(layer(.activation) { $0.activation = .softmax }, inputs: [logits])
            let sum = try model.add(Layer(.add), inputs: [logits, soft])
            return [soft, try model.add(.dense(2), inputs: [sum])]
        },
        Case("of weight 0, and frozen", [(.mse, 1), (.mse, 0), (.mse, 2)]) { model in
            var frozen = Layer.dense(4)
            frozen.flags = .frozen
            let start = try model.add(frozen)
            let first = try model.add(.dense(2))
            let second = try model.add(.dense(2), inputs: [start])
            return [first, second, start]
        },
    ]

    private func error(_ body: () throws -> Void) -> MartletError? {
        do {
            try body()
            return nil
        } catch {
            return error as? MartletError
        }
    }

    private let samples = 12
    private var x: [Float] { numbers(5 * samples, seed: 1) }

    /// The case's model with some of its outputs alone.
    private func model(_ one: Case, _ chosen: [Int]? = nil) throws -> Model {
        let model = try Model(input: Shape([5]), seed: 3)
        let nodes = try one.build(model)
        let chosen = chosen ?? Array(nodes.indices)
        try model.setOutputs(chosen.map { nodes[$0] })
        try model.compile(chosen.map { one.goals[$0] })
        return model
    }

    /// What the outputs should give: classes as targets, or numbers.
    private func targets(_ one: Case, _ model: Model, _ output: Int, _ loss: LossKind) -> [Float] {
        let elements = model.outputShape(output).elementCount
        if loss != .crossEntropy { return numbers(elements * samples, seed: UInt64(elements) + 7) }
        return (0..<samples).flatMap { sample in (0..<elements).map { $0 == sample % elements ? 1 : 0 } }
    }

    private func withTargets<Result>(
        _ one: Case, _ model: Model, _ chosen: [Int], _ body: (SampleArrays, SampleArrays) throws -> Result
    ) throws -> Result {
        let wanted = chosen.indices.map { targets(one, model, $0, one.goals[chosen[$0]].loss) }
        let flat = wanted.flatMap { $0 }
        return try x.withUnsafeBufferPointer { x in
            try flat.withUnsafeBufferPointer { all in
                let y = try SampleArrays(Samples(UnsafeBufferPointer(rebasing: all[..<wanted[0].count])), name: "y")
                var start = wanted[0].count
                for more in wanted.dropFirst() {
                    try y.append(Samples(UnsafeBufferPointer(rebasing: all[start..<start + more.count])))
                    start += more.count
                }
                return try body(try SampleArrays(Samples(x)), y)
            }
        }
    }

    @Test(arguments: cases.indices) func gradientsAreTheWeightedSums(number: Int) throws {
        let one = Self.cases[number]
        let all = Array(one.goals.indices)
        let whole = try model(one)
        let score = try withTargets(one, whole, all) { try whole.differentiate($0, $1) }
        let gradient = Array(try whole.gradientMemory())
        var (sum, loss) = ([Float](repeating: 0, count: gradient.count), 0.0)
        for output in all {
            let alone = try model(one, [output])
            let own = try withTargets(one, alone, [output]) { try alone.differentiate($0, $1) }
            loss += own.meanLoss
            for (place, number) in try alone.gradientMemory().enumerated() { sum[place] += number }
            let seen = try whole.score(ofOutput: output, in: .training)
            #expect(abs(seen.meanLoss * one.goals[output].weight - own.meanLoss) < 1e-6, "\(one.name)")
            for metric in Metric.allCases where one.goals[output].metrics == Metrics(.accuracy, .precision, .perplexity) {
                #expect(seen[metric].isNaN == own[metric].isNaN, "\(one.name), \(metric)")
                #expect(seen[metric].isNaN || abs(seen[metric] - own[metric]) < 1e-6, "\(one.name), \(metric)")
            }
        }
        let furthest = zip(gradient, sum).map { abs($0 - $1) / (1 + abs($1)) }.max() ?? .nan
        #expect(furthest < 1e-6, "\(one.name)")
        #expect(abs(score.meanLoss - loss) < 1e-6, "\(one.name)")
        let evaluated = try withTargets(one, whole, all) { try whole.evaluate($0, $1) }
        #expect(abs(evaluated.score.meanLoss - loss) < 1e-6, "\(one.name)")
        for output in all {
            let seen = try whole.score(ofOutput: output, in: .evaluation).meanLoss
            #expect(abs(seen - (try whole.score(ofOutput: output, in: .training).meanLoss)) < 1e-6, "\(one.name)")
        }
    }

    @Test(arguments: cases.indices) func predictionsLieBehindOneAnother(number: Int) throws {
        let one = Self.cases[number]
        let whole = try model(one)
        let out = try whole.predict(x)
        var start = 0
        for output in one.goals.indices {
            let alone = try model(one, [output]).predict(x)
            #expect(Array(out[start..<start + alone.count]) == alone, "\(one.name), \(output)")
            start += alone.count
        }
        #expect(start == out.count)
    }

    /// A file goes on to the bit.
    @Test(arguments: cases.indices) func filesHaveAll(number: Int) throws {
        let one = Self.cases[number]
        let whole = try model(one)
        let all = Array(one.goals.indices)
        _ = try withTargets(one, whole, all) { try whole.train($0, $1) }
        let folder = Folder()
        let path = folder.path + "/outputs"
        try whole.save(to: path)
        let loaded = try Model.load(from: path)
        for model in [whole, loaded] { _ = try withTargets(one, model, all) { try model.train($0, $1) } }
        #expect(Array(try loaded.parameterMemory()) == Array(try whole.parameterMemory()), "\(one.name)")
        #expect(try loaded.predict(x) == whole.predict(x), "\(one.name)")
    }

    @Test func whatIsRefused() throws {
        let model = try Model(input: Shape([5]), seed: 3)
        try model.add(.dense(3))
        try model.add(.dense(2))
        #expect(error { try model.setOutputs([]) }?.kind == .argument)
        #expect(error { try model.setOutputs([0]) }?.message.contains("nodes[0] is 0") == true)
        #expect(error { try model.setOutputs([1, 3]) }?.message.contains("nodes[1] is 3") == true)
        #expect(error { try model.setOutputs([1, 1]) }?.message.contains("named once") == true)
        try model.setOutputs([2, 1])
        #expect(error { try model.compile(Training(.mse)) }?.message.contains("1 outputs; expected 2") == true)
        var auc = Training(.mse)
        auc.metrics = Metrics(.auc)
        #expect(error { try model.compile([Training(.mse), auc]) }?.message.contains("training[1].metrics") == true)
        try model.compile([Training(.mse), Training(.mse)])
        #expect(error { try model.setOutputs([1]) }?.kind == .order)
        #expect(error { try model.train(x, [Float](repeating: 0, count: 36)) }?.message.contains("1 arrays") == true)
        #expect(error { _ = try model.confusion(ofOutput: 1, in: .training) }?.kind == .order)
    }
}
