// Slots of one number: refused by name where they are none, written with the step alone, kept by handles and their
// files; and groups of different algorithms in one handle.

import MartletOptimizers
import MartletTestSupport
import Testing

@Suite struct ScalarSlotTests {
    /// A view has room for all slots that any configuration keeps, and for no more.
    @Test func mostSlots() {
        var most = 0
        for algorithm in Algorithm.allCases {
            for flag in (0..<30).map({ Flags(rawValue: 1 << $0) }) {
                let configuration = Configuration(algorithm) {
                    $0.flags = algorithm.flags.intersection([flag, .kahan, .correctedDecay])
                    $0[.lookaheadSteps] = 2
                    ($0[.emaDecay], $0[.accumulateSteps]) = (algorithm.hasEvaluationPoint ? 0 : 0.5, 2)
                    if algorithm.defaultValue(.momentum) != nil { $0.momentum = 0.9 }
                }
                if (try? configuration.check("config")) != nil { most = max(most, configuration.slots.count) }
            }
        }
        #expect(unsafe most == ParameterView.maximumStateCount)
    }

    private static let corrected = Configuration(.adamW) { $0.flags = .correctedDecay }

    @Test func refusals() {
        let parameter = Parameter(for: Self.corrected)
        let good = parameter.view.state[2]
        func refuse(_ kind: MartletError.Kind, _ words: [String], _ change: (inout ArrayView) -> Void) {
            parameter.view.state[2] = good
            change(&parameter.view.state[2])
            expectRefusal(kind, ["state[2]"] + words, [parameter], [Self.corrected])
        }
        for count in [0, 2, 12, -1] { refuse(.shape, ["count is \(count)", "scalar"]) { $0.count = count } }
        refuse(.shape, ["rank 1", "scalar"]) { $0 = $0.shaped([1], [1], in: parameter) }
        for type in [ElementType.bf16, .fp16] { refuse(.type, ["dtype is \(type)", "scalar"]) { $0.type = type } }
        refuse(.alignment, ["multiple of 8"]) { $0.base! += 4 }
        refuse(.null, []) { $0.base = nil }
        parameter.view.state[2] = good
        parameter.view.state[2].base = parameter.view.value.base
        expectRefusal(.overlap, ["state[2]", "value"], [parameter], [Self.corrected])
        parameter.view.stateCount = 2
        expectRefusal(.argument, ["state_count is 2", "3"], [parameter], [Self.corrected])
    }

    /// Two parameters whose scalars differ get coefficients of their own, in either order.
    @Test func eachParametersOwn() throws {
        var results: [[Double]] = []
        for order in [[0, 1], [1, 0]] {
            let parameters = (0..<2).map { _ in Parameter(for: Self.corrected, .fp64, seed: 5) }
            defer { extendLifetime(parameters) }
            for parameter in parameters { parameter.counter = 3 }
            for (index, most) in [0.5, 0.001].enumerated() { parameters[index].view.state[2].set(0, most) }
            try step(
                order.map { parameters[$0] },
                [
                    Configuration(.adamW) {
                        ($0.lr, $0.weightDecay, $0.flags) = (0.01, 0.5, .correctedDecay)
                    }
                ])
            #expect(parameters[0].view.state[2].get(0) == 0.5 && parameters[1].view.state[2].get(0) == 0.01)
            results += parameters.map(\.values)
        }
        #expect(results[0] == results[2] && results[1] == results[3] && results[0] != results[1])
    }

    /// A parameter without a gradient keeps its scalars, as it keeps its counter.
    @Test func skippedParameters() throws {
        let parameter = Parameter(for: Self.corrected)
        defer { extendLifetime(parameter) }
        parameter.view.gradient.base = nil
        parameter.view.state[2].set(0, 0.25)
        let before = parameter.bytes
        #expect(try step([parameter], [Self.corrected]).skipped == 1)
        #expect(parameter.bytes == before)
    }

    // MARK: - Handles

    /// Parameters of four algorithms, some with scalars, in a handle's four groups.
    private static func optimizer(_ parameters: [Parameter]) throws -> Optimizer {
        let optimizer = try Optimizer(Configuration(.adamW) { ($0.lr, $0.flags) = (0.1, .correctedDecay) })
        _ = try optimizer.addGroup(Configuration(.sgd) { $0.momentum = 0.9 })
        _ = try optimizer.addGroup(Configuration(.nadam))
        _ = try optimizer.addGroup(Configuration(.adamW))
        for (index, parameter) in parameters.enumerated() {
            try optimizer.add(
                parameter, name: "p\(index)", group: index, stateTypes: index == 0 ? [.fp32, .fp32, .fp32] : nil)
        }
        return optimizer
    }

    @Test func continuedRun() throws {
        let folder = Folder()
        let (whole, halves) = ((0..<4).map { Parameter(seed: UInt64($0)) }, (0..<4).map { Parameter(seed: UInt64($0)) })
        defer { extendLifetime((whole, halves)) }
        let first = try Self.optimizer(whole)
        var second = try Self.optimizer(halves)
        for t in 0..<12 {
            if t == 5 {
                try second.save(to: folder["file"])
                second = try Self.optimizer(halves)
                try second.load(from: folder["file"])
                #expect(try second.moments(0, 2) == [Double(Float(0.1))])
            }
            for parameters in [whole, halves] {
                for (index, parameter) in parameters.enumerated() {
                    parameter.randomizeGradient(seed: UInt64(t * 4 + index))
                }
            }
            // The largest rate is behind it when the file is loaded.
            for optimizer in [first, second] { try optimizer.set(.lr, to: t < 3 ? 0.1 : 0.02) }
            try first.step(whole.map(\.view.gradient))
            try second.step(halves.map(\.view.gradient))
        }
        #expect(whole.map(\.bytes) == halves.map(\.bytes))
    }

    /// What each group is in a handle is what a step of its own is.
    @Test func groupsAreIndependent() throws {
        let (together, alone) = (
            (0..<4).map { Parameter(seed: UInt64($0)) }, (0..<4).map { Parameter(seed: UInt64($0)) }
        )
        defer { extendLifetime((together, alone)) }
        let handle = try Self.optimizer(together)
        let configurations = [
            Configuration(.adamW) { ($0.lr, $0.flags) = (0.1, .correctedDecay) },
            Configuration(.sgd) { $0.momentum = 0.9 }, Configuration(.nadam), Configuration(.adamW),
        ]
        let handles = try configurations.indices.map { index in
            let optimizer = try Optimizer(configurations[index])
            try optimizer.add(alone[index])
            return optimizer
        }
        for _ in 0..<3 {
            try handle.step(together.map(\.view.gradient))
            for index in 0..<4 { try handles[index].step([alone[index].view.gradient]) }
        }
        #expect(together.map(\.values) == alone.map(\.values))
    }

    @Test func filesOfOtherGroups() throws {
        let folder = Folder()
        let parameters = (0..<4).map { Parameter(seed: UInt64($0)) }
        defer { extendLifetime(parameters) }
        try Self.optimizer(parameters).save(to: folder["file"])
        let other = try Optimizer(Configuration(.adamW) { $0.flags = .correctedDecay })
        _ = try other.addGroup(Configuration(.lion))
        _ = try other.addGroup(Configuration(.nadam))
        _ = try other.addGroup(Configuration(.adamW))
        let error = failure { () throws(MartletError) in try other.load(from: folder["file"]) }
        #expect(error?.kind == .format && error?.message.contains("group.1.algorithm is \"sgd\"") == true)
        let plain = try Optimizer(Configuration(.adamW))
        for algorithm in [Algorithm.sgd, .nadam, .adamW] { _ = try plain.addGroup(Configuration(algorithm)) }
        let without = failure { () throws(MartletError) in try plain.load(from: folder["file"]) }
        #expect(without?.kind == .format && without?.message.contains("lr_max") == true)
    }

    @Test func typesOfAdded() throws {
        let optimizer = try Optimizer(Self.corrected)
        let parameter = Parameter()
        defer { extendLifetime(parameter) }
        for type in [ElementType.bf16, .fp16] {
            expectFailure(.type, ["lr_max has dtype \(type)"]) { () throws(MartletError) in
                try optimizer.add(parameter, stateTypes: [.fp32, .fp32, .wide(type)])
            }
        }
        expectFailure(.argument, ["state_count is 2", "3"]) { () throws(MartletError) in
            try optimizer.add(parameter, stateTypes: [.fp32, .fp32])
        }
        try optimizer.add(parameter)
        let view = try optimizer.state(of: 0, slot: 2)
        #expect(view.count == 1 && view.type == .fp64)
    }

    /// A number that would change what state the parameters of a group keep is refused, and nothing else.
    @Test(arguments: [Algorithm.sgd, .rmsprop])
    func momentumSwitchedOn(algorithm: Algorithm) throws {
        let optimizer = try Optimizer(Configuration(algorithm))
        _ = try optimizer.addGroup(Configuration(algorithm) { $0.momentum = 0.9 })
        try optimizer.set(.momentum, to: 0.5)
        try optimizer.set(.momentum, to: 0)
        let parameters = (0..<2).map { _ in Parameter() }
        defer { extendLifetime(parameters) }
        for group in 0..<2 { try optimizer.add(parameters[group], group: group) }
        try optimizer.set(.momentum, to: 0.5, group: 1)
        for (group, momentum) in [(0, 0.5), (1, 0)] {
            expectFailure(.argument, ["groups[\(group)].momentum is \(momentum)", "momentum_buffer"]) {
                () throws(MartletError) in try optimizer.set(.momentum, to: momentum, group: group)
            }
        }
        try optimizer.step(parameters.map(\.view.gradient))
    }

    /// Numbers that contradict a group's flags are refused when they are set.
    @Test func contradictionsBySet() throws {
        let optimizer = try Optimizer(Configuration(.sgd) { ($0.momentum, $0.flags) = (0.9, .nesterov) })
        for (hyperparameter, value) in [(Hyperparameter.momentum, 0), (.dampening, 0.1)] as [(Hyperparameter, Double)] {
            expectFailure(.argument, ["groups[0].flags sets NESTEROV"]) { () throws(MartletError) in
                try optimizer.set(hyperparameter, to: value)
            }
        }
        #expect(try optimizer.get(.momentum) == 0.9)
    }
}
