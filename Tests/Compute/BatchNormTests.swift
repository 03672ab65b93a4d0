// Batch normalisation against its definition in Double, and its gradients against central differences.

import MartletKernelInterface
import MartletCompute
import MartletTestSupport
import Testing

@Suite struct BatchNormTests {
    static let shapes = [
        (1, 1), (2, 3), (33, 1), (100, 6), (64, 10), (17, 16), (16, 17), (700, 64), (5000, 3), (257, 100), (4, 2049),
        (3, 9001), (9000, 16), (20, 4100),
    ]

    struct Statistics {
        var means, variances: [Double]

        /// Two passes in Double.
        init(_ x: [Double], _ channels: Int) {
            let rows = Double(x.count / channels)
            var sums = [Double](repeating: 0, count: channels)
            for index in x.indices { sums[index % channels] += x[index] }
            let means = sums.map { $0 / rows }
            var squares = [Double](repeating: 0, count: channels)
            for index in x.indices {
                let distance = x[index] - means[index % channels]
                squares[index % channels] += distance * distance
            }
            self.means = means
            variances = squares.map { $0 / rows }
        }
    }

    @Test(arguments: shapes, [false, true]) func normalises(shape: (rows: Int, channels: Int), unbiased: Bool) throws {
        let (rows, channels) = shape
        // Means far from 0 in comparison with deviations.
        let x = randomFloats(rows * channels, seed: UInt64(rows)).enumerated().map {
            $1 + Float($0 % channels % 7) * 30
        }
        let (scale, shift) = (randomFloats(channels, seed: 2), randomFloats(channels, seed: 3))
        let before = randomFloats(2 * channels, seed: 4).map(\.magnitude)
        let (epsilon, momentum): (Float, Double) = (1e-3, 0.9)
        let statistics = Statistics(x.map { Double($0) }, channels)
        let inverses = statistics.variances.map { 1 / ($0 + Double(epsilon)).squareRoot() }
        let wanted = x.indices.map { index in
            let channel = index % channels
            return (Double(x[index]) - statistics.means[channel]) * inverses[channel] * Double(scale[channel])
                + Double(shift[channel])
        }
        let correction = unbiased ? Double(rows) / Double(max(rows - 1, 1)) : 1
        let batch = statistics.means + statistics.variances.map { $0 * correction }
        let moved = zip(before, batch).map { momentum * Double($0) + (1 - momentum) * $1 }
        try Twins.each { execution in
            let (input, y) = (FencedFloats(x), FencedFloats(repeating: 7, count: x.count))
            let (moving, saved) = (FencedFloats(before), FencedFloats(repeating: 7, count: 2 * channels))
            let (scales, shifts) = (FencedFloats(scale), FencedFloats(shift))
            execution.batchNorm(
                rows: rows, channels: channels, momentum: momentum, epsilon: epsilon, unbiased: unbiased,
                x: input.pointer, scale: scales.pointer, shift: shifts.pointer, moving: moving.pointer,
                saved: saved.pointer, y: y.pointer)
            expectClose(saved.numbers, statistics.means + inverses, relative: 1e-5, "\(execution.isa.name), saved")
            expectClose(moving.numbers, moved, "\(execution.isa.name), moving")
            // A mean of 180 is rounded by 8e-6, and 1 / deviation is up to 30 where rows are few.
            expectClose(
                y.numbers, wanted, relative: 1e-5, absolute: rows < 8 ? 3e-4 : 5e-5, "\(execution.isa.name), y")
            execution.batchNorm(
                rows: rows, channels: channels, momentum: momentum, epsilon: epsilon, unbiased: unbiased,
                x: input.pointer, scale: nil, shift: nil, moving: moving.pointer, saved: saved.pointer, y: y.pointer)
            // A momentum that fp32 takes for 1.
            let slow = FencedFloats(repeating: 0, count: 2 * channels)
            execution.batchNorm(
                rows: rows, channels: channels, momentum: 0.99999999, epsilon: epsilon, unbiased: unbiased,
                x: input.pointer, scale: nil, shift: nil, moving: slow.pointer, saved: saved.pointer, y: y.pointer)
            expectClose(slow.numbers, batch.map { (1 - 0.99999999) * $0 }, "\(execution.isa.name), slowly")
            let plain = x.indices.map { (Double(x[$0]) - statistics.means[$0 % channels]) * inverses[$0 % channels] }
            expectClose(
                y.numbers, plain, relative: 1e-5, absolute: rows < 8 ? 3e-4 : 5e-5, "\(execution.isa.name), plain")
        }
    }

    /// A statistic that counts nothing does not reach the other, be it an infinity: momentum 1 keeps the old ones, and
    /// momentum 0 takes the batch's.
    @Test func leavesOutWhatCountsNothing() throws {
        let (rows, channels) = (5, 19)
        let x = randomFloats(rows * channels, seed: 1)
        let before = randomFloats(2 * channels, seed: 2).map(\.magnitude)
        let statistics = Statistics(x.map { Double($0) }, channels)
        var broken = x
        broken[channels + 3] = .infinity
        try Twins.each { execution in
            func moved(_ x: [Float], from old: [Float], momentum: Double) -> [Float] {
                let (input, moving) = (FencedFloats(x), FencedFloats(old))
                let (saved, y) = (
                    FencedFloats(repeating: 7, count: 2 * channels), FencedFloats(repeating: 7, count: x.count)
                )
                execution.batchNorm(
                    rows: rows, channels: channels, momentum: momentum, epsilon: 1e-3, unbiased: false,
                    x: input.pointer, scale: nil, shift: nil, moving: moving.pointer, saved: saved.pointer,
                    y: y.pointer)
                return moving.numbers
            }
            #expect(moved(broken, from: before, momentum: 1) == before)
            let after = moved(broken, from: before, momentum: 0)
            #expect(!after[3].isFinite && !after[channels + 3].isFinite)
            expectClose(
                moved(x, from: after, momentum: 0), statistics.means + statistics.variances, relative: 1e-6,
                "\(execution.isa.name)")
        }
    }

    @Test(arguments: shapes) func uses(shape: (rows: Int, channels: Int)) throws {
        let (rows, channels) = shape
        let x = randomFloats(rows * channels, seed: 31, scale: 3)
        let (scale, shift) = (randomFloats(channels, seed: 2), randomFloats(channels, seed: 3))
        let moving = randomFloats(channels, seed: 4) + randomFloats(channels, seed: 5).map(\.magnitude)
        let wanted = x.indices.map { index in
            let channel = index % channels
            let deviation = (Double(moving[channels + channel]) + Double(Float(1e-3))).squareRoot()
            return (Double(x[index]) - Double(moving[channel])) / deviation * Double(scale[channel])
                + Double(shift[channel])
        }
        try Twins.each { execution in
            let (input, y) = (FencedFloats(x), FencedFloats(repeating: 7, count: x.count))
            let (statistics, scales, shifts) = (FencedFloats(moving), FencedFloats(scale), FencedFloats(shift))
            execution.run(
                BatchNormApplyRequest(
                    rows: rows, channels: channels, statistics: statistics.pointer, epsilon: 1e-3, x: input.pointer,
                    scale: scales.pointer, shift: shifts.pointer, y: y.pointer))
            expectClose(y.numbers, wanted, relative: 2e-6, absolute: 1e-5, "\(execution.isa.name)")
            #expect(statistics.numbers == moving)
        }
    }

    /// The loss is the sum of y times the upstream gradient.
    @Test(arguments: [(2, 1), (7, 3), (12, 17), (40, 5)]) func gradientsAgreeWithCentralDifferences(
        rows: Int, channels: Int
    )
        throws
    {
        let epsilon = 1e-3
        let x = randomFloats(rows * channels, seed: UInt64(rows), scale: 2)
        let (scale, upstream) = (randomFloats(channels, seed: 2), randomFloats(x.count, seed: 3))
        let statistics = Statistics(x.map { Double($0) }, channels)
        let inverses = statistics.variances.map { 1 / ($0 + epsilon).squareRoot() }
        func loss(_ x: [Double], _ scale: [Double]) -> Double {
            let statistics = Statistics(x, channels)
            return x.indices.map { index in
                let channel = index % channels
                return Double(upstream[index]) * (x[index] - statistics.means[channel])
                    / (statistics.variances[channel] + epsilon).squareRoot() * scale[channel]
            }.reduce(0, +)
        }
        let (wideX, wideScale) = (x.map { Double($0) }, scale.map { Double($0) })
        let wanted = centralDifferences(wideX) { loss($0, wideScale) }
        let wantedScale = centralDifferences(wideScale) { loss(wideX, $0) }
        let wantedShift = (0..<channels).map { channel in
            stride(from: channel, to: x.count, by: channels).map { Double(upstream[$0]) }.reduce(0, +)
        }
        try Twins.each { execution in
            let (input, gradient) = (FencedFloats(x), FencedFloats(upstream))
            let saved = FencedFloats((statistics.means + inverses).map { Float($0) })
            let (scales, out) = (FencedFloats(scale), FencedFloats(repeating: 7, count: x.count))
            let (scaleGradient, shiftGradient) = (
                FencedFloats(repeating: 7, count: channels), FencedFloats(repeating: 7, count: channels)
            )
            execution.batchNormBackward(
                rows: rows, channels: channels, x: input.pointer, scale: scales.pointer, saved: saved.pointer,
                gradient: gradient.pointer, scaleGradient: scaleGradient.pointer, shiftGradient: shiftGradient.pointer,
                out: out.pointer)
            expectClose(out.numbers, wanted, relative: 1e-5, absolute: 5e-6, "\(execution.isa.name), x")
            expectClose(
                scaleGradient.numbers, wantedScale, relative: 1e-5, absolute: 5e-6, "\(execution.isa.name), scale")
            expectClose(
                shiftGradient.numbers, wantedShift, relative: 1e-5, absolute: 5e-6, "\(execution.isa.name), shift")
            execution.batchNormBackward(
                rows: rows, channels: channels, x: input.pointer, scale: scales.pointer, saved: saved.pointer,
                gradient: gradient.pointer, scaleGradient: nil, shiftGradient: nil, out: gradient.pointer)
            #expect(gradient.numbers == out.numbers)
        }
    }

    /// Shapes that differences would take too long for, against the formula.
    @Test(arguments: shapes) func gradientsAgreeWithTheFormula(shape: (rows: Int, channels: Int)) throws {
        let (rows, channels) = shape
        let (x, dy) = (randomFloats(rows * channels, seed: 6), randomFloats(rows * channels, seed: 7))
        let statistics = Statistics(x.map { Double($0) }, channels)
        let inverses = statistics.variances.map { 1 / ($0 + 1e-3).squareRoot() }
        var (sums, products) = ([Double](repeating: 0, count: channels), [Double](repeating: 0, count: channels))
        for index in x.indices {
            sums[index % channels] += Double(dy[index])
            products[index % channels] += Double(dy[index]) * (Double(x[index]) - statistics.means[index % channels])
        }
        let wanted = x.indices.map { index in
            let channel = index % channels
            let rest =
                (Double(x[index]) - statistics.means[channel]) * inverses[channel] * inverses[channel]
                * products[channel] / Double(rows)
            return inverses[channel] * (Double(dy[index]) - sums[channel] / Double(rows) - rest)
        }
        try Twins.each { execution in
            let (input, gradient) = (FencedFloats(x), FencedFloats(dy))
            let saved = FencedFloats((statistics.means + inverses).map { Float($0) })
            execution.batchNormBackward(
                rows: rows, channels: channels, x: input.pointer, scale: nil, saved: saved.pointer,
                gradient: gradient.pointer, scaleGradient: nil, shiftGradient: nil, out: gradient.pointer)
            expectClose(gradient.numbers, wanted, relative: 1e-5, absolute: 2e-5, "\(execution.isa.name)")
        }
    }

    @Test func threadsDoNotChangeBits() throws {
        for (rows, channels) in [(20_000, 24), (600, 2100)] {
            let x = randomFloats(rows * channels, seed: 8)
            try Twins.expectSameBits { execution in
                let (input, y) = (FencedFloats(x), FencedFloats(repeating: 7, count: x.count))
                let (moving, saved) = (
                    FencedFloats(repeating: 0, count: 2 * channels), FencedFloats(repeating: 7, count: 2 * channels)
                )
                execution.batchNorm(
                    rows: rows, channels: channels, momentum: 0.9, epsilon: 1e-3, unbiased: true, x: input.pointer,
                    scale: nil, shift: nil, moving: moving.pointer, saved: saved.pointer, y: y.pointer)
                let forward = [y.numbers, moving.numbers, saved.numbers]
                execution.batchNormBackward(
                    rows: rows, channels: channels, x: input.pointer, scale: nil, saved: saved.pointer,
                    gradient: y.pointer, scaleGradient: nil, shiftGradient: nil, out: y.pointer)
                return forward + [y.numbers]
            }
        }
    }
}
