// Softmax, sums of columns and of everything, and normalisation by column, against fp64.

import Glibc
import MartletKernelInterface
import MartletCompute
import MartletTestSupport
import Testing

@Suite struct RowTests {
    static let shapes = [
        (0, 5), (3, 0), (1, 1), (2, 1), (33, 1), (5, 2), (32, 10), (7, 15), (7, 16), (7, 17), (3, 31), (300, 3),
        (1025, 6),
        (600, 100), (2, 4097), (1000, 64), (3, 9001), (9, 2049), (5000, 16),
    ]

    static func softmax(_ x: [Double]) -> [Double] {
        let top = x.max() ?? 0
        let powers = x.map { exp($0 - top) }
        let total = powers.reduce(0, +)
        return powers.map { $0 / total }
    }

    static func rows<Number>(_ numbers: [Number], _ columns: Int) -> [[Number]] {
        columns == 0 ? [] : stride(from: 0, to: numbers.count, by: columns).map { Array(numbers[$0..<$0 + columns]) }
    }

    @Test(arguments: shapes) func softmaxAndItsGradient(rows: Int, columns: Int) throws {
        let x = randomFloats(rows * columns, seed: UInt64(rows + columns), scale: 30)
        let upstream = randomFloats(rows * columns, seed: 8)
        let exact = Self.rows(x.map { Double($0) }, columns).flatMap(Self.softmax)
        let gradients = zip(Self.rows(exact, columns), Self.rows(upstream.map { Double($0) }, columns)).flatMap {
            y, g in
            let product = zip(y, g).map { $0 * $1 }.reduce(0, +)
            return zip(y, g).map { $0 * ($1 - product) }
        }
        try Twins.each { execution in
            let (input, y) = (FencedFloats(x), FencedFloats(repeating: 7, count: x.count))
            execution.run(SoftmaxRequest(rows: rows, columns: columns, x: input.pointer, y: y.pointer))
            expectClose(y.numbers, exact, relative: 3e-6, absolute: 1e-37, "\(execution.isa.name), softmax")
            execution.run(SoftmaxRequest(rows: rows, columns: columns, x: input.pointer, y: input.pointer))
            #expect(input.numbers == y.numbers)
            let gradient = FencedFloats(upstream)
            execution.run(
                SoftmaxBackwardRequest(
                    rows: rows, columns: columns, y: y.pointer, gradient: gradient.pointer, out: gradient.pointer))
            expectClose(gradient.numbers, gradients, relative: 1e-5, absolute: 1e-6, "\(execution.isa.name), gradient")
        }
    }

    @Test func softmaxMeetsSpecialNumbers() throws {
        try Twins.each { execution in
            let infinity = Float.infinity
            let x = FencedFloats([
                0, -infinity, 0, 3e38, 3e38, -3e38, 1, .nan, 2, infinity, 0, 0, -infinity, -infinity, -infinity,
            ])
            execution.run(SoftmaxRequest(rows: 5, columns: 3, x: x.pointer, y: x.pointer))
            #expect(Array(x.numbers.prefix(6)) == [0.5, 0, 0.5, 0.5, 0.5, 0])
            let isNaN = x.numbers.suffix(9).allSatisfy(\.isNaN)
            #expect(isNaN)
        }
    }

    @Test(arguments: shapes) func sumsOfColumns(rows: Int, columns: Int) throws {
        let x = randomFloats(rows * columns, seed: 12).map { $0 + 0.5 }
        let exact = (0..<columns).map { column in (0..<rows).map { Double(x[$0 * columns + column]) }.reduce(0, +) }
        try Twins.each { execution in
            let (input, out) = (FencedFloats(x), FencedFloats(repeating: 7, count: columns))
            execution.columnSums(rows: rows, columns: columns, x: input.pointer, out: out.pointer)
            expectClose(out.numbers, exact, relative: 2e-6, absolute: 2e-5, "\(execution.isa.name)")
        }
    }

    @Test(arguments: shapes) func normalisationByColumn(rows: Int, columns: Int) throws {
        let x = randomFloats(rows * columns, seed: 13, scale: 100)
        let (mean, factor) = (randomFloats(columns, seed: 14, scale: 50), randomFloats(columns, seed: 15))
        let exact = x.indices.map { (Double(x[$0]) - Double(mean[$0 % columns])) * Double(factor[$0 % columns]) }
        try Twins.each { execution in
            let (input, out) = (FencedFloats(x), FencedFloats(repeating: 7, count: x.count))
            let (means, factors) = (FencedFloats(mean), FencedFloats(factor))
            execution.run(
                NormalizationRequest(
                    rows: rows, columns: columns, mean: means.pointer, factor: factors.pointer, x: input.pointer,
                    y: out.pointer))
            expectClose(out.numbers, exact, relative: 1e-6, absolute: 1e-5, "\(execution.isa.name)")
            execution.run(
                NormalizationRequest(
                    rows: rows, columns: columns, mean: nil, factor: factors.pointer, x: input.pointer,
                    y: input.pointer))
            let scaled = x.indices.map { Double(x[$0]) * Double(factor[$0 % columns]) }
            expectClose(input.numbers, scaled, relative: 1e-6, absolute: 1e-5, "\(execution.isa.name), no mean")
        }
    }

    @Test(arguments: [0, 1, 15, 16, 17, 16_383, 16_384, 16_385, 100_003]) func sumsOfEverything(count: Int) throws {
        let x = randomFloats(count, seed: 16).map { $0 * 1000 + 300 }
        let exact = x.map { Double($0) }.reduce(0, +)
        let squares = x.map { Double($0) * Double($0) }.reduce(0, +)
        try Twins.each { execution in
            let input = FencedFloats(x)
            #expect(abs(execution.sum(count: count, x: input.pointer) - exact) <= 1e-12 * squares)
            #expect(abs(execution.sumOfSquares(count: count, x: input.pointer) - squares) <= 1e-12 * squares)
        }
    }

    @Test func threadsDoNotChangeBits() throws {
        let (rows, columns) = (3000, 100)
        let x = randomFloats(rows * columns, seed: 17, scale: 3)
        try Twins.expectSameBits { execution in
            let (input, out) = (FencedFloats(x), FencedFloats(x))
            let sums = FencedFloats(repeating: 0, count: columns)
            execution.run(SoftmaxRequest(rows: rows, columns: columns, x: input.pointer, y: out.pointer))
            execution.columnSums(rows: rows, columns: columns, x: input.pointer, out: sums.pointer)
            let total = Float(execution.sum(count: x.count, x: input.pointer))
            return [out.numbers, sums.numbers, [total]]
        }
    }
}
