// Which arrays of a step may lie in the same memory: none that is written with any other, element by element.

import MartletOptimizers
import MartletTestSupport
import Testing

/// A matrix of Float in one block, and parameters that are parts of it: values and nothing else overlap.
private func parts(
    _ pairs: [(offset: Int, sizes: [Int], strides: [Int])], matrix: Memory
) -> [Parameter] {
    pairs.map { offset, sizes, strides in
        let parameter = Parameter(count: sizes.reduce(1, *))
        let view = ArrayView(base: matrix.base + offset * 4, count: parameter.count, type: .fp32)
        parameter.view.value = sizes.count == 1 && strides == [1] ? view : view.shaped(sizes, strides, in: parameter)
        return parameter
    }
}

@Suite struct OverlapTests {
    private func expectAllowed(
        _ pairs: [(offset: Int, sizes: [Int], strides: [Int])], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let matrix = Memory(byteCount: 4096)
        let error = failure { () throws(MartletError) in try step(parts(pairs, matrix: matrix)) }
        #expect(error == nil, sourceLocation: sourceLocation)
        extendLifetime(matrix)
    }

    private func expectRefused(
        _ pairs: [(offset: Int, sizes: [Int], strides: [Int])], _ first: Int = 0, _ second: Int = 1,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let matrix = Memory(byteCount: 4096)
        let words = ["parameters[\(first)].value", "parameters[\(second)].value", "overlap"]
        expectRefusal(.overlap, words, parts(pairs, matrix: matrix), sourceLocation: sourceLocation)
        #expect(matrix.bytes.allSatisfy { $0 == 0 }, sourceLocation: sourceLocation)
    }

    @Test func contiguous() {
        expectAllowed([(0, [10], [1]), (10, [10], [1])])
        expectAllowed([(10, [10], [1]), (0, [10], [1])])
        expectRefused([(0, [10], [1]), (9, [10], [1])])
        expectRefused([(0, [10], [1]), (0, [10], [1])])
        expectRefused([(0, [100], [1]), (50, [1], [1])])
        expectRefused([(0, [10], [1]), (20, [10], [1]), (10, [11], [1])], 2, 1)
    }

    /// A long array before many short ones, of which the last lies in it.
    @Test func longSpans() {
        var pairs: [(offset: Int, sizes: [Int], strides: [Int])] = [(0, [40], [1])]
        for index in 0..<30 { pairs.append((40 + index * 10, [10], [1])) }
        expectAllowed(pairs)
        pairs.append((39, [1], [1]))
        expectRefused(pairs, 0, 31)
    }

    /// Every other element, columns, and blocks of columns of one matrix.
    @Test func interleaved() {
        expectAllowed([(0, [10], [2]), (1, [10], [2])])
        expectRefused([(0, [10], [2]), (2, [10], [2])])
        expectAllowed((0..<8).map { ($0, [20], [8]) })
        expectAllowed([(0, [20, 3], [8, 1]), (3, [20, 5], [8, 1])])
        expectRefused([(0, [20, 4], [8, 1]), (3, [20, 5], [8, 1])])
        expectAllowed([(0, [3, 20], [1, 8]), (3, [20, 5], [8, 1])])
        // Blocks of rows of blocks of columns.
        expectAllowed([(0, [5, 4], [16, 1]), (4, [5, 12], [16, 1]), (80, [5, 16], [16, 1])])
        // A column against a contiguous run in its gap.
        expectAllowed([(0, [3], [100]), (1, [99], [1]), (101, [99], [1])])
        expectRefused([(0, [3], [100]), (1, [100], [1])])
    }

    @Test func backwards() {
        expectAllowed([(19, [10], [-2]), (0, [10], [2])])
        expectRefused([(18, [10], [-2]), (0, [10], [2])])
        expectAllowed([(9, [10], [-1]), (10, [10], [1])])
        expectRefused([(10, [10], [-1]), (10, [10], [1])])
    }

    /// Arrays of different types in the same memory: eight bytes of every sixteen, and two of every sixteen.
    @Test func elementSizes() {
        let matrix = Memory(byteCount: 256)
        defer { extendLifetime(matrix) }
        for (offset, isAllowed) in [(0, false), (2, false), (6, false), (8, true), (14, true)] {
            let (wide, narrow) = (Parameter(count: 5, .fp64), Parameter(count: 5, .bf16))
            wide.view.value = ArrayView(base: matrix.base, count: 5, type: .fp64).shaped([5], [2], in: wide)
            narrow.view.value = ArrayView(base: matrix.base + offset, count: 5, type: .bf16).shaped(
                [5], [8], in: narrow)
            if isAllowed {
                #expect(failure { () throws(MartletError) in try step([wide, narrow]) } == nil)
            } else {
                expectRefusal(.overlap, ["overlap"], [wide, narrow])
            }
        }
    }

    /// The arrays of one parameter, two at a time.
    @Test func partsOfOneParameter() throws {
        func same(_ words: [String], _ change: (Parameter) -> Void) {
            let parameter = Parameter()
            change(parameter)
            expectRefusal(.overlap, words.map { "parameters[0].\($0)" }, [parameter])
        }
        same(["value", "grad"]) { $0.view.gradient.base = $0.view.value.base }
        same(["value", "grad"]) { $0.view.gradient.base = $0.view.value.base.map { $0 + 4 } }
        same(["value", "grad"]) { $0.view.value.base = $0.view.gradient.base.map { $0 + 4 } }
        same(["state[0]", "grad"]) { $0.view.gradient.base = $0.view.state[0].base }
        same(["state[0]", "state[1]"]) { $0.view.state[0].base = $0.view.state[1].base }
        same(["value", "state[1]"]) { $0.view.state[1].base = $0.view.value.base.map { $0 - 44 } }
    }

    /// Gradients are only read: they may be the same array, or run over each other.
    @Test func gradientsMayOverlap() throws {
        let parameters = [Parameter(seed: 1), Parameter(seed: 2), Parameter(count: 10, seed: 3)]
        parameters[1].view.gradient = parameters[0].view.gradient
        parameters[2].view.gradient.base = parameters[0].view.gradient.base.map { $0 + 4 }
        try step(parameters)
        #expect(parameters.map(\.counter) == [1, 1, 1])
        parameters[2].view.gradient.base = parameters[1].view.value.base
        expectRefusal(.overlap, ["parameters[1].value", "parameters[2].grad"], parameters)
        extendLifetime(parameters)
    }

    /// A skipped parameter's memory is still its own: what is written may not lie in it.
    @Test func skippedParameters() {
        let (skipped, other) = (Parameter(seed: 1), Parameter(seed: 2))
        skipped.view.gradient = .none
        other.view.value = skipped.view.value
        expectRefusal(.overlap, ["parameters[0].value", "parameters[1].value"], [skipped, other])
    }

    /// Parameters that share a counter, side by side or not, take one step together.
    @Test func sharedCounters() throws {
        for sharing in [[0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0], [0, 1, 2, 0]] {
            let parameters = (0..<4).map { Parameter(seed: UInt64($0)) }
            let alone = (0..<4).map { Parameter(seed: UInt64($0)) }
            for index in 0..<4 { parameters[index].view.step = parameters[sharing[index]].view.step }
            for taken in 1...3 as ClosedRange<Int64> {
                try step(parameters)
                try step(alone)
                for index in 0..<4 {
                    #expect(parameters[index].counter == taken)
                    // The counter itself stands in the first eight bytes.
                    #expect(parameters[index].bytes[8...] == alone[index].bytes[8...])
                }
            }
            extendLifetime(parameters)
        }
    }

    /// A shared counter goes on when one of its parameters has a gradient.
    @Test func sharedCounterOfASkippedParameter() throws {
        for skipped in 0..<2 {
            let parameters = [Parameter(seed: 1), Parameter(seed: 2)]
            parameters[1].view.step = parameters[0].view.step
            parameters[skipped].view.gradient = .none
            #expect(try step(parameters).skipped == 1)
            #expect(parameters[0].counter == 1)
            extendLifetime(parameters)
        }
    }

    @Test func countersInsideArrays() {
        for offset in [-8, 0, 40, 48] {
            let parameters = [Parameter(), Parameter()]
            // A run of zeros, which is a counter too.
            for index in 0..<12 { parameters[0].view.state[0].set(index, 0) }
            let address = parameters[0].view.state[0].base! + offset
            parameters[1].view.step = address.bindMemory(to: Int64.self, capacity: 1)
            if offset == -8 || offset == 48 {
                #expect(failure { () throws(MartletError) in try step(parameters) } == nil)
            } else {
                expectRefusal(.overlap, ["parameters[0].state[0]", "parameters[1].step"], parameters)
            }
            extendLifetime(parameters)
        }
    }
}
