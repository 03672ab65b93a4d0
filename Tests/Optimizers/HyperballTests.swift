// Steps that keep the norms of matrices, and Muon's rows divided by averages: against the equations in plain Double, the same
// bits for any threads, and what is kept.

import MartletOptimizers
import MartletPlatform
import MartletTestSupport
import Testing

@Suite struct HyperballTests {
    private static func numbers(_ view: ArrayView) -> [Double] { (0..<view.count).map { view.get($0) } }
    private static func norm(_ numbers: [Double]) -> Double { numbers.reduce(0) { $0 + $1 * $1 }.squareRoot() }

    /// SGD's update is its gradient.
    @Test(arguments: [ElementType.fp32, .fp64]) func equations(type: ElementType) throws {
        let configuration = Configuration(.sgd) { ($0.lr, $0.flags) = (0.3, .hyperball) }
        for sizes in [[1, 2], [7, 9], [200, 300], [3, 2, 5], [1, 40_000]] {
            let parameter = Parameter(for: configuration, sizes: sizes, type, seed: 5)
            var value = Self.numbers(parameter.view.value)
            let radius = Self.norm(value)
            for t in 0..<3 {
                parameter.randomizeGradient(seed: UInt64(t))
                let g = Self.numbers(parameter.view.gradient)
                let size = Self.norm(g)
                for index in value.indices { value[index] -= 0.3 * radius / size * g[index] }
                let left = Self.norm(value)
                for index in value.indices { value[index] *= radius / left }
                try step([parameter], [configuration])
            }
            // The expected norm is of up to 60,000 squares added one after another.
            #expect((parameter.view.state[0].get(0) / radius - 1).magnitude < 1e-13)
            let error = zip(Self.numbers(parameter.view.value), value).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(error < (type == .fp64 ? 1e-13 : 1e-6), "\(sizes)")
        }
    }

    /// Rows of a matrix that is orthogonal already, as the first column of Newton and Schulz's has it.
    @Test func normuonMakesRowsEven() throws {
        let configuration = Configuration(.muon) {
            ($0.lr, $0.weightDecay, $0.beta2) = (1, 0, 0)
            $0.flags = [.nesterov, .normuon]
        }
        for sizes in [[6, 9], [9, 6], [300, 170]] {
            let parameter = Parameter(for: configuration, sizes: sizes, .fp32, seed: 5)
            for index in 0..<parameter.count { parameter.view.value.set(index, 0) }
            try step([parameter], [configuration])
            let value = Self.numbers(parameter.view.value)
            let columns = sizes[1]
            let norms = (0..<sizes[0]).map { Self.norm(Array(value[$0 * columns..<($0 + 1) * columns])) }
            for norm in norms { #expect((norm / norms[0] - 1).magnitude < 1e-4) }
            #expect(parameter.view.state[1].count == sizes[0])
        }
    }

    @Test(arguments: [Algorithm.adamW, .muon], [[3, 40], [230, 190], [12, 9, 3, 3]])
    func sameBitsForAnyThreads(algorithm: Algorithm, sizes: [Int]) throws {
        let configuration = Configuration(algorithm) {
            $0.weightDecay = 0
            $0.flags.formUnion(algorithm == .muon ? [.hyperball, .normuon] : .hyperball)
        }
        try expectSameBitsForAnyThreads(configuration) {
            (0..<3).map { Parameter(for: configuration, sizes: sizes, .fp32, seed: UInt64($0)) }
        }
    }

    @Test func refusals() {
        let matrix = Parameter(for: Configuration(.muon), sizes: [10, 3], .fp32, seed: 1)
        expectRefusal(
            .argument, ["groups[0].weight_decay is 0.1", "expected 0 with HYPERBALL", "muon"], [matrix],
            [Configuration(.muon) { $0.flags.insert(.hyperball) }])
        for flag in [Flags.cautiousDecay, .correctedDecay, .matchRMS, .spectral] {
            expectRefusal(
                .argument, ["flags sets both", "HYPERBALL", "one of them at most", "muon"], [matrix],
                [
                    Configuration(.muon) {
                        $0.weightDecay = 0
                        $0.flags.formUnion([.hyperball, flag])
                    }
                ])
        }
    }
}
