// The step over Swift arrays: the bits of an optimizer that has the array alone, and nothing changed where it throws.
import MartletOptimizers
import Testing

@Suite struct ArrayStepTests {
    private static let groups = [
        Configuration(.adamW), Configuration(.adamW) { $0.flags = [.amsgrad, .correctedDecay] }, Configuration(.nadam),
        Configuration(.asgd),
    ]

    @Test(arguments: groups.indices, [0, 1, 37])
    func isAnOptimizersStep(place: Int, count: Int) throws {
        let group = Self.groups[place]
        let room = group.slots.elementCount * count + 2 * group.slots.scalarCount
        let start = (0..<count).map { Float($0) / 8 - 2 }
        let gradient = start.map { 0.5 - $0 }
        var (value, state, steps) = (start, [Float](), Int64(0))
        for _ in 0..<3 { try step(&value, gradient: gradient, state: &state, stepCount: &steps, group) }
        #expect(steps == 3 && state.count == room)

        var (same, slots, taken) = (start, [Float](repeating: 0, count: room), Int64(0))
        for _ in 0..<3 { try step(&same, gradient: gradient, state: &slots, stepCount: &taken, group) }
        #expect(same == value && slots == state)

        var borrowed = start
        try borrowed.withUnsafeMutableBufferPointer { borrowed in
            let optimizer = try Optimizer(group)
            try optimizer.add(ArrayView(borrowed))
            var gradient = gradient
            try gradient.withUnsafeMutableBufferPointer { gradient in
                for _ in 0..<3 { try optimizer.step([ArrayView(gradient)]) }
            }
            for scalar in 0..<group.slots.scalarCount {
                let place = room - 2 * (group.slots.scalarCount - scalar)
                let bits = (0..<2).map { UInt64(state[place + $0].bitPattern) << (32 * UInt64($0)) }
                let wanted = try optimizer.state(of: 0, slot: group.slots.elementCount + scalar).get(0)
                // Without elements there is nothing to step but the count.
                #expect(Double(bitPattern: bits[0] | bits[1]) == wanted)
            }
        }
        #expect(borrowed == value)
    }

    @Test(arguments: [[], [1, 2, 3, 4]] as [[Float]])
    func nothingChangesWhereItThrows(kept: [Float]) {
        for (gradient, count, lr) in [([1], 0, 1e-3), ([1, 2], -1, 1e-3), ([1, 2], .max, 1e-3), ([1, 2], 0, -1)]
            as [([Float], Int64, Double)]
        {
            var (value, state, steps) = ([5, 6] as [Float], kept, count)
            let group = Configuration(.adam) { $0.lr = lr }
            #expect(throws: MartletError.self) {
                try step(&value, gradient: gradient, state: &state, stepCount: &steps, group)
            }
            #expect(value == [5, 6] && state == kept && steps == count)
        }
    }
}
