// SOAP and Shampoo, whose steps are preconditioned by their gradients' products: eigenbases and roots are what they should
// be, for matrices of all kinds; steps are the equations in plain Double; the same bits for any threads; and what is
// refused. Whole trajectories are held against numpy in Python's tests.

import MartletOptimizers
import MartletPlatform
import MartletTestSupport
import Testing

/// A matrix in Double, row after row.
private struct Plain {
    var rows, columns: Int
    var numbers: [Double]

    init(_ rows: Int, _ columns: Int, _ number: (Int, Int) -> Double) {
        (self.rows, self.columns) = (rows, columns)
        numbers = (0..<rows * columns).map { number($0 / columns, $0 % columns) }
    }

    init(_ view: ArrayView, _ rows: Int, _ columns: Int) {
        self.init(rows, columns) { view.get($0 * columns + $1) }
    }

    subscript(row: Int, column: Int) -> Double { numbers[row * columns + column] }

    var turned: Plain { Plain(columns, rows) { self[$1, $0] } }

    static func * (a: Plain, b: Plain) -> Plain {
        Plain(a.rows, b.columns) { i, j in (0..<a.columns).reduce(0) { $0 + a[i, $1] * b[$1, j] } }
    }

    /// The largest of the differences from another.
    func distance(_ other: Plain) -> Double { zip(numbers, other.numbers).reduce(0) { max($0, abs($1.0 - $1.1)) } }

    /// The largest off the diagonal.
    var beside: Double {
        numbers.indices.reduce(0) { $1 / columns == $1 % columns ? $0 : max($0, abs(numbers[$1])) }
    }

    static func identity(_ size: Int) -> Plain { Plain(size, size) { $0 == $1 ? 1 : 0 } }
}

@Suite struct PreconditioningTests {
    private static let sizes = [
        [1, 1], [1, 9], [9, 1], [2, 2], [16, 16], [17, 33], [33, 17], [64, 65], [100, 3], [6, 5, 3],
    ]

    /// Gradients of all kinds, by name.
    private static let gradients: [(String, @Sendable (Int, Int) -> Double)] = [
        ("mixed", { row, column in Double((row * 31 + column * 17 + row * column * 7) % 101) / 50 - 1 }),
        ("of rank one", { row, column in Double(row + 1) * Double(column % 5 - 2) }),
        ("nothing", { _, _ in 0 }),
        ("diagonal", { row, column in row == column ? Double(row % 7) : 0 }),
        ("alike", { _, _ in 0.5 }),
        ("small", { row, column in 0x1p-50 * Double((row * 13 + column * 7) % 11 - 5) }),
        ("large", { row, column in 0x1p40 * Double((row * 13 + column * 7) % 11 - 5) }),
        ("of two scales", { row, column in (column == 0 ? 1 : 0x1p-16) * Double((row * 13 + column * 7) % 11 - 5) }),
    ]

    private static func side(_ sizes: [Int]) -> (rows: Int, columns: Int) {
        (sizes[0], sizes.dropFirst().reduce(1, *))
    }

    private static func give(_ parameter: Parameter, _ columns: Int, _ gradient: (Int, Int) -> Double) {
        for index in 0..<parameter.count {
            parameter.view.gradient.set(index, gradient(index / columns, index % columns))
        }
    }

    /// Whether a matrix's columns are eigenvectors of another, those of large eigenvalues first.
    private static func expectEigenbasis(_ basis: Plain, of gram: Plain, _ words: String) {
        let largest = gram.numbers.reduce(0) { max($0, abs($1)) }
        #expect((basis.turned * basis).distance(.identity(basis.rows)) < 2e-5, "\(words): orthonormal")
        let diagonal = basis.turned * gram * basis
        #expect(diagonal.beside <= 2e-5 * largest * Double(basis.rows).squareRoot(), "\(words): diagonal")
        for place in 1..<max(basis.rows, 1) {
            let drop = diagonal[place - 1, place - 1] - diagonal[place, place]
            #expect(drop >= -1e-5 * largest * Double(basis.rows).squareRoot(), "\(words): in order, at \(place)")
        }
    }

    @Test(arguments: [ElementType.fp32, .fp64, .bf16]) func firstStepMakesEigenbases(type: ElementType) throws {
        for sizes in Self.sizes {
            for (name, gradient) in Self.gradients {
                let parameter = Parameter(for: Configuration(.soap), sizes: sizes, type)
                let (rows, columns) = Self.side(sizes)
                Self.give(parameter, columns, gradient)
                let g = Plain(parameter.view.gradient, rows, columns)
                let before = Plain(parameter.view.value, rows, columns)
                try step([parameter], [Configuration(.soap)])
                #expect(Plain(parameter.view.value, rows, columns).distance(before) == 0)
                for (slot, size, wanted) in [(2, rows, g * g.turned), (4, columns, g.turned * g)] {
                    let gram = Plain(parameter.view.state[slot], size, size)
                    let scale = wanted.numbers.reduce(0) { max($0, abs($1)) }
                    let average = Plain(size, size) { 0.05 * wanted[$0, $1] }
                    #expect(gram.distance(average) <= 1e-6 * scale, "\(name) \(sizes)")
                    Self.expectEigenbasis(
                        Plain(parameter.view.state[slot + 1], size, size), of: gram, "\(name) \(sizes) \(type)")
                }
            }
        }
    }

    /// Refreshed at every step with the same gradient, the basis stays one of its eigenvectors, also where many of these
    /// have an eigenvalue of 0.
    @Test func refreshesKeepEigenbases() throws {
        let configuration = Configuration(.soap) { $0[.preconditionFrequency] = 1 }
        for sizes in Self.sizes {
            for (name, gradient) in Self.gradients {
                let parameter = Parameter(for: configuration, sizes: sizes)
                let (rows, columns) = Self.side(sizes)
                Self.give(parameter, columns, gradient)
                for _ in 0..<4 { try step([parameter], [configuration]) }
                for (slot, size) in [(2, rows), (4, columns)] {
                    let basis = Plain(parameter.view.state[slot + 1], size, size)
                    #expect((basis.turned * basis).distance(.identity(size)) < 2e-6 * Double(size), "\(name) \(sizes)")
                    let gram = Plain(parameter.view.state[slot], size, size)
                    let largest = gram.numbers.reduce(0) { max($0, abs($1)) }
                    let diagonal = basis.turned * gram * basis
                    #expect(diagonal.beside <= 1e-4 * largest * Double(size).squareRoot(), "\(name) \(sizes)")
                }
            }
        }
    }

    /// A step in the bases that the state has.
    @Test(arguments: [0.0, 0.3]) func stepsAreTheEquations(decay: Double) throws {
        let configuration = Configuration(.soap) { ($0.lr, $0.weightDecay) = (0.1, decay) }
        for sizes in Self.sizes where sizes[0] > 1 {
            let parameter = Parameter(for: configuration, sizes: sizes, .fp64)
            let (rows, columns) = Self.side(sizes)
            try step([parameter], [configuration])
            let ofRows = Plain(parameter.view.state[3], rows, rows)
            let ofColumns = Plain(parameter.view.state[5], columns, columns)
            var (m, v) = (Plain(rows, columns) { _, _ in 0 }, Plain(rows, columns) { _, _ in 0 })
            var value = Plain(parameter.view.value, rows, columns)
            for t in 1...3 {
                parameter.randomizeGradient(seed: UInt64(t))
                let g = ofRows.turned * Plain(parameter.view.gradient, rows, columns) * ofColumns
                try step([parameter], [configuration])
                m = Plain(rows, columns) { 0.95 * m[$0, $1] + 0.05 * g[$0, $1] }
                v = Plain(rows, columns) { 0.95 * v[$0, $1] + 0.05 * g[$0, $1] * g[$0, $1] }
                let power = (1...t).reduce(1.0) { result, _ in result * 0.95 }
                let size = 0.1 * (1 - power).squareRoot() / (1 - power)
                let u = ofRows * Plain(rows, columns) { m[$0, $1] / (v[$0, $1].squareRoot() + 1e-8) } * ofColumns.turned
                value = Plain(rows, columns) { (value[$0, $1] - size * u[$0, $1]) * (1 - 0.1 * decay) }
            }
            #expect(Plain(parameter.view.value, rows, columns).distance(value) < 1e-4, "\(sizes)")
        }
    }

    /// The fourth power of a root times what it is the root of, for a matrix whose eigenvalues are all well over 0.
    @Test func rootsAreRoots() throws {
        let configuration = Configuration(.shampoo) { $0.eps = 0.5 }
        for size in [1, 2, 16, 17, 40] {
            let parameter = Parameter(for: configuration, sizes: [size, size])
            try step([parameter], [configuration])
            for slot in [1, 3] {
                let gram = Plain(parameter.view.state[slot], size, size)
                let shifted = Plain(size, size) { gram[$0, $1] + ($0 == $1 ? 0.5 : 0) }
                let root = Plain(parameter.view.state[slot + 1], size, size)
                let square = root * root
                #expect((square * square * shifted).distance(.identity(size)) < 2e-4, "\(size)")
            }
        }
    }

    /// Of large matrices, which all threads work on, and of small ones and blocks.
    @Test(arguments: [Algorithm.soap, .shampoo], [0.0, 48]) func sameBitsForAnyThreads(
        algorithm: Algorithm, block: Double
    )
        throws
    {
        let configuration = Configuration(algorithm) { ($0[.preconditionFrequency], $0[.blockSize]) = (2, block) }
        let sizes = [[170, 160], [20, 33], [64, 40]]
        try expectSameBitsForAnyThreads(configuration, steps: 4) {
            sizes.map { Parameter(for: configuration, sizes: $0, seed: 7) }
        }
    }

    /// Each block is a matrix of its own.
    @Test(arguments: [Algorithm.soap, .shampoo]) func blocksAreMatrices(algorithm: Algorithm) throws {
        let blocked = Configuration(algorithm) { ($0[.preconditionFrequency], $0[.blockSize]) = (2, 8) }
        let whole = Configuration(algorithm) { ($0[.preconditionFrequency], $0[.blockSize]) = (2, 0) }
        let (rows, columns) = (20, 13)
        let parameter = Parameter(for: blocked, sizes: [rows, columns])
        let value = Plain(parameter.view.value, rows, columns)
        let corners = stride(from: 0, to: rows, by: 8).flatMap { row in
            stride(from: 0, to: columns, by: 8).map { (row, $0) }
        }
        let parts = corners.map { row, column in
            let part = Parameter(for: whole, sizes: [min(8, rows - row), min(8, columns - column)])
            let width = min(8, columns - column)
            for index in 0..<part.count {
                part.view.value.set(index, value[row + index / width, column + index % width])
            }
            return part
        }
        for t in 0..<5 {
            parameter.randomizeGradient(seed: UInt64(t))
            for ((row, column), part) in zip(corners, parts) {
                let width = min(8, columns - column)
                for index in 0..<part.count {
                    part.view.gradient.set(
                        index, parameter.view.gradient.get((row + index / width) * columns + column + index % width))
                }
            }
            try step([parameter], [blocked])
            try step(parts, [whole])
        }
        for ((row, column), part) in zip(corners, parts) {
            let width = min(8, columns - column)
            for index in 0..<part.count {
                let place = (row + index / width) * columns + column + index % width
                #expect(parameter.view.value.get(place) == part.view.value.get(index))
            }
        }
    }

    /// A side that is too long has no factor, and keeps the identity.
    @Test func longSidesAreNotTurned() throws {
        let configuration = Configuration(.soap) { $0[.maxPrecondDim] = 10 }
        let parameter = Parameter(for: configuration, sizes: [8, 12])
        #expect(parameter.view.state[2].count == 64 && parameter.view.state[4].count == 0)
        for t in 0..<3 {
            parameter.randomizeGradient(seed: UInt64(t))
            try step([parameter], [configuration])
        }
        let neither = Configuration(.soap) { $0[.maxPrecondDim] = 0 }
        let plain = Parameter(for: neither, sizes: [8, 12])
        let before = Plain(plain.view.value, 8, 12)
        for _ in 0..<2 { try step([plain], [neither]) }
        // Without factors it is Adam: its first step has the gradient's sign.
        let after = Plain(plain.view.value, 8, 12)
        for index in 0..<96 where abs(plain.view.gradient.get(index)) > 1e-3 {
            let moved = before.numbers[index] * (1 - 3e-5) - after.numbers[index]
            #expect(abs(moved - (plain.view.gradient.get(index) > 0 ? 3e-3 : -3e-3)) < 1e-6)
        }
    }

    /// What fp32 cannot hold, or is no number, ends in the value as it does elsewhere, and in no crash and no endless loop.
    @Test(arguments: [Algorithm.soap, .shampoo], [Double.nan, .infinity, 3e38, 1e30, 1e-44])
    func takesAnyGradient(algorithm: Algorithm, number: Double) throws {
        let configuration = Configuration(algorithm) { $0[.preconditionFrequency] = 1 }
        let parameter = Parameter(for: configuration, sizes: [20, 17])
        for t in 0..<4 {
            parameter.randomizeGradient(seed: UInt64(t))
            if t < 2 { for index in 0..<60 { parameter.view.gradient.set(index * 3, number) } }
            try step([parameter], [configuration])
        }
        #expect(parameter.counter == 4)
    }

    /// Averages near the end of fp32's range have the bases of smaller ones, and those that are no numbers the identity.
    @Test(arguments: [0x1p61, 0x1p62, 0x1p-55, .nan]) func basesOfAnyScale(scale: Double) throws {
        func made(_ scale: Double) throws -> Parameter {
            let parameter = Parameter(for: Configuration(.soap), sizes: [8, 8])
            Self.give(parameter, 8) { row, column in scale * Double((row * 5 + column * 3 + row * column) % 7 - 3) / 4 }
            try step([parameter], [Configuration(.soap)])
            return parameter
        }
        let (parameter, plain) = (try made(scale), try made(1))
        for slot in [3, 5] {
            let basis = Plain(parameter.view.state[slot], 8, 8)
            let wanted = scale.isNaN ? .identity(8) : Plain(plain.view.state[slot], 8, 8)
            #expect(basis.distance(wanted) == 0)
        }
    }

    @Test(arguments: [Algorithm.soap, .shampoo]) func refusals(algorithm: Algorithm) throws {
        let configuration = Configuration(algorithm)
        let name = "\(algorithm.name)"
        let vector = Parameter(count: 12, slots: configuration.slots.count)
        expectRefusal(.shape, ["parameters[0].value is a vector", name, "adamw"], [vector], [configuration])
        let squares = configuration.slots.count - 1
        let matrix = Parameter(for: configuration, sizes: [6, 4])
        let right = matrix.view.state[squares]
        matrix.view.state[squares] = ArrayView(base: right.base, count: 15, type: .fp32)
        expectRefusal(.shape, ["parameters[0].state[\(squares)]", "expected 16"], [matrix], [configuration])
        matrix.view.state[squares] = ArrayView(base: right.base, count: 16, type: .bf16)
        expectRefusal(.type, ["parameters[0].state[\(squares)]", "fp64 or fp32"], [matrix], [configuration])
    }

    /// A size of blocks that changes what is kept cannot be set once there are parameters.
    @Test func blocksAreSetBefore() throws {
        let optimizer = try Optimizer(Configuration(.soap))
        let memory = Memory(byteCount: 24 * 4)
        let owner = Parameter(count: 24)
        let view = ArrayView(base: memory.base, count: 24, type: .fp32).shaped([6, 4], [4, 1], in: owner)
        try optimizer.set(.blockSize, to: 3)
        try optimizer.add(view)
        do {
            try optimizer.set(.blockSize, to: 2)
            Issue.record("it was taken")
        } catch {
            #expect(error.message.contains("block_size is 2") && error.message.contains("other sizes"))
        }
        try optimizer.set(.preconditionFrequency, to: 3)
        extendLifetime(owner)
        extendLifetime(memory)
    }
}
