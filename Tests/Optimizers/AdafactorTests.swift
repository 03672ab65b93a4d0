// Adafactor, the algorithm whose step takes several passes: against the equations in plain Double, and the same bits for
// any threads and any layout.

import MartletOptimizers
import MartletPlatform
import MartletTestSupport
import Testing

/// The equations of torch.optim.Adafactor for one parameter, as they are written.
private struct Factored {
    let matrices, rows, columns: Int
    let isMatrix: Bool
    var value: [Double]
    var rowVar, colVar, variance: [Double]

    init(_ sizes: [Int], _ value: [Double]) {
        isMatrix = sizes.count > 1
        columns = sizes.last ?? 1
        rows = isMatrix ? sizes[sizes.count - 2] : 1
        matrices = value.count / (rows * columns)
        self.value = value
        rowVar = Array(repeating: 0, count: matrices * rows)
        colVar = Array(repeating: 0, count: matrices * columns)
        variance = Array(repeating: 0, count: value.count)
    }

    mutating func step(_ g: [Double], t: Double, weight: Double, eps: Double, _ c: Configuration) {
        func rms(_ x: [Double]) -> Double { (x.reduce(0) { $0 + $1 * $1 } / Double(x.count)).squareRoot() }
        func move(_ old: inout Double, _ new: Double) { old += weight * (new - old) }
        let alpha = max(c[.eps2], rms(value)) * min(c.lr, 1 / t.squareRoot())
        var v = Array(repeating: 0.0, count: g.count)
        for m in 0..<matrices where isMatrix {
            func at(_ row: Int, _ column: Int) -> Int { (m * rows + row) * columns + column }
            for row in 0..<rows {
                let sum = (0..<columns).reduce(0.0) { $0 + g[at(row, $1)] * g[at(row, $1)] }
                move(&rowVar[m * rows + row], sum / Double(columns))
            }
            for column in 0..<columns {
                let sum = (0..<rows).reduce(0.0) { $0 + g[at($1, column)] * g[at($1, column)] }
                move(&colVar[m * columns + column], sum / Double(rows))
            }
            let mean = rowVar[m * rows..<(m + 1) * rows].reduce(0, +) / Double(rows)
            for row in 0..<rows {
                for column in 0..<columns {
                    v[at(row, column)] = rowVar[m * rows + row] * colVar[m * columns + column] / max(mean, eps)
                }
            }
        }
        if !isMatrix {
            for index in g.indices { move(&variance[index], g[index] * g[index]) }
            v = variance
        }
        let u = g.indices.map { g[$0] / max(v[$0].squareRoot(), eps) }
        let scale = alpha / max(1, rms(u) / c[.clippingThreshold])
        for index in g.indices { value[index] = (1 - c.lr * c.weightDecay) * value[index] - scale * u[index] }
    }
}

@Suite struct AdafactorTests {
    /// A parameter with the slots that it has, in memory of its own, and its values.
    private static func parameter(
        _ sizes: [Int], _ type: ElementType = .fp32, gradient: ElementType? = nil, state: ElementType? = nil
    ) -> (Parameter, Memory) {
        let count = sizes.reduce(1, *)
        let parameter = Parameter(count: count, type, gradient: gradient, slots: 0, seed: UInt64(count))
        var strides = Array(repeating: 1, count: sizes.count)
        for dimension in sizes.indices.dropLast().reversed() {
            strides[dimension] = strides[dimension + 1] * sizes[dimension + 1]
        }
        if sizes.count > 1 {
            parameter.view.value = parameter.view.value.shaped(sizes, strides, in: parameter)
            parameter.view.gradient = parameter.view.gradient.shaped(sizes, strides, in: parameter)
        }
        let type = state ?? type
        let memory = Memory(byteCount: 2 * count * 8 + 64)
        let isMatrix = sizes.count > 1
        let rows = isMatrix && count > 0 ? count / sizes[sizes.count - 1] : 0
        let columns = isMatrix && count > 0 ? count / sizes[sizes.count - 2] : 0
        parameter.view.stateCount = 3
        parameter.view.state[0] = ArrayView(base: memory.base, count: isMatrix ? 0 : count, type: type)
        parameter.view.state[1] = ArrayView(base: memory.base, count: rows, type: type)
        parameter.view.state[2] = ArrayView(base: memory.base + 8 * count, count: columns, type: type)
        return (parameter, memory)
    }

    private static func numbers(_ view: ArrayView) -> [Double] { (0..<view.count).map { view.get($0) } }

    private static let shapes = [
        [1], [15], [16], [700], [20_000], [1, 1], [3, 5], [16, 16], [300, 1], [1, 300], [33, 257], [90, 2500],
        [3, 20_000], [4, 6, 3, 3], [2, 100, 130], [60, 5, 3, 3], [3, 16, 32], [40, 5, 7], [1030, 1, 1], [500, 7],
        [2, 63, 63], [6, 17_000],
    ]

    @Test(arguments: [false, true])
    func equations(isDouble: Bool) throws {
        // 2^-0.8 and 3^-0.8, by a calculator of many digits.
        let weights = [1, 0.574349177498517503, 0.415243646538505775]
        for sizes in Self.shapes {
            let (parameter, memory) = Self.parameter(sizes, isDouble ? .fp64 : .fp32)
            defer { extendLifetime((parameter, memory)) }
            let configuration = Configuration(.adafactor) { $0.weightDecay = 0.1 }
            var reference = Factored(sizes, Self.numbers(parameter.view.value))
            for t in 0..<3 {
                parameter.randomizeGradient(seed: UInt64(t))
                try step([parameter], [configuration])
                reference.step(
                    Self.numbers(parameter.view.gradient), t: Double(t + 1), weight: weights[t],
                    eps: isDouble ? 0x1p-52 : 0x1p-23, configuration)
            }
            let error = zip(Self.numbers(parameter.view.value), reference.value).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(error < (isDouble ? 1e-14 : 3e-7), "\(sizes)")
            if sizes.count > 1 {
                let rows = zip(Self.numbers(parameter.view.state[1]), reference.rowVar).allSatisfy {
                    abs($0 - $1) <= (isDouble ? 1e-13 : 2e-7) * $1
                }
                let columns = zip(Self.numbers(parameter.view.state[2]), reference.colVar).allSatisfy {
                    abs($0 - $1) <= (isDouble ? 1e-13 : 2e-7) * $1
                }
                #expect(rows && columns, "\(sizes)")
            }
        }
    }

    @Test func sameBitsForAnyThreads() throws {
        for types in [[ElementType.fp32, .fp32, .fp32], [.bf16, .fp32, .fp32], [.fp64, .fp16, .bf16]] {
            var first: [[Double]]?
            for threads in [1, 2, 3, 7] {
                let parameters = [[20_000], [90, 2500], [700, 300], [64, 40, 3, 3], [2000, 20], [2, 20_000]].map {
                    Self.parameter($0, types[0], gradient: types[1], state: types[2])
                }
                defer { extendLifetime(parameters) }
                let optimizer = try Optimizer(Configuration(.adafactor))
                for (parameter, _) in parameters {
                    _ = try optimizer.add(parameter.view.value, stateTypes: Array(repeating: .wide(types[2]), count: 3))
                }
                for t in 0..<2 {
                    for (parameter, _) in parameters { parameter.randomizeGradient(seed: UInt64(t)) }
                    let gradients = parameters.map(\.0.view.gradient)
                    _ = try gradients.withUnsafeBufferPointer { try optimizer.step($0, threads: threads) }
                }
                let values = parameters.map { Self.numbers($0.0.view.value) }
                if let first { #expect(values == first, "\(threads) threads, \(types)") } else { first = values }
            }
        }
    }

    /// A matrix whose columns lie one behind the other, beside one of rows.
    @Test(arguments: [[5, 7], [300, 3], [3, 300], [90, 600], [50, 6, 3, 3], [7, 16, 30], [3, 2100]])
    func sameBitsForAnyLayout(sizes: [Int]) throws {
        let (plain, memory) = Self.parameter(sizes)
        let (turned, turnedMemory) = Self.parameter(sizes)
        defer { extendLifetime((plain, memory, turned, turnedMemory)) }
        let count = plain.count
        var strides = [1]
        for size in sizes.dropLast() { strides.append(strides.last! * size) }
        let places = (0..<count).map { index in
            var (rest, place) = (index, 0)
            for dimension in sizes.indices.reversed() {
                place += rest % sizes[dimension] * strides[dimension]
                rest /= sizes[dimension]
            }
            return place
        }
        turned.view.value = turned.view.value.shaped(sizes, strides, in: turned)
        for index in 0..<count { turned.view.value.set(places[index], plain.view.value.get(index)) }
        for t in 0..<3 {
            plain.randomizeGradient(seed: UInt64(t))
            turned.randomizeGradient(seed: UInt64(t))
            try step([plain], [Configuration(.adafactor)])
            try step([turned], [Configuration(.adafactor)])
        }
        #expect((0..<count).allSatisfy { plain.view.value.get($0) == turned.view.value.get(places[$0]) })
        #expect(memory.bytes == turnedMemory.bytes)
    }

    @Test func resumedFromFile() throws {
        let folder = Folder()
        let whole = [[30, 40], [50]].map { Self.parameter($0) }
        let halves = [[30, 40], [50]].map { Self.parameter($0) }
        defer { extendLifetime((whole, halves)) }
        func optimizer(_ parameters: [(Parameter, Memory)]) throws -> Optimizer {
            let optimizer = try Optimizer(Configuration(.adafactor))
            for (parameter, _) in parameters { _ = try optimizer.add(parameter.view.value) }
            return optimizer
        }
        let first = try optimizer(whole)
        var second = try optimizer(halves)
        #expect(try first.state(of: 0, slot: 0).count == 0 && first.state(of: 1, slot: 1).count == 0)
        #expect(try first.state(of: 0, slot: 1).count == 30 && first.state(of: 0, slot: 2).count == 40)
        for t in 0..<6 {
            if t == 3 {
                try second.save(to: folder["file"])
                second = try optimizer(halves)
                try second.load(from: folder["file"])
            }
            for (parameter, _) in whole + halves { parameter.randomizeGradient(seed: UInt64(t)) }
            try first.step(whole.map(\.0.view.gradient))
            try second.step(halves.map(\.0.view.gradient))
        }
        #expect(whole.map(\.0.bytes) == halves.map(\.0.bytes))
    }

    @Test func emptyAndWrongSlots() throws {
        let spoiled: [(MartletError.Kind, String, (Parameter) -> Void)] = [
            (.shape, "expected 0", { $0.view.state[0].count = 15 }),
            (.shape, "expected 3", { $0.view.state[1].count = 5 }),
            (.shape, "expected 5", { $0.view.state[2].count = -1 }), (.null, "NULL", { $0.view.state[1].base = nil }),
            (.alignment, "state[2].data", { $0.view.state[2].base! += 1 }),
            (.overlap, "state[1]", { $0.view.state[1].base = $0.view.value.base }),
        ]
        for (kind, words, spoil) in spoiled {
            let (parameter, memory) = Self.parameter([3, 5])
            defer { extendLifetime((parameter, memory)) }
            spoil(parameter)
            let before = parameter.bytes
            let error = failure { () throws(MartletError) in try step([parameter], [Configuration(.adafactor)]) }
            #expect(error?.kind == kind && error?.message.contains(words) == true, "\(error?.message ?? "none")")
            #expect(parameter.bytes == before)
        }
        let (empty, none) = Self.parameter([0, 5])
        defer { extendLifetime((empty, none)) }
        empty.view.state[2].count = 0
        try step([empty], [Configuration(.adafactor)])
        #expect(empty.counter == 1)
    }

    /// One gradient that is not finite spoils the parameter, as in torch, and no other.
    @Test func nonFiniteGradient() throws {
        let (spoiled, memory) = Self.parameter([20, 30])
        let (other, otherMemory) = Self.parameter([20, 30])
        defer { extendLifetime((spoiled, memory, other, otherMemory)) }
        spoiled.view.gradient.set(7, .nan)
        try step([spoiled, other], [Configuration(.adafactor)])
        let isUntouched = Self.numbers(other.view.value).allSatisfy(\.isFinite)
        #expect(isUntouched)
        #expect(spoiled.view.value.get(7).isNaN && spoiled.view.value.get(0).isNaN)
    }
}
