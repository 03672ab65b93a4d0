// A loss by its definition in Double, which those of the kernels are held against.

import Glibc
import MartletCompute
import MartletKernelInterface
import MartletTestSupport

extension LossTests {
    /// What one loss is asked for; either labels or targets.
    struct Case {
        var loss: Loss
        var rows, columns: Int
        var output: [Float]
        var labels: [Int32]?
        var targets: [Float]?
        var smoothing: Float = 0
        var delta: Float = 0.75
        var gamma: Float = 2
        var alpha: Float = 0.25
        /// What gradients are multiplied by.
        var weight: Float = 1
        var weights: [Float]?

        /// The probabilities or numbers wanted of a row, smoothed.
        func wanted(_ row: Int) -> [Double] {
            var z = [Double](repeating: 0, count: columns)
            if let targets {
                z = targets[row * columns..<(row + 1) * columns].map { Double($0) }
            } else if let labels {
                if LossTests.isCategorical(loss) { z[Int(labels[row])] = 1 } else { z[0] = Double(labels[row]) }
            }
            let s = Double(smoothing)
            switch loss {
            case .crossEntropy, .crossEntropyFromProbabilities, .nll, .cosine, .focal, .focalFromProbabilities:
                return z.map { $0 * (1 - s) + s / Double(columns) }
            case .binaryCrossEntropy, .binaryCrossEntropyFromProbabilities, .binaryFocal, .binaryFocalFromProbabilities:
                return z.map { $0 * (1 - s) + s / 2 }
            case .kullbackLeibler:
                return z.map { min(max($0 * (1 - s) + s / Double(columns), Double(Float(1e-7))), 1) }
            case .hinge: return z.map { $0 == 0 ? -1 : $0 }
            case .mse, .mae, .huber, .logCosh, .poisson: return z
            }
        }

        /// The loss of each row, for outputs in Double.
        func exact(_ output: [Double]) -> [Double] {
            zip(unweighted(output), weights ?? [Float](repeating: 1, count: rows)).map { $0 * Double($1) }
        }

        private func unweighted(_ output: [Double]) -> [Double] {
            (0..<rows).map { row in
                let x = Array(output[row * columns..<(row + 1) * columns])
                let pairs = Array(zip(x, wanted(row)))
                let (least, most) = (Double(Float(1e-7)), Double(1 - Float(1e-7)))
                func mean(_ element: (Double, Double) -> Double) -> Double {
                    pairs.map { element($0.0, $0.1) }.reduce(0, +) / Double(columns)
                }
                switch loss {
                case .crossEntropy:
                    let top = x.max() ?? 0
                    let log = Glibc.log(x.map { exp($0 - top) }.reduce(0, +)) + top
                    return pairs.map { $1 == 0 ? 0 : $1 * (log - $0) }.reduce(0, +)
                case .crossEntropyFromProbabilities:
                    let total = x.reduce(0, +)
                    return pairs.map { -$1 * Glibc.log(min(max($0 / total, least), most)) }.reduce(0, +)
                case .nll: return pairs.map { $1 == 0 ? 0 : -$1 * $0 }.reduce(0, +)
                case .binaryCrossEntropy: return mean { max($0, 0) - $0 * $1 + log1p(exp(-abs($0))) }
                case .binaryCrossEntropyFromProbabilities:
                    return mean {
                        let p = min(max($0, least), most)
                        return -($1 * Glibc.log(p) + (1 - $1) * log1p(-p))
                    }
                case .focal, .focalFromProbabilities:
                    let top = x.max() ?? 0
                    let parts = loss == .focal ? x.map { exp($0 - top) } : x
                    let total = parts.reduce(0, +)
                    return zip(parts, pairs).map { part, pair in
                        let p = loss == .focal ? part / total : min(max(part / total, least), most)
                        if pair.1 == 0 { return 0 }
                        let surprise = loss == .focal ? Glibc.log(total) - (pair.0 - top) : -Glibc.log(p)
                        let rest = loss == .focal ? (total - part) / total : 1 - p
                        return Double(alpha) * pair.1 * pow(rest, Double(gamma)) * surprise
                    }.reduce(0, +)
                case .binaryFocal, .binaryFocalFromProbabilities:
                    return mean { x, z in
                        let p = loss == .binaryFocal ? 1 / (1 + exp(-x)) : min(max(x, least), most)
                        let rest = loss == .binaryFocal ? 1 / (1 + exp(x)) : 1 - p
                        let plain = -(z * Glibc.log(p) + (1 - z) * Glibc.log(rest))
                        let share = alpha < 0 ? 1 : z * Double(alpha) + (1 - z) * (1 - Double(alpha))
                        return share * pow(z * rest + (1 - z) * p, Double(gamma)) * plain
                    }
                case .mse: return mean { ($0 - $1) * ($0 - $1) }
                case .mae: return mean { abs($0 - $1) }
                case .huber:
                    let delta = Double(self.delta)
                    return mean { x, z in
                        let size = abs(x - z)
                        return size <= delta ? size * size / 2 : delta * (size - delta / 2)
                    }
                case .kullbackLeibler:
                    return pairs.map { $1 * Glibc.log($1 / min(max($0, least), 1)) }.reduce(0, +)
                case .hinge: return mean { max(1 - $0 * $1, 0) }
                case .logCosh: return mean { Glibc.log(cosh($0 - $1)) }
                case .poisson: return mean { $0 - $1 * Glibc.log($0 + least) }
                case .cosine:
                    func length(_ squares: Double) -> Double { max(squares, 1e-12).squareRoot() }
                    let (xx, zz) = (x.reduce(0) { $0 + $1 * $1 }, pairs.reduce(0) { $0 + $1.1 * $1.1 })
                    return -pairs.reduce(0) { $0 + $1.0 * $1.1 } / (length(xx) * length(zz))
                }
            }
        }

        func run(_ execution: Execution, wantsGradient: Bool = true) -> (loss: [Float], gradient: [Float]) {
            let (x, rowLoss) = (FencedFloats(output), FencedFloats(repeating: 7, count: rows))
            let gradient = FencedFloats(repeating: 7, count: output.count)
            let (numbers, classes) = (targets.map { FencedFloats($0) }, labels.map { Fenced<Int32>($0) })
            let shares = weights.map { FencedFloats($0) }
            execution.run(
                LossRequest(
                    loss, rows: rows, columns: columns, output: x.pointer,
                    labels: classes.map { UnsafePointer($0.pointer) },
                    targets: numbers.map { UnsafePointer($0.pointer) },
                    LossNumbers(smoothing: smoothing, delta: delta, gamma: gamma, alpha: alpha, weight: weight),
                    weights: shares.map { UnsafePointer($0.pointer) }, rowLoss: rowLoss.pointer,
                    gradient: wantsGradient ? gradient.pointer : nil))
            return (rowLoss.numbers, gradient.numbers)
        }
    }
}
