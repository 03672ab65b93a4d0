// Products of matrices against sums in Double: every instruction set, every layout of the factors, sizes around tiles,
// panels and blocks, and the same bits for any number of threads.

import MartletCompute
import MartletKernelInterface
import MartletPlatform
import MartletTestSupport
import Testing

/// A matrix in memory of its own, with NaN behind its columns, so that what is read beyond them shows.
private struct Matrix {
    let rows: Int
    let columns: Int
    let isTransposed: Bool
    let memory: Memory

    init(_ rows: Int, _ columns: Int, isTransposed: Bool = false, gap: Int = 0, _ generator: inout Generator) {
        (self.rows, self.columns, self.isTransposed) = (rows, columns, isTransposed)
        let stride = (isTransposed ? rows : columns) + gap
        self.stride = stride
        memory = Memory(byteCount: stride * (isTransposed ? columns : rows) * 4)
        memory.fill(Float.nan)
        for row in 0..<rows {
            for column in 0..<columns { self[row, column] = Float.random(in: -1...1, using: &generator) }
        }
    }

    let stride: Int

    private func place(_ row: Int, _ column: Int) -> Int {
        isTransposed ? column * stride + row : row * stride + column
    }

    subscript(row: Int, column: Int) -> Float {
        get { memory.pointer(Float.self)[place(row, column)] }
        nonmutating set { memory.pointer(Float.self)[place(row, column)] = newValue }
    }

    var factor: Factor {
        Factor(
            base: memory.pointer(), rowStride: isTransposed ? 1 : stride, columnStride: isTransposed ? stride : 1)
    }
}

/// One product to try: what is asked, and its results in Double with what rounding may cost.
private struct Trial {
    let left: Matrix
    let right: Matrix
    let start: Matrix
    let bias: Memory?
    let epilogue: Epilogue
    let accumulates: Bool

    func run(_ isa: InstructionSet, threads: Int) throws -> Matrix {
        var generator = Generator(seed: 0)
        let out = Matrix(start.rows, start.columns, gap: 3, &generator)
        out.memory.base.copyMemory(from: start.memory.base, byteCount: start.memory.byteCount)
        let execution = try Execution(mode: .exact, isa: isa, threads: threads, sharesAll: true)
        execution.multiply(
            MatrixProduct(
                rows: left.rows, inner: left.columns, columns: right.columns, left: left.factor, right: right.factor,
                out: out.memory.pointer(), outStride: out.stride, bias: bias.map { UnsafePointer($0.pointer()) },
                epilogue: epilogue, accumulates: accumulates))
        return out
    }

    /// The first result that is wrong.
    func mistake(in out: Matrix) -> String? {
        for row in 0..<out.rows {
            for column in 0..<out.columns {
                var sum = 0.0
                var size = 1.0
                for k in 0..<left.columns {
                    let product = Double(left[row, k]) * Double(right[k, column])
                    sum += product
                    size += product.magnitude
                }
                if accumulates {
                    sum += Double(start[row, column])
                } else if let bias {
                    sum += Double(bias.pointer(Float.self)[column])
                }
                if epilogue == .relu, !accumulates, sum < 0 { sum = 0 }
                let result = Double(out[row, column])
                let isRight =
                    sum.isNaN ? result.isNaN : sum.isInfinite ? result == sum : (result - sum).magnitude <= size * 2e-6
                if !isRight { return "row \(row) column \(column): \(result), not \(sum)" }
            }
            // What lies between the rows of the results stays.
            for gap in out.columns..<out.stride where row * out.stride + gap < out.memory.byteCount / 4 {
                if !out.memory.pointer(Float.self)[row * out.stride + gap].isNaN { return "row \(row): written beyond" }
            }
        }
        return nil
    }
}

@Suite struct MatrixProductTests {

    /// Rows, inner, columns.
    static let shapes = [
        (0, 3, 4), (3, 0, 4), (3, 4, 0), (1, 1, 1), (2, 3, 5), (6, 7, 16), (7, 5, 17), (12, 20, 32), (13, 352, 33),
        (11, 353, 31), (25, 2, 70), (1, 300, 64), (33, 513, 48), (97, 70, 130), (70, 40, 600), (200, 30, 200),
        (5, 2100, 12), (3, 5000, 40), (33, 70, 1030), (80, 300, 1100), (9, 40, 96), (70, 40, 80), (30, 300, 112),
        (13, 20, 60), (23, 30, 48), (15, 100, 130), (250, 10, 144),
    ]

    private static func trial(
        _ shape: (Int, Int, Int), _ leftTransposed: Bool, _ rightTransposed: Bool, kind: Int, seed: Int
    ) -> Trial {
        var generator = Generator(seed: UInt64(seed))
        let (rows, inner, columns) = shape
        var bias: Memory?
        if kind % 2 == 1 {
            bias = Memory(byteCount: columns * 4)
            bias?.withElements(Float.self) {
                for place in $0.indices { $0[place] = Float.random(in: -1...1, using: &generator) }
            }
        }
        return Trial(
            left: Matrix(rows, inner, isTransposed: leftTransposed, gap: seed % 3, &generator),
            right: Matrix(inner, columns, isTransposed: rightTransposed, gap: seed % 2 * 5, &generator),
            start: Matrix(rows, columns, gap: 3, &generator), bias: bias,
            epilogue: kind == 1 || kind == 2 ? .relu : .none,
            accumulates: kind == 4)
    }

    /// Without anything, with bias and ReLU, with ReLU, with bias, accumulating; in all layouts.
    @Test(arguments: Twins.here) func agreesWithSumsInDouble(isa: InstructionSet) throws {
        for (number, shape) in Self.shapes.enumerated() {
            for layout in 0..<4 {
                for kind in 0..<5 {
                    let trial = Self.trial(
                        shape, layout & 1 == 1, layout & 2 == 2, kind: kind, seed: number + layout + kind)
                    let out = try trial.run(isa, threads: 1)
                    let mistake = trial.mistake(in: out)
                    #expect(mistake == nil, "\(isa) \(shape) layout \(layout) kind \(kind): \(mistake ?? "")")
                }
            }
        }
    }

    /// Products so large that their pieces are as wide as what stays near, with rests in rows, columns and blocks, and one
    /// of few rows and a long sum.
    @Test(arguments: Twins.here) func largeOnesAgreeWithSumsInDouble(isa: InstructionSet) throws {
        let shapes = [(257, 353, 260), (515, 300, 291), (256, 352, 1024), (300, 256, 1100), (16, 2100, 1040)]
        for (number, shape) in shapes.enumerated() {
            for layout in 0..<4 {
                let kind = number + layout
                let trial = Self.trial(shape, layout & 1 == 1, layout & 2 == 2, kind: kind % 5, seed: number)
                let mistake = trial.mistake(in: try trial.run(isa, threads: 2))
                #expect(mistake == nil, "\(isa) \(shape) layout \(layout): \(mistake ?? "")")
            }
        }
    }

    @Test(arguments: Twins.here) func threadsDoNotChangeABit(isa: InstructionSet) throws {
        let shapes =
            Self.shapes + [
                (64, 784, 100), (150, 300, 700), (784, 32, 64), (40, 9000, 50), (530, 300, 270), (7, 9000, 100),
                (260, 300, 1300),
                // More blocks of the inner index than there is memory for the results of at once.
                (64, 300, 2050), (15, 26_000, 1000),
            ]
        for (number, shape) in shapes.enumerated() {
            let trial = Self.trial(shape, number & 1 == 1, number & 2 == 2, kind: number % 5, seed: number)
            let expected = try trial.run(isa, threads: 1).memory.bytes
            for threads in [1, 2, 3, 7, 64] {
                let isSame = try trial.run(isa, threads: threads).memory.bytes == expected
                #expect(isSame, "\(isa) \(shape) on \(threads) threads")
            }
        }
    }

    /// A row's results are the same by itself and among others, however many, on one thread and on several.
    @Test(arguments: Twins.here) func rowsDoNotDependOnOthers(isa: InstructionSet) throws {
        for (inner, columns) in [(353, 40), (2048, 10), (2100, 1040), (3000, 65), (9000, 100), (20_000, 33)] {
            for (number, rows) in [2, 7, 13, 33, 300].enumerated() {
                let trial = Self.trial((rows, inner, columns), false, false, kind: number, seed: number)
                let whole = try trial.run(isa, threads: 1 + number % 3)
                for row in [0, rows / 2, rows - 1] {
                    var generator = Generator(seed: 0)
                    let left = Matrix(1, inner, &generator)
                    let start = Matrix(1, columns, gap: 3, &generator)
                    for k in 0..<inner { left[0, k] = trial.left[row, k] }
                    for column in 0..<columns { start[0, column] = trial.start[row, column] }
                    let alone = try Trial(
                        left: left, right: trial.right, start: start, bias: trial.bias, epilogue: trial.epilogue,
                        accumulates: trial.accumulates
                    ).run(isa, threads: 1 + row % 3)
                    let isSame = (0..<columns).allSatisfy { alone[0, $0].bitPattern == whole[row, $0].bitPattern }
                    #expect(isSame, "\(isa) row \(row) of \(rows) x \(inner) x \(columns)")
                }
            }
        }
    }

    /// The sum of each result is the same one in every layout of the factors.
    @Test(arguments: Twins.here) func layoutsDoNotChangeABit(isa: InstructionSet) throws {
        for shape in Self.shapes + [(16, 2100, 1040), (257, 353, 260)] {
            let results = try (0..<4).map { layout in
                var generator = Generator(seed: 1)
                let left = Matrix(shape.0, shape.1, isTransposed: layout & 1 == 1, &generator)
                let right = Matrix(shape.1, shape.2, isTransposed: layout & 2 == 2, &generator)
                let numbers = Matrix(max(shape.0, shape.1), max(shape.1, shape.2), &generator)
                for row in 0..<shape.0 { for k in 0..<shape.1 { left[row, k] = numbers[row, k] } }
                for k in 0..<shape.1 { for column in 0..<shape.2 { right[k, column] = numbers[k, column] * 0.5 } }
                let start = Matrix(shape.0, shape.2, gap: 3, &generator)
                let trial = Trial(
                    left: left, right: right, start: start, bias: nil, epilogue: .none, accumulates: false)
                let out = try trial.run(isa, threads: 2)
                return (0..<shape.0).flatMap { row in (0..<shape.2).map { out[row, $0].bitPattern } }
            }
            for layout in 1..<4 {
                let isSame = results[layout] == results[0]
                #expect(isSame, "\(isa) \(shape) layout \(layout)")
            }
        }
    }

    /// NaN and infinities go where their row and column meet others, and nowhere else; ReLU keeps NaN.
    @Test(arguments: Twins.here) func specialNumbersStayInTheirRowAndColumn(isa: InstructionSet) throws {
        for (number, special) in [Float.nan, .infinity, -.infinity].enumerated() {
            for layout in 0..<4 {
                for kind in [0, 2] {
                    let trial = Self.trial((13, 19, 35), layout & 1 == 1, layout & 2 == 2, kind: kind, seed: number)
                    trial.left[12, 18] = special
                    trial.right[18, 34] = special
                    let mistake = trial.mistake(in: try trial.run(isa, threads: 1))
                    #expect(mistake == nil, "\(isa) \(special) layout \(layout) kind \(kind): \(mistake ?? "")")
                }
            }
        }
    }
}
