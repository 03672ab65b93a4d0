// Muon, whose step makes matrices orthogonal: against the equations in plain Double, the same bits for any threads and any
// layout, and what it refuses.

import MartletOptimizers
import MartletPlatform
import MartletTestSupport
import Testing

/// A matrix in Double, row after row.
private struct Plain {
    var rows, columns: Int
    var numbers: [Double]

    subscript(row: Int, column: Int) -> Double { numbers[row * columns + column] }

    var turned: Plain {
        Plain(rows: columns, columns: rows, numbers: (0..<numbers.count).map { self[$0 % rows, $0 / rows] })
    }

    static func * (a: Plain, b: Plain) -> Plain {
        var result = Plain(rows: a.rows, columns: b.columns, numbers: Array(repeating: 0, count: a.rows * b.columns))
        for i in 0..<a.rows {
            for k in 0..<a.columns {
                for j in 0..<b.columns { result.numbers[i * b.columns + j] += a[i, k] * b[k, j] }
            }
        }
        return result
    }

    static func * (a: Double, b: Plain) -> Plain {
        Plain(rows: b.rows, columns: b.columns, numbers: b.numbers.map { a * $0 })
    }

    static func + (a: Plain, b: Plain) -> Plain {
        Plain(rows: a.rows, columns: a.columns, numbers: zip(a.numbers, b.numbers).map { $0 + $1 })
    }

    /// Newton and Schulz's iteration as it is written.
    func orthogonal(_ coefficients: [(a: Double, b: Double, c: Double)], margin: Double) -> Plain {
        let norm = numbers.reduce(0) { $0 + $1 * $1 }.squareRoot()
        var x = 1 / (norm * margin) * (rows > columns ? turned : self)
        for (a, b, c) in coefficients {
            let square = x * x.turned
            x = a * x + (b * square + c * (square * square)) * x
        }
        return rows > columns ? x.turned : x
    }
}

@Suite struct MuonTests {
    private static let simple = Array(repeating: (a: 3.4445, b: -4.775, c: 2.0315), count: 5)
    private static let quintic = [
        (a: 4.0848, b: -6.8946, c: 2.9270), (a: 3.9505, b: -6.3029, c: 2.6377), (a: 3.7418, b: -5.5913, c: 2.3037),
        (a: 2.8769, b: -3.1427, c: 1.2046), (a: 2.8366, b: -3.0525, c: 1.2012), (a: 2.8366, b: -3.0525, c: 1.2012),
    ]
    private static let polarExpress = [
        (a: 8.1566, b: -22.4833, c: 15.8788), (a: 4.0429, b: -2.8089, c: 0.5), (a: 3.8917, b: -2.7725, c: 0.5061),
        (a: 3.2858, b: -2.3681, c: 0.4645), (a: 2.3465, b: -1.7098, c: 0.4232),
    ]

    private static func parameter(_ sizes: [Int], _ type: ElementType = .fp32, seed: UInt64 = 3) -> Parameter {
        let parameter = Parameter(count: sizes.reduce(1, *), type, slots: 1, seed: seed)
        parameter.takeShape(sizes)
        return parameter
    }

    private static func numbers(_ view: ArrayView) -> [Double] { (0..<view.count).map { view.get($0) } }

    private static func check(
        _ sizes: [Int], _ configuration: Configuration, _ coefficients: [(a: Double, b: Double, c: Double)],
        margin: Double = 1, scale: (Double, Double) -> Double, type: ElementType = .fp32
    ) throws {
        let parameter = parameter(sizes, type)
        var value = numbers(parameter.view.value)
        var m = Array(repeating: 0.0, count: value.count)
        for index in 0..<value.count { parameter.view.state[0].set(index, 0) }
        let blocks = Int(configuration[.blocks])
        let (rows, columns) = (sizes[0] / blocks, value.count / sizes[0])
        for t in 0..<3 {
            parameter.randomizeGradient(seed: UInt64(t))
            let g = numbers(parameter.view.gradient)
            try step([parameter], [configuration])
            for index in m.indices { m[index] += (1 - configuration.momentum) * (g[index] - m[index]) }
            let u =
                configuration.flags.contains(.nesterov)
                ? m.indices.map { g[$0] + configuration.momentum * (m[$0] - g[$0]) } : m
            for block in 0..<blocks {
                let part = block * rows * columns..<(block + 1) * rows * columns
                let o = Plain(rows: rows, columns: columns, numbers: Array(u[part]))
                    .orthogonal(coefficients, margin: margin)
                for (index, update) in zip(part, o.numbers) {
                    value[index] *= 1 - configuration.lr * configuration.weightDecay
                    value[index] -= configuration.lr * scale(Double(rows), Double(columns)) * update
                }
            }
        }
        let error = zip(numbers(parameter.view.value), value).reduce(0) { max($0, abs($1.0 - $1.1)) }
        // The iteration is in fp32 and multiplies small singular values by hundreds.
        #expect(error < 3e-5 * configuration.lr * scale(Double(rows), Double(columns)) + 3e-7, "\(sizes): \(error)")
    }

    private static let shapes = [
        [1, 1], [1, 9], [9, 1], [4, 4], [16, 16], [17, 33], [33, 17], [3, 100], [100, 3], [64, 65], [8, 5, 3, 3],
        [60, 70], [40, 90], [90, 40],
    ]

    @Test(arguments: [ElementType.fp32, .fp64]) func equations(type: ElementType) throws {
        for sizes in Self.shapes {
            let configuration = Configuration(.muon) { $0.lr = 0.1 }
            try Self.check(sizes, configuration, Self.simple, scale: { max(1, $0 / $1).squareRoot() }, type: type)
        }
    }

    @Test func choices() throws {
        for sizes in [[12, 30], [30, 12], [12, 4, 5]] {
            func check(
                _ flags: Flags, _ coefficients: [(a: Double, b: Double, c: Double)], margin: Double = 1,
                steps: Double = 5, blocks: Double = 1, scale: (Double, Double) -> Double
            ) throws {
                let configuration = Configuration(.muon) {
                    $0.flags = flags
                    $0.lr = 0.1
                    $0[.nsSteps] = steps
                    $0[.blocks] = blocks
                }
                try Self.check(sizes, configuration, coefficients, margin: margin, scale: scale)
            }
            func original(_ rows: Double, _ columns: Double) -> Double { max(1, rows / columns).squareRoot() }
            try check([], Self.simple, scale: original)
            try check([.nesterov, .matchRMS], Self.simple, scale: { 0.2 * max($0, $1).squareRoot() })
            try check([.nesterov, .spectral], Self.simple, scale: { ($0 / $1).squareRoot() })
            try check([.nesterov, .quintic], Self.quintic, steps: 6, scale: original)
            try check([.nesterov, .polarExpress], Self.polarExpress, margin: 1.02, scale: original)
            try check([.nesterov], Array(Self.simple[..<1]), steps: 1, scale: original)
            try check([.nesterov], Array(Self.simple[..<3]), steps: 3, scale: original)
            try check(.nesterov, Self.simple, blocks: 3, scale: original)
        }
    }

    /// Small matrices are shared out whole, and large ones in pieces.
    @Test(arguments: [[3, 40], [500, 7], [230, 190], [190, 420], [12, 9, 3, 3]])
    func sameBitsForAnyThreads(sizes: [Int]) throws {
        try expectSameBitsForAnyThreads(Configuration(.muon)) {
            (0..<3).map { Self.parameter(sizes, seed: UInt64($0)) }
        }
    }

    /// A transposed array of the same numbers.
    @Test func sameBitsForAnyLayout() throws {
        let (plain, turned) = (Self.parameter([20, 33]), Self.parameter([20, 33]))
        for array in 0..<3 {
            func view(_ parameter: Parameter) -> ArrayView {
                array == 0 ? parameter.view.value : array == 1 ? parameter.view.gradient : parameter.view.state[0]
            }
            for row in 0..<20 {
                for column in 0..<33 { view(turned).set(column * 20 + row, view(plain).get(row * 33 + column)) }
            }
        }
        turned.view.value = turned.view.value.shaped([20, 33], [1, 20], in: turned)
        turned.view.gradient = turned.view.gradient.shaped([20, 33], [1, 20], in: turned)
        turned.view.state[0] = turned.view.state[0].shaped([20, 33], [1, 20], in: turned)
        try step([plain], [Configuration(.muon)])
        try step([turned], [Configuration(.muon)])
        for row in 0..<20 {
            for column in 0..<33 {
                #expect(plain.view.value.get(row * 33 + column) == turned.view.value.get(column * 20 + row))
            }
        }
    }

    /// A gradient of nothing, and one under the floor, leave all but the decay.
    @Test(arguments: [0, 1e-30, 1e-12], [1e-7, 0]) func leavesMatricesOfNothing(gradient: Double, eps: Double) throws {
        if gradient != 0 && eps == 0 { return }
        let parameter = Self.parameter([12, 20])
        let value = Self.numbers(parameter.view.value)
        for index in 0..<240 {
            parameter.view.gradient.set(index, gradient)
            parameter.view.state[0].set(index, 0)
        }
        try step([parameter], [Configuration(.muon) { ($0.weightDecay, $0.eps) = (0, eps) }])
        #expect(Self.numbers(parameter.view.value) == value)
    }

    /// Gradients whose squares overflow fp32 are like any others.
    @Test func takesHugeGradients() throws {
        let (plain, huge) = (Self.parameter([12, 20]), Self.parameter([12, 20]))
        for index in 0..<240 {
            plain.view.state[0].set(index, 0)
            huge.view.state[0].set(index, 0)
            huge.view.gradient.set(index, plain.view.gradient.get(index) * 0x1p120)
        }
        try step([plain], [Configuration(.muon)])
        try step([huge], [Configuration(.muon)])
        let pairs = zip(Self.numbers(plain.view.value), Self.numbers(huge.view.value))
        #expect(pairs.allSatisfy { abs($0 - $1) < 1e-6 })
    }

    @Test func refusals() {
        let vector = Parameter(count: 12, slots: 1)
        expectRefusal(.shape, ["parameters[0].value is a vector", "adamw"], [vector], [Configuration(.muon)])
        let matrix = Self.parameter([10, 3])
        expectRefusal(
            .shape, ["parameters[0].value has 10 rows", "a multiple of 4", "blocks"], [matrix],
            [Configuration(.muon) { $0[.blocks] = 4 }])
        for flags in [Flags.matchRMS.union(.spectral), Flags.quintic.union(.polarExpress)] {
            expectRefusal(
                .argument, ["flags sets both", "one of them at most"], [matrix],
                [Configuration(.muon) { $0.flags = flags }])
        }
        for number in [0, 0.5, 100, .infinity] {
            expectRefusal(
                .argument, ["ns_steps is \(number)", "1 to 99"], [matrix],
                [
                    Configuration(.muon) {
                        $0.flags = .wideRanges
                        $0[.nsSteps] = number
                    }
                ])
        }
        #expect(throws: MartletError.self) {
            let optimizer = try Optimizer(Configuration(.muon))
            _ = try optimizer.add(vector.view.value)
        }
        let empty = Self.parameter([0, 3])
        #expect(throws: Never.self) { try step([empty], [Configuration(.muon)]) }
    }
}
