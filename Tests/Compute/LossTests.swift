// Losses and metrics against their definitions in Double, gradients against central differences, and a few values that
// torch and Keras gave.

import Glibc
import MartletCompute
import MartletKernelInterface
import MartletTestSupport
import Testing

@Suite struct LossTests {
    /// Whether labels are columns. To the other losses they are the number wanted of a row's only column.
    static func isCategorical(_ loss: Loss) -> Bool {
        [.crossEntropy, .crossEntropyFromProbabilities, .nll, .focal, .focalFromProbabilities].contains(loss)
    }

    static func takesLabels(_ loss: Loss, _ columns: Int) -> Bool {
        isCategorical(loss) || (columns == 1 && loss != .kullbackLeibler && loss != .cosine)
    }

    static func make(_ loss: Loss, _ rows: Int, _ columns: Int, labels: Bool, smoothing: Float = 0) -> Case {
        let seed = UInt64(rows * 100 + columns)
        var output = randomFloats(rows * columns, seed: seed, scale: 4)
        let probable: [Loss] = [
            .crossEntropyFromProbabilities, .binaryCrossEntropyFromProbabilities, .kullbackLeibler, .poisson,
            .focalFromProbabilities, .binaryFocalFromProbabilities,
        ]
        let isProbability = probable.contains(loss)
        if isProbability { output = output.map { 0.05 + 0.9 * ($0 + 4) / 8 } }
        var targets = randomFloats(rows * columns, seed: seed + 1).map { $0.magnitude }
        if [.mse, .mae, .huber, .logCosh, .cosine].contains(loss) { targets = targets.map { $0 * 4 - 2 } }
        if loss == .hinge { targets = targets.map { $0 < 0.5 ? 0 : 1 } }
        var generator = Generator(seed: seed)
        let classes = (0..<rows).map { _ in Int32.random(in: 0..<Int32(max(columns, 2)), using: &generator) }
        let isOne = columns == 1 && isCategorical(loss)
        return Case(
            loss: loss, rows: rows, columns: columns, output: output,
            labels: labels ? (isOne ? classes.map { _ in 0 } : classes) : nil, targets: labels ? nil : targets,
            smoothing: smoothing)
    }

    @Test(arguments: Loss.allCases, [false, true]) func agreesWithItsDefinition(loss: Loss, labels: Bool) throws {
        for (rows, columns) in [
            (0, 3), (1, 1), (15, 1), (16, 1), (17, 1), (5000, 1), (32, 10), (3, 15), (3, 16), (4, 17), (2, 1001),
            (70, 100),
        ] where !labels || Self.takesLabels(loss, columns) {
            for smoothing: Float in [0, 0.1] {
                let asked = Self.make(loss, rows, columns, labels: labels, smoothing: smoothing)
                let exact = asked.exact(asked.output.map { Double($0) })
                try Twins.each { execution in
                    let (rowLoss, _) = asked.run(execution)
                    expectClose(
                        rowLoss, exact, relative: 3e-6, absolute: columns < 100 ? 2e-6 : 2e-5,
                        "\(execution.isa.name), \(rows) x \(columns)")
                    #expect(asked.run(execution, wantsGradient: false).loss == rowLoss)
                }
            }
        }
    }

    @Test(arguments: Loss.allCases, [false, true]) func gradientsAgreeWithCentralDifferences(loss: Loss, labels: Bool)
        throws
    {
        for (rows, columns) in [(1, 1), (18, 1), (5, 3), (2, 18), (3, 40)]
        where !labels || Self.takesLabels(loss, columns) {
            for smoothing: Float in [0, 0.1] {
                let asked = Self.make(loss, rows, columns, labels: labels, smoothing: smoothing)
                let wanted = centralDifferences(asked.output.map { Double($0) }) { output in
                    asked.exact(output).reduce(0, +) / Double(rows)
                }
                try Twins.each { execution in
                    let (_, gradient) = asked.run(execution)
                    expectClose(
                        gradient, wanted, relative: 1e-5, absolute: 1e-6, "\(execution.isa.name), \(rows) x \(columns)")
                }
            }
        }
    }

    /// Every power, and with weights of the classes or without; a power of 0 is the plain cross-entropy, and the weight of an
    /// output multiplies gradients alone.
    @Test(arguments: [Loss.focal, .focalFromProbabilities, .binaryFocal, .binaryFocalFromProbabilities])
    func focalLossesTakeEachNumber(loss: Loss) throws {
        for (gamma, alpha): (Float, Float) in [(0, 1), (0.5, 0.25), (1, 0.9), (3.5, 0), (5, -1)]
        where alpha >= 0 || loss.rawValue >= Loss.binaryFocal.rawValue {
            for (rows, columns) in [(1, 1), (18, 1), (5, 3), (2, 18)] {
                var asked = Self.make(loss, rows, columns, labels: false)
                (asked.gamma, asked.alpha, asked.weight) = (gamma, alpha, 0.75)
                let exact = asked.exact(asked.output.map { Double($0) })
                let wanted = centralDifferences(asked.output.map { Double($0) }) { output in
                    0.75 * asked.exact(output).reduce(0, +) / Double(rows)
                }
                try Twins.each { execution in
                    let (rowLoss, gradient) = asked.run(execution)
                    let place: Comment = "\(execution.isa.name), gamma \(gamma), alpha \(alpha), \(rows) x \(columns)"
                    expectClose(rowLoss, exact, relative: 5e-6, absolute: 2e-6, "\(place)")
                    expectClose(gradient, wanted, relative: 2e-5, absolute: 2e-6, "\(place)")
                }
            }
        }
    }

    /// Answers that are as sure as can be, right and wrong, give numbers.
    @Test(arguments: [Loss.focal, .binaryFocal]) func focalLossesHaveNoHoles(loss: Loss) throws {
        for (x, gamma): (Float, Float) in [(200, 2), (-200, 2), (1e30, 0.5), (-1e30, 0.5), (200, 0)] {
            let columns = loss == .focal ? 2 : 1
            var asked = Case(loss: loss, rows: 1, columns: columns, output: [x, 0], targets: [1, 0])
            (asked.output, asked.targets) = (Array(asked.output[..<columns]), Array([1, 0][..<columns]))
            asked.gamma = gamma
            try Twins.each { execution in
                let (rowLoss, gradient) = asked.run(execution)
                #expect(rowLoss[0].isFinite && rowLoss[0] >= 0 && gradient.allSatisfy(\.isFinite), "\(x), \(gamma)")
            }
        }
    }

    /// What weighs 0 counts 0, also where it is no number.
    @Test(arguments: Loss.allCases) func rowsAreWeighted(loss: Loss) throws {
        for (rows, columns) in [(1, 1), (18, 1), (5, 3), (2, 18)] {
            var asked = Self.make(loss, rows, columns, labels: false)
            asked.weights = (0..<rows).map { [0.5, 2, 1, 0.25][$0 % 4] }
            let exact = asked.exact(asked.output.map { Double($0) })
            let wanted = centralDifferences(asked.output.map { Double($0) }) { output in
                asked.exact(output).reduce(0, +) / Double(rows)
            }
            try Twins.each { execution in
                let (rowLoss, gradient) = asked.run(execution)
                expectClose(rowLoss, exact, relative: 3e-6, absolute: 2e-6, "\(execution.isa.name), \(loss)")
                expectClose(gradient, wanted, relative: 1e-5, absolute: 1e-6, "\(execution.isa.name), \(loss)")
            }
            asked.weights?[0] = 0
            for column in 0..<columns { asked.output[column] = .nan }
            try Twins.each { execution in
                let (rowLoss, gradient) = asked.run(execution)
                #expect(
                    rowLoss[0] == 0 && gradient[..<columns].allSatisfy { $0 == 0 }, "\(execution.isa.name), \(loss)")
            }
        }
    }

    /// From torch 2.15.0 in float64: cross_entropy (label_smoothing=0.1), nll_loss, binary_cross_entropy_with_logits,
    /// huber_loss (delta=0.75), each with reduction="none", the last two averaged over columns; gradients of the mean.
    @Test func agreesWithTorch() throws {
        let output: [Float] = [1.5, -0.25, 3, 0, 2, -1]
        let (labels, targets): ([Int32], [Float]) = ([2, 0], [1, 0, 0.25, 0.5, 1, 0])
        let known: [(Case, [Double], [Double])] = [
            (
                Case(loss: .crossEntropy, rows: 2, columns: 3, output: output, labels: labels, smoothing: 0.1),
                [0.390955316, 2.136512686],
                [0.071743424, -0.001303297, -0.070440128, -0.409569067, 0.405230701, 0.004338366]
            ),
            (
                Case(loss: .crossEntropy, rows: 2, columns: 3, output: output, targets: targets, smoothing: 0.1),
                [1.793295263, 1.312943395],
                [-0.358364305, 0.002153462, 0.356210843, -0.158875147, 0.145084516, 0.013790631]
            ),
            (
                Case(loss: .nll, rows: 2, columns: 3, output: output, labels: labels),
                [-3.0, -0.0],
                [0.0, 0.0, -0.5, -0.5, 0.0, 0.0]
            ),
            (
                Case(loss: .binaryCrossEntropy, rows: 2, columns: 3, output: output, targets: targets),
                [1.02531335, 0.37777896],
                [-0.030404254, 0.072970583, 0.117095688, 0.0, -0.019867154, 0.04482357]
            ),
            (
                Case(loss: .huber, rows: 2, columns: 3, output: output, targets: targets),
                [0.645833333, 0.354166667],
                [0.083333333, -0.041666667, 0.125, -0.083333333, 0.125, -0.125]
            ),
        ]
        for (asked, losses, gradients) in known {
            try Twins.each { execution in
                let (loss, gradient) = asked.run(execution)
                expectClose(loss, losses, "\(execution.isa.name), \(asked.loss)")
                expectClose(gradient, gradients, "\(execution.isa.name), \(asked.loss)")
            }
        }
    }

    /// From Keras 3.15.1 in float64, its backend torch 2.15.0: sparse_categorical_crossentropy,
    /// categorical_crossentropy and binary_crossentropy, the last two with label_smoothing=0.2.
    @Test func agreesWithKeras() throws {
        let p: [Float] = [0.2, 0.3, 0.1, 0, 0.5, 0.5]
        let known: [(Case, [Double])] = [
            (
                Case(loss: .crossEntropyFromProbabilities, rows: 2, columns: 3, output: p, labels: [1, 0]),
                [0.69314718, 16.11809565]
            ),
            (
                Case(
                    loss: .crossEntropyFromProbabilities, rows: 2, columns: 3, output: p,
                    targets: [0, 1, 0, 0.5, 0.5, 0], smoothing: 0.2),
                [0.79341901, 7.89145647]
            ),
            (
                Case(
                    loss: .binaryCrossEntropyFromProbabilities, rows: 2, columns: 3, output: p,
                    targets: [0, 1, 0, 1, 0.5, 0], smoothing: 0.2),
                [0.60203302, 5.29752684]
            ),
            (
                Case(
                    loss: .binaryCrossEntropy, rows: 2, columns: 3, output: [1.5, -0.25, 3, 0, 2, -1],
                    targets: [1, 0, 0.25, 0.5, 1, 0], smoothing: 0.2),
                [1.0336467, 0.47777894]
            ),
        ]
        for (asked, losses) in known {
            try Twins.each { execution in
                expectClose(asked.run(execution).loss, losses, "\(execution.isa.name), \(asked.loss)")
            }
        }
    }

    @Test func meetsExtremes() throws {
        let infinity = Float.infinity
        try Twins.each { execution in
            // Huge logits, impossible classes that nobody wants, certainty both ways, and NaN.
            var asked = Case(
                loss: .crossEntropy, rows: 4, columns: 3,
                output: [1e30, 0, -1e30, 0, -infinity, 0, 200, 0, 0, .nan, 0, 0], labels: [0, 0, 1, 1])
            var (loss, gradient) = asked.run(execution)
            expectClose(loss, [0, log(2), 200, .nan], "cross-entropy")
            expectClose(gradient, [0, 0, 0, -0.125, 0, 0.125, 0.25, -0.25, 0, .nan, .nan, .nan], "cross-entropy")
            asked = Case(
                loss: .binaryCrossEntropy, rows: 5, columns: 1, output: [1000, -1000, 1000, -1000, .nan],
                labels: [1, 0, 0, 1, 1])
            (loss, gradient) = asked.run(execution)
            expectClose(loss, [0, 0, 1000, 1000, .nan], "binary cross-entropy")
            expectClose(gradient, [0, 0, 0.2, -0.2, .nan], "binary cross-entropy")
            asked = Case(
                loss: .binaryCrossEntropyFromProbabilities, rows: 3, columns: 1, output: [0, 1, .nan],
                targets: [1, 1, 1])
            (loss, gradient) = asked.run(execution)
            expectClose(loss, [16.11809565, 1.19e-7, .nan], "of probabilities")
            expectClose(gradient, [0, 0, .nan], "of probabilities")
        }
    }

    @Test func threadsDoNotChangeBits() throws {
        let (rows, columns) = (3000, 50)
        let (logits, squares) = (
            Self.make(.crossEntropy, rows, columns, labels: true), Self.make(.mse, rows, columns, labels: false)
        )
        try Twins.expectSameBits { execution in
            let (a, b) = (logits.run(execution), squares.run(execution))
            return [a.loss, a.gradient, b.loss, b.gradient]
        }
    }
}

@Suite struct MetricTests {
    @Test(arguments: [2, 5, 16, 33, 1000], [1, 3]) func largestOutputs(columns: Int, top: Int) throws {
        let rows = 60
        var generator = Generator(seed: UInt64(columns))
        // Few different numbers, so that there are equals; some NaN.
        var x = (0..<rows * columns).map { _ in Float(Int.random(in: 0..<8, using: &generator)) }
        for index in stride(from: 0, to: x.count, by: 23) { x[index] = .nan }
        let labels = (0..<rows).map { _ in Int32.random(in: 0..<Int32(columns), using: &generator) }
        let wanted = (0..<rows).map { row -> Float in
            let (outputs, label) = (Array(x[row * columns..<(row + 1) * columns]), Int(labels[row]))
            // The stable order from the largest down, NaN first.
            let order = outputs.indices.sorted { a, b in
                let (p, q) = (outputs[a].isNaN ? .infinity : outputs[a], outputs[b].isNaN ? .infinity : outputs[b])
                return p != q ? p > q : a < b
            }
            return !outputs[label].isNaN && order.prefix(top).contains(label) ? 1 : 0
        }
        // Targets whose first largest is the label.
        var targets = [Float](repeating: 0, count: x.count)
        for row in 0..<rows { for column in Int(labels[row])..<columns { targets[row * columns + column] = 0.25 } }
        try Twins.each { execution in
            let (output, out) = (FencedFloats(x), FencedFloats(repeating: 7, count: rows))
            let (classes, numbers) = (Fenced<Int32>(labels), FencedFloats(targets))
            execution.run(
                RowAccuracyRequest(
                    rows: rows, columns: columns, output: output.pointer, labels: classes.pointer, targets: nil,
                    top: top, threshold: 0, out: out.pointer))
            #expect(out.numbers == wanted, "\(execution.isa.name)")
            execution.run(
                RowAccuracyRequest(
                    rows: rows, columns: columns, output: output.pointer, labels: nil, targets: numbers.pointer,
                    top: top, threshold: 0, out: out.pointer))
            #expect(out.numbers == wanted, "\(execution.isa.name)")
        }
    }

    @Test(arguments: [0, 1, 15, 16, 17, 10_001], [0, 0.5] as [Float]) func yesAndNo(rows: Int, threshold: Float) throws
    {
        var x = randomFloats(rows, seed: 3)
        if rows > 3 { (x[1], x[3]) = (.nan, threshold) }
        let labels = x.indices.map { Int32($0 % 2) }
        let wanted: [Float] = x.indices.map { x[$0].isNaN ? 0 : (x[$0] > threshold) == (labels[$0] == 1) ? 1 : 0 }
        try Twins.each { execution in
            let (output, out) = (FencedFloats(x), FencedFloats(repeating: 7, count: rows))
            let (classes, numbers) = (Fenced<Int32>(labels), FencedFloats(labels.map { Float($0) }))
            execution.run(
                RowAccuracyRequest(
                    rows: rows, columns: 1, output: output.pointer, labels: classes.pointer, targets: nil, top: 1,
                    threshold: threshold, out: out.pointer))
            #expect(out.numbers == wanted)
            execution.run(
                RowAccuracyRequest(
                    rows: rows, columns: 1, output: output.pointer, labels: nil, targets: numbers.pointer, top: 1,
                    threshold: threshold, out: out.pointer))
            #expect(out.numbers == wanted)
        }
    }

    @Test(arguments: [(0, 2), (1, 1), (17, 1), (9000, 1), (40, 3), (5, 16), (3, 1000)], [false, true])
    func errors(shape: (rows: Int, columns: Int), squared: Bool) throws {
        let (rows, columns) = shape
        let (x, z) = (randomFloats(rows * columns, seed: 1, scale: 9), randomFloats(rows * columns, seed: 2, scale: 9))
        let wanted = (0..<rows).map { row in
            (row * columns..<(row + 1) * columns).map { index in
                let error = Double(x[index]) - Double(z[index])
                return squared ? error * error : abs(error)
            }.reduce(0, +) / Double(columns)
        }
        try Twins.each { execution in
            let (output, targets) = (FencedFloats(x), FencedFloats(z))
            let out = FencedFloats(repeating: 7, count: rows)
            execution.run(
                RowErrorsRequest(
                    rows: rows, columns: columns, output: output.pointer, targets: targets.pointer, squared: squared,
                    out: out.pointer))
            expectClose(out.numbers, wanted, "\(execution.isa.name)")
        }
    }
}
