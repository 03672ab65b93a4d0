// Parameters of a model in several groups, as Swift sees them. What groups step, and that files keep them, is tested in C.

import MartletModels
import MartletOptimizers
import MartletTestSupport
import Testing

@Suite struct GroupTests {
    private func error(_ body: () throws -> Void) -> MartletError? {
        do {
            try body()
            return nil
        } catch {
            return error as? MartletError
        }
    }

    private func groups() -> [Configuration] {
        var groups = [Configuration(.muon), Configuration(.adamW)]
        (groups[0].lr, groups[1].lr) = (0.5, 0.25)
        return groups
    }

    @Test func aFunctionSaysWhichGroupAParameterIsIn() throws {
        let model = try model([8, 8, 2], [.conv2D(4, Pair(3, 3)), layer(.flatten), .dense(3)])
        var seen: [String] = []
        try model.compile(Training(.crossEntropy), groups: groups()) { name, sizes in
            seen.append("\(name) \(sizes)")
            return sizes.count == 4 ? 0 : 1
        }
        #expect(
            seen == ["conv2d/kernel [3, 3, 2, 4]", "conv2d/bias [4]", "dense/kernel [144, 3]", "dense/bias [3]"])
        #expect(try model.groupCount() == 2)
        try model.train(numbers(128 * 5, seed: 3), labels(5, classes: 3, seed: 4))
        try model.set(.lr, to: 1)
        #expect(try model.get(.lr) == 1 && model.get(.lr, group: 1) == 0.5)
        try model.set(.weightDecay, to: 0, group: 1)
        #expect(try model.get(.weightDecay) == 0.1 && model.get(.weightDecay, group: 1) == 0)
    }

    @Test func whatCannotBeIsRefusedByName() throws {
        let model = try model([4], [.dense(5), .dense(3)])
        func compiled(_ groups: [Configuration], _ group: (String, [Int]) -> Int) -> MartletError? {
            error { try model.compile(Training(.crossEntropy), groups: groups, group: group) }
        }
        let bias = compiled(groups()) { _, _ in 0 }
        #expect(bias?.kind == .shape && bias?.message.contains("\"dense/bias\" is a vector of 5") == true)
        let third = compiled(groups()) { name, _ in name == "dense_1/bias" ? 2 : 1 }
        #expect(third?.kind == .argument && third?.message.contains("\"dense_1/bias\" is 2; expected 0 ..< 2") == true)
        #expect(compiled([]) { _, _ in 0 }?.kind == .argument)
        var blocks = groups()
        blocks[0][.blocks] = 2
        let uneven = compiled(blocks) { name, _ in name == "dense/kernel" ? 0 : 1 }
        #expect(uneven?.kind == .shape && uneven?.message.contains("\"dense/kernel\" has 5 rows") == true)
        blocks[0][.blocks] = 5
        #expect(compiled(blocks) { name, _ in name == "dense/kernel" ? 0 : 1 } == nil)
    }
}
