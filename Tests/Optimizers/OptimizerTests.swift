// An optimizer that owns state: adding, groups, stepping, cloning and forgetting. Hyperparameters are in
// HyperparameterTests, moments and counters in OptimizerStateTests, files in CheckpointTests.

import MartletOptimizers
import MartletTestSupport
import Testing

@Suite struct OptimizerTests {
    @Test func adding() throws {
        let parameters = [Parameter(seed: 1), Parameter(count: 5, .bf16, seed: 2), Parameter(count: 0, seed: 3)]
        defer { extendLifetime(parameters) }
        let optimizer = try Optimizer(Configuration(.adam))
        #expect(optimizer.count == 0 && optimizer.groupCount == 1 && optimizer.stateBytes == 0)
        #expect(try optimizer.add(parameters[0]) == 0)
        #expect(try optimizer.add(parameters[1], stateTypes: [.fp32, .fp64]) == 1)
        #expect(try optimizer.add(parameters[2]) == 2)
        #expect(optimizer.count == 3)
        // Two moments and a counter of eight bytes each.
        #expect(optimizer.stateBytes == (2 * 12 * 4 + 8) + (5 * 4 + 5 * 8 + 8) + 8)
        let types = try (0..<2).map { try optimizer.state(of: 1, slot: $0).type }
        #expect(types == [.fp32, .fp64])
        #expect(try optimizer.state(of: 0, slot: 1).type == .fp32)
        for parameter in 0..<2 {
            for slot in 0..<2 { #expect(try optimizer.moments(parameter, slot).allSatisfy { $0 == 0 }) }
        }
        #expect(try optimizer.state(of: 0, slot: 0).count == 12)
    }

    @Test func amsgradHasThreeMoments() throws {
        let parameter = Parameter(slots: 3)
        let optimizer = try Optimizer(Configuration(.adamW) { $0.flags = .amsgrad })
        try optimizer.add(parameter)
        #expect(optimizer.stateBytes == 3 * 12 * 4 + 8)
        _ = try optimizer.state(of: 0, slot: 2)
        expectFailure(.argument, ["slot is 3", "0 ..< 3"]) { () throws(MartletError) in
            try optimizer.state(of: 0, slot: 3)
        }
    }

    /// What is refused leaves the optimizer as it was.
    @Test func refusedAdditions() throws {
        let (first, second) = (Parameter(seed: 1), Parameter(seed: 2))
        defer { extendLifetime((first, second)) }
        let optimizer = try Optimizer(Configuration(.adam))
        try optimizer.add(first, name: "weight")
        func refuse(
            _ kind: MartletError.Kind, _ words: [String], sourceLocation: SourceLocation = #_sourceLocation,
            _ body: () throws(MartletError) -> Int
        ) {
            let bytes = optimizer.stateBytes
            expectFailure(kind, words, sourceLocation: sourceLocation, body)
            #expect(optimizer.count == 1 && optimizer.stateBytes == bytes, sourceLocation: sourceLocation)
        }
        refuse(.argument, ["name is \"weight\"", "no other parameter"]) { () throws(MartletError) in
            try optimizer.add(second, name: "weight")
        }
        refuse(.argument, ["name is \"\""]) { () throws(MartletError) in try optimizer.add(second, name: "") }
        for group in [-1, 1, .max] {
            refuse(.argument, ["group is \(group)", "0 ..< 1"]) { () throws(MartletError) in
                try optimizer.add(second, group: group)
            }
        }
        for types in [[], [.fp32], [.fp32, .fp32, .fp32]] as [[StateType]] {
            refuse(.argument, ["state_count is \(types.count)", "2 for adam"]) { () throws(MartletError) in
                try optimizer.add(second, stateTypes: types)
            }
        }
        refuse(.overlap, ["\"weight\""]) { () throws(MartletError) in try optimizer.add(first, name: "again") }
        refuse(.overlap, ["\"weight\""]) { () throws(MartletError) in
            try optimizer.add(ArrayView(base: first.view.value.base! + 44, count: 5, type: .fp32))
        }
        refuse(.null, ["value.data is NULL", "3 elements"]) { () throws(MartletError) in
            try optimizer.add(ArrayView(base: nil, count: 3, type: .fp32))
        }
        refuse(.shape, ["value.count is -1"]) { () throws(MartletError) in
            try optimizer.add(ArrayView(base: second.view.value.base, count: -1, type: .fp32))
        }
        refuse(.overlap, ["value.strides[0] is 0"]) { () throws(MartletError) in
            try optimizer.add(second.view.value.shaped([3, 4], [0, 1], in: second))
        }
        refuse(.shape, ["value.rank is 65"]) { () throws(MartletError) in
            try optimizer.add(ArrayView(base: second.view.value.base, count: 12, type: .fp32, rank: 65))
        }
        // After all of that, it goes on.
        #expect(try optimizer.add(second) == 1)
        try optimizer.step([first.view.gradient, second.view.gradient])
    }

    /// Without a name a parameter is called by its index.
    @Test func names() throws {
        let parameters = (0..<3).map { Parameter(seed: UInt64($0)) }
        defer { extendLifetime(parameters) }
        let optimizer = try Optimizer(Configuration(.adam))
        try optimizer.add(parameters[0])
        try optimizer.add(parameters[1], name: "schön \u{1F426}")
        expectFailure(.argument, ["name is \"0\""]) { () throws(MartletError) in
            try optimizer.add(parameters[2], name: "0")
        }
        let longest = String(repeating: "é", count: 250)
        expectFailure(.argument, ["name is \"éé", "more than 500 bytes", "1 to 500"]) { () throws(MartletError) in
            try optimizer.add(parameters[2], name: longest + "x")
        }
        // By its bytes: the same letter, written in two ways, makes two names.
        expectFailure(.argument, ["name is \"schön", "parameter 1"]) { () throws(MartletError) in
            try optimizer.add(parameters[2], name: "schön \u{1F426}")
        }
        #expect(try optimizer.add(Parameter(count: 0), name: "scho\u{308}n \u{1F426}") == 2)
        try optimizer.reset()
        try optimizer.add(parameters[0])
        try optimizer.add(parameters[1], name: "schön \u{1F426}")
        let short = ArrayView(base: parameters[1].view.gradient.base, count: 5, type: .fp32)
        expectFailure(.shape, ["grads[1] (\"schön \u{1F426}\").count is 5", "12"]) { () throws(MartletError) in
            try optimizer.step([parameters[0].view.gradient, short])
        }
        #expect(try optimizer.add(parameters[2], name: longest) == 2)
    }

    /// An index that was given away as a name: the message does not quote a name that nobody gave.
    @Test func indexThatIsAName() throws {
        let parameters = (0..<2).map { Parameter(seed: UInt64($0)) }
        defer { extendLifetime(parameters) }
        let optimizer = try Optimizer(Configuration(.adam))
        try optimizer.add(parameters[0], name: "1")
        expectFailure(.argument, ["the index 1 is another parameter's name"]) { () throws(MartletError) in
            try optimizer.add(parameters[1])
        }
    }

    /// Thousands of names and places, in no order: each name and each overlap is found, and nothing else is.
    @Test func manyParameters() throws {
        let count = 3000
        let memory = Parameter(count: 4 * count)
        defer { extendLifetime(memory) }
        let base = memory.view.value.base!
        var generator = Generator(seed: 9)
        let places = (0..<count).shuffled(using: &generator)
        let optimizer = try Optimizer(Configuration(.adam))
        func view(_ place: Int, offset: Int, count: Int) -> ArrayView {
            ArrayView(base: base + 16 * place + 4 * offset, count: count, type: .fp32)
        }
        for (index, place) in places.enumerated() {
            // Two of four elements each, the middle ones.
            #expect(try optimizer.add(view(place, offset: 1, count: 2), name: "p\(place)") == index)
            guard index % 97 == 0 else { continue }
            let known = places[...index].randomElement(using: &generator)!
            expectFailure(.argument, ["\"p\(known)\""]) { () throws(MartletError) in
                try optimizer.add(view(place, offset: 3, count: 1), name: "p\(known)")
            }
            for (offset, length) in [(0, 2), (1, 1), (2, 1), (2, 2), (0, 4)] {
                expectFailure(.overlap, ["\"p\(known)\""]) { () throws(MartletError) in
                    try optimizer.add(view(known, offset: offset, count: length), name: "other")
                }
            }
        }
        // What is left free between them may still be added; all of it together may not.
        expectFailure(.overlap, ["\"p"]) { () throws(MartletError) in
            try optimizer.add(ArrayView(base: base, count: 4 * count, type: .fp32))
        }
        for place in places {
            _ = try optimizer.add(view(place, offset: 0, count: 1), name: "a\(place)")
            _ = try optimizer.add(view(place, offset: 3, count: 1), name: "b\(place)")
        }
        let clone = try optimizer.clone()
        expectFailure(.overlap, ["\"p7\""]) { () throws(MartletError) in try clone.add(view(7, offset: 2, count: 1)) }
        expectFailure(.argument, ["\"b7\""]) { () throws(MartletError) in
            try clone.add(ArrayView(base: nil, count: 0, type: .fp32), name: "b7")
        }
    }

    /// Columns of one matrix are parameters of their own.
    @Test func columns() throws {
        let matrix = Parameter(count: 40)
        defer { extendLifetime(matrix) }
        let optimizer = try Optimizer(Configuration(.adam))
        func column(_ index: Int, width: Int) -> ArrayView {
            ArrayView(base: matrix.view.value.base! + index * 4, count: 0, type: .fp32)
                .shaped([10, width], [4, 1], in: matrix)
        }
        _ = try optimizer.add(column(0, width: 1))
        _ = try optimizer.add(column(1, width: 2))
        expectFailure(.overlap, ["\"1\""]) { () throws(MartletError) in try optimizer.add(column(2, width: 2)) }
        _ = try optimizer.add(column(3, width: 1))
        let before = matrix.values
        let gradient = Parameter(count: 20)
        try optimizer.step([
            .none, ArrayView(base: gradient.view.gradient.base, count: 20, type: .fp32), .none,
        ])
        extendLifetime(gradient)
        for (index, value) in matrix.values.enumerated() {
            #expect((value != before[index]) == (index % 4 == 1 || index % 4 == 2))
        }
    }

    /// A long array with gaps, and small ones in the gaps: the long one is found behind all that start after it.
    @Test func gaps() throws {
        let memory = Parameter(count: 6400)
        defer { extendLifetime(memory) }
        let base = memory.view.value.base!
        let optimizer = try Optimizer(Configuration(.adam))
        func view(_ place: Int, _ count: Int) -> ArrayView {
            ArrayView(base: base + 4 * place, count: count, type: .fp32)
        }
        _ = try optimizer.add(view(0, 64).shaped([64], [100], in: memory), name: "long")
        for gap in 0..<63 {
            for part in 0..<3 { _ = try optimizer.add(view(100 * gap + 10 + 20 * part, 10), name: "\(gap) \(part)") }
            expectFailure(.overlap, ["\"long\""]) { () throws(MartletError) in
                try optimizer.add(view(100 * gap + 100, 1))
            }
            expectFailure(.overlap, ["\"\(gap) 1\""]) { () throws(MartletError) in
                try optimizer.add(view(100 * gap + 39, 1))
            }
        }
    }

    @Test func gradientCounts() throws {
        let parameter = Parameter()
        let optimizer = try Optimizer(Configuration(.adam))
        try optimizer.add(parameter)
        let before = parameter.bytes
        for gradients in [[], [parameter.view.gradient, parameter.view.gradient]] as [[ArrayView]] {
            expectFailure(.argument, ["count is \(gradients.count)", "expected 1"]) { () throws(MartletError) in
                try optimizer.step(gradients)
            }
        }
        #expect(parameter.bytes == before)
        #expect(try Optimizer(Configuration(.adam)).step([]).skipped == 0)
    }

    /// A missing gradient leaves value, moments and counter alone, and the report counts it.
    @Test func missingGradients() throws {
        let parameters = (0..<4).map { Parameter(seed: UInt64($0)) }
        defer { extendLifetime(parameters) }
        let optimizer = try Optimizer(Configuration(.adam))
        for parameter in parameters { try optimizer.add(parameter) }
        try optimizer.step(parameters.map(\.view.gradient))
        let values = parameters.map(\.values)
        let moments = try (0..<4).map { try optimizer.moments($0, 0) }
        let report = try optimizer.step([.none, parameters[1].view.gradient, .none, .none])
        #expect(report.skipped == 3)
        for index in 0..<4 {
            #expect((parameters[index].values != values[index]) == (index == 1))
            #expect(try (optimizer.moments(index, 0) != moments[index]) == (index == 1))
            #expect(try optimizer.stepCount(of: index) == (index == 1 ? 2 : 1))
        }
        #expect(try optimizer.step([.none, .none, .none, .none]).skipped == 4)
    }

    @Test func gradientThatOverlapsAValue() throws {
        let parameters = [Parameter(seed: 1), Parameter(seed: 2)]
        let optimizer = try Optimizer(Configuration(.adam))
        for parameter in parameters { try optimizer.add(parameter) }
        let before = parameters.map(\.bytes)
        expectFailure(.overlap, ["parameter 0's value", "grads[1]"]) { () throws(MartletError) in
            try optimizer.step([parameters[0].view.gradient, parameters[0].view.value])
        }
        let moment = try optimizer.state(of: 1, slot: 0)
        expectFailure(.overlap, ["parameter 1's state[0]", "grads[0]"]) { () throws(MartletError) in
            try optimizer.step([moment, parameters[1].view.gradient])
        }
        #expect(parameters.map(\.bytes) == before)
        #expect(try optimizer.stepCount(of: 0) == 0)
    }

    @Test func groups() throws {
        let parameters = (0..<3).map { _ in Parameter(seed: 5) }
        defer { extendLifetime(parameters) }
        let optimizer = try Optimizer(Configuration(.adam) { $0.lr = 0 })
        expectFailure(.argument, ["config.lr is -1.0"]) { () throws(MartletError) in
            try optimizer.addGroup(Configuration(.adam) { $0.lr = -1 })
        }
        #expect(optimizer.groupCount == 1)
        #expect(try optimizer.addGroup(Configuration(.adam) { $0.lr = 0.5 }) == 1)
        #expect(try optimizer.addGroup(Configuration(.adam) { ($0.lr, $0.flags) = (0.5, [.maximize, .amsgrad]) }) == 2)
        #expect(optimizer.groupCount == 3)
        let before = parameters[0].values
        for index in 0..<3 { try optimizer.add(parameters[index], group: index) }
        try optimizer.step(parameters.map(\.view.gradient))
        #expect(parameters[0].values == before)
        for index in 0..<12 {
            let (down, up) = (parameters[1].values[index] - before[index], parameters[2].values[index] - before[index])
            #expect(down != 0 && (down + up).magnitude < 1e-6)
        }
        try optimizer.set(.lr, to: 0.25, group: 0)
        try optimizer.step(parameters.map(\.view.gradient))
        #expect(parameters[0].values != before)
    }

    @Test func clones() throws {
        let parameter = Parameter(count: 30, seed: 6)
        defer { extendLifetime(parameter) }
        let optimizer = try Optimizer(Configuration(.adam))
        _ = try optimizer.addGroup(Configuration(.adam) { $0.lr = 0.1 })
        try optimizer.add(parameter, name: "w", group: 1, stateTypes: [.fp64, .fp32])
        for _ in 0..<3 { try optimizer.step([parameter.view.gradient]) }
        let clone = try optimizer.clone()
        #expect(clone.count == 1 && clone.groupCount == 2 && clone.stateBytes == optimizer.stateBytes)
        #expect(try clone.stepCount(of: 0) == 3)
        let start = parameter.bytes
        try optimizer.set(.lr, to: 0.2, group: 1)
        #expect(try clone.get(.lr, group: 1) == 0.1)
        try optimizer.set(.lr, to: 0.1, group: 1)
        let moments = try clone.moments(0, 0)
        try optimizer.step([parameter.view.gradient])
        #expect(try clone.moments(0, 0) == moments && clone.stepCount(of: 0) == 3)
        // From the same place the clone takes the same step.
        let end = parameter.bytes
        for (index, byte) in start.enumerated() {
            parameter.memory.base.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
        }
        try clone.step([parameter.view.gradient])
        #expect(parameter.bytes == end && start != end)
        #expect(try clone.moments(0, 0) == optimizer.moments(0, 0))
        #expect(try clone.moments(0, 1) == optimizer.moments(0, 1))
        // Both go on without the other.
        try optimizer.reset()
        #expect(clone.count == 1)
        try clone.step([parameter.view.gradient])
        #expect(try clone.stepCount(of: 0) == 5)
        expectFailure(.overlap, ["\"w\""]) { () throws(MartletError) in try clone.add(parameter, name: "v") }
    }

    @Test func cloneOfAShapedParameter() throws {
        let parameter = Parameter(count: 12)
        defer { extendLifetime(parameter) }
        var clone: Optimizer?
        do {
            let optimizer = try Optimizer(Configuration(.adam))
            _ = try optimizer.add(parameter.view.value.shaped([3, 2], [4, 2], in: parameter))
            clone = try optimizer.clone()
        }
        // The original is gone; the clone has sizes and strides of its own.
        let before = parameter.values
        try clone?.step([ArrayView(base: parameter.view.gradient.base, count: 6, type: .fp32)])
        for (index, value) in parameter.values.enumerated() { #expect((value != before[index]) == (index % 2 == 0)) }
    }

    @Test func reset() throws {
        let parameter = Parameter()
        defer { extendLifetime(parameter) }
        let optimizer = try Optimizer(Configuration(.adam))
        _ = try optimizer.addGroup(Configuration(.adam) { $0.lr = 0.5 })
        try optimizer.add(parameter, name: "w")
        try optimizer.step([parameter.view.gradient])
        try optimizer.reset()
        #expect(optimizer.count == 0 && optimizer.stateBytes == 0 && optimizer.groupCount == 2)
        #expect(try optimizer.get(.lr, group: 1) == 0.5)
        try optimizer.step([])
        // The same memory and name may come again, and start from nothing.
        #expect(try optimizer.add(parameter, name: "w") == 0)
        #expect(try optimizer.stepCount(of: 0) == 0)
        #expect(try optimizer.moments(0, 0).allSatisfy { $0 == 0 })
    }
}
