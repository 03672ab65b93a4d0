// Adam-mini, of which a pass sums by row: against the equation in plain Double for blocks of any shape, masked and on a sphere
// too, and the same bits for any threads and any layout.

import MartletOptimizers
import MartletPlatform
import MartletTestSupport
import Testing

/// The equation of a parameter whose block has so many elements, as it is written.
private struct Plain {
    var value, m: [Double]
    var v: [Double]
    let block: Int

    init(_ value: [Double], block: Int) {
        self.value = value
        self.block = block
        m = Array(repeating: 0, count: value.count)
        v = Array(repeating: 0, count: value.count / block)
    }

    mutating func step(_ g: [Double], _ t: Int, _ c: Configuration) {
        let (c1, c2) = (oneMinusPower(c.beta1, t), oneMinusPower(c.beta2, t))
        var update = g
        for index in v.indices {
            let squares = g[index * block..<(index + 1) * block].reduce(0) { $0 + $1 * $1 }
            v[index] = c.beta2 * v[index] + (1 - c.beta2) * squares / Double(block)
        }
        for index in g.indices {
            m[index] += (1 - c.beta1) * (g[index] - m[index])
            update[index] = c.lr / c1 * m[index] / ((v[index / block] / c2).squareRoot() + c.eps)
        }
        if c.flags.contains(.cautiousUpdate) {
            let mask = g.indices.map { update[$0] * g[$0] > 0 ? 1.0 : 0 }
            let share = max(mask.reduce(0, +) / Double(g.count), 1e-3)
            for index in g.indices { update[index] *= mask[index] / share }
        }
        for index in g.indices { value[index] = (1 - c.lr * c.weightDecay) * value[index] - update[index] }
    }
}

@Suite struct AdamMiniTests {
    private static func numbers(_ view: ArrayView) -> [Double] { (0..<view.count).map { view.get($0) } }

    /// Sizes with blocks: short rows and long ones, rows of several tiles and many of them, and vectors.
    private static let cases: [(sizes: [Int], block: Int)] = [
        ([1], 1), ([700], 1), ([700], 0), ([700], 7), ([20_000], 0), ([3, 5], 1), ([300, 1], 1), ([1, 300], 1),
        ([63, 63], 1),
        ([33, 257], 1), ([33, 257], 11), ([33, 257], 0), ([3, 20_000], 1), ([4, 20_000], 2), ([400, 200], 50),
        ([6, 4, 3, 3], 1), ([6, 4, 3, 3], 3), ([2000, 33], 1), ([2000, 70], 1),
    ]

    @Test(arguments: [ElementType.fp32, .fp64], [Flags(), .cautiousUpdate]) func equation(
        type: ElementType, flags: Flags
    ) throws {
        for (sizes, block) in Self.cases {
            let configuration = Configuration(.adamMini) {
                ($0.lr, $0.weightDecay, $0[.blockSize]) = (0.01, 0.1, Double(block))
                $0.flags.formUnion(flags)
            }
            let parameter = Parameter(for: configuration, sizes: sizes, type, seed: 5)
            let rows = block == 0 ? sizes[0] : block
            var plain = Plain(Self.numbers(parameter.view.value), block: parameter.count / sizes[0] * rows)
            #expect(parameter.view.state[1].count == plain.v.count)
            for t in 1...3 {
                parameter.randomizeGradient(seed: UInt64(t))
                plain.step(Self.numbers(parameter.view.gradient), t, configuration)
                try step([parameter], [configuration])
            }
            let error = zip(Self.numbers(parameter.view.value), plain.value).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(error < (type == .fp64 ? 1e-14 : 3e-7), "\(sizes) \(block)")
            let isNear = zip(Self.numbers(parameter.view.state[1]), plain.v).allSatisfy {
                abs($0 - $1) <= (type == .fp64 ? 1e-13 : 2e-7) * $1
            }
            #expect(isNear, "\(sizes) \(block)")
        }
    }

    /// Elements of a vector have a number each, as in Adam.
    @Test func vectorsAreAdams() throws {
        let (mini, adam) = (Configuration(.adamMini), Configuration(.adam))
        let (parameter, other) = (Parameter(for: mini, count: 500, .fp64), Parameter(for: adam, count: 500, .fp64))
        for t in 1...4 {
            parameter.randomizeGradient(seed: UInt64(t))
            other.randomizeGradient(seed: UInt64(t))
            try step([parameter], [mini])
            try step([other], [adam])
        }
        let error = zip(Self.numbers(parameter.view.value), Self.numbers(other.view.value)).reduce(0) {
            max($0, abs($1.0 - $1.1))
        }
        #expect(error < 1e-15)
    }

    @Test(arguments: [Flags(), .cautiousUpdate, .hyperball, [.cautiousUpdate, .hyperball]])
    func sameBitsForAnyThreads(flags: Flags) throws {
        for (sizes, block) in Self.cases where sizes.reduce(1, *) > 10_000 {
            let configuration = Configuration(.adamMini) {
                $0[.blockSize] = Double(block)
                $0.flags.formUnion(flags)
            }
            try expectSameBitsForAnyThreads(configuration) {
                (0..<2).map { Parameter(for: configuration, sizes: sizes, .fp32, seed: UInt64($0)) }
            }
        }
    }

    @Test func refusals() {
        let configuration = Configuration(.adamMini) { $0[.blockSize] = 4 }
        expectRefusal(
            .shape, ["parameters[0].value has 10 rows", "expected a multiple of 4", "block_size"],
            [Parameter(for: configuration, sizes: [10, 3])], [configuration])
        let matrix = Parameter(for: configuration, sizes: [8, 3])
        let blocks = matrix.view.state[1]
        matrix.view.state[1] = ArrayView(base: blocks.base, count: 8, type: .fp32)
        expectRefusal(.shape, ["parameters[0].state[1]", "expected 2"], [matrix], [configuration])
        matrix.view.state[1] = ArrayView(base: blocks.base, count: 2, type: .bf16)
        expectRefusal(.type, ["parameters[0].state[1]", "fp64 or fp32"], [matrix], [configuration])
    }
}
