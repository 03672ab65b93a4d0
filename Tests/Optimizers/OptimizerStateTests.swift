// The moments and counters that an optimizer owns: read, set, and after two hundred steps the same bits as those of
// steps that own nothing.

import MartletOptimizers
import Testing

@Suite struct OptimizerStateTests {
    @Test func stepCounts() throws {
        let parameter = Parameter()
        let optimizer = try Optimizer(Configuration(.adam))
        try optimizer.add(parameter)
        for count in [0, 1, 1 << 24, 1 << 53, .max - 1] as [Int64] {
            try optimizer.setStepCount(of: 0, to: count)
            #expect(try optimizer.stepCount(of: 0) == count)
            try optimizer.step([parameter.view.gradient])
            #expect(try optimizer.stepCount(of: 0) == count + 1)
        }
        expectFailure(.argument, ["parameter 0's step", "\(Int64.max)"]) { () throws(MartletError) in
            try optimizer.step([parameter.view.gradient])
        }
        try optimizer.setStepCount(of: 0, to: .max)
        for count in [-1, .min] as [Int64] {
            expectFailure(.argument, ["step is \(count)"]) { () throws(MartletError) in
                try optimizer.setStepCount(of: 0, to: count)
            }
        }
        for index in [-1, 1, .max] {
            expectFailure(.argument, ["parameter is \(index)", "0 ..< 1"]) { () throws(MartletError) in
                try optimizer.stepCount(of: index)
            }
            expectFailure(.argument, ["parameter is \(index)"]) { () throws(MartletError) in
                try optimizer.setStepCount(of: index, to: 1)
            }
        }
    }

    @Test func settingState() throws {
        let parameter = Parameter(count: 6)
        let source = Parameter(count: 24, seed: 9)
        defer { extendLifetime((parameter, source)) }
        let optimizer = try Optimizer(Configuration(.adam))
        try optimizer.add(parameter)
        try optimizer.setState(of: 0, slot: 0, to: ArrayView(base: source.view.value.base, count: 6, type: .fp32))
        #expect(try optimizer.moments(0, 0) == Array(source.values[..<6]))
        #expect(try optimizer.moments(0, 1).allSatisfy { $0 == 0 })
        let strided = source.view.value.shaped([2, 3], [3, 4], in: source)
        try optimizer.setState(of: 0, slot: 1, to: strided)
        #expect(try optimizer.moments(0, 1) == [0, 4, 8, 3, 7, 11].map { source.values[$0] })
        let before = try optimizer.moments(0, 1)
        let refused: [(MartletError.Kind, String, ArrayView)] = [
            (.shape, "array.count is 5", ArrayView(base: source.view.value.base, count: 5, type: .fp32)),
            (.type, "array.dtype is bf16", ArrayView(base: source.view.value.base, count: 6, type: .bf16)),
            (.null, "array.data is NULL", ArrayView(base: nil, count: 6, type: .fp32)),
            (.overlap, "array", try optimizer.state(of: 0, slot: 1)),
            (.shape, "array.rank is 65", ArrayView(base: source.view.value.base, count: 6, type: .fp32, rank: 65)),
        ]
        for (kind, words, array) in refused {
            expectFailure(kind, [words]) { () throws(MartletError) in try optimizer.setState(of: 0, slot: 1, to: array)
            }
        }
        for (index, slot) in [(0, -1), (0, 2), (1, 0), (-1, 0)] {
            expectFailure(.argument, [index == 0 ? "slot is \(slot)" : "parameter is \(index)"]) {
                () throws(MartletError) in try optimizer.setState(of: index, slot: slot, to: source.view.value)
            }
        }
        #expect(try optimizer.moments(0, 1) == before)
    }

    /// Two hundred steps with groups, mixed types, missing gradients and a schedule: the same bits as stateless steps.
    @Test func sameAsStatelessSteps() throws {
        let configurations = [
            Configuration(.adam) { $0.weightDecay = 0.01 },
            Configuration(.adam) { ($0.flags, $0.beta1) = ([.amsgrad, .maximize], 0.4) },
            Configuration(.adam) { ($0.semantics, $0.weightDecay) = (.keras, 0.1) },
        ]
        func make() -> [Parameter] {
            [
                Parameter(count: 100, seed: 1), Parameter(count: 3000, seed: 2),
                Parameter(count: 77, .fp64, slots: 3, seed: 3),
                Parameter(count: 65, .bf16, moments: [.fp32, .bf16], seed: 4),
                Parameter(count: 64, .fp16, gradient: .fp32, moments: [.fp16, .fp32], seed: 5),
                Parameter(count: 1, seed: 6),
            ]
        }
        let groupOf = [0, 2, 1, 0, 2, 0]
        let (owned, stateless) = (make(), make())
        defer { extendLifetime((owned, stateless)) }
        let optimizer = try Optimizer(configurations[0])
        for group in 1...2 { #expect(try optimizer.addGroup(configurations[group]) == group) }
        for (index, parameter) in owned.enumerated() {
            stateless[index].view.group = groupOf[index]
            let types = (0..<parameter.view.stateCount).map { StateType.wide(parameter.view.state[$0].type) }
            try optimizer.add(parameter, name: "p\(index)", group: groupOf[index], stateTypes: types)
        }
        var scheduled = configurations
        for t in 0..<200 {
            let rate = 1e-2 / Double(1 + t)
            scheduled[0].lr = rate
            try optimizer.set(.lr, to: rate, group: 0)
            var gradients: [ArrayView] = []
            for index in owned.indices {
                owned[index].randomizeGradient(seed: UInt64(t * 10 + index))
                stateless[index].randomizeGradient(seed: UInt64(t * 10 + index))
                let isMissing = (t + index) % 7 == 0
                gradients.append(isMissing ? .none : owned[index].view.gradient)
            }
            let kept = stateless.map(\.view.gradient)
            for index in stateless.indices where (t + index) % 7 == 0 { stateless[index].view.gradient = .none }
            let reports = (try optimizer.step(gradients), try step(stateless, scheduled))
            #expect(reports.0.skipped == reports.1.skipped)
            for index in stateless.indices { stateless[index].view.gradient = kept[index] }
        }
        for index in owned.indices {
            let isSame = owned[index].values == stateless[index].values
            #expect(isSame, "parameter \(index)")
            #expect(try optimizer.stepCount(of: index) == stateless[index].counter)
            for slot in 0..<stateless[index].view.stateCount {
                let expected = (0..<stateless[index].count).map { stateless[index].view.state[slot].get($0) }
                let isSame = try optimizer.moments(index, slot) == expected
                #expect(isSame, "parameter \(index), slot \(slot)")
            }
        }
    }
}
