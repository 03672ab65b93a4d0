// Symmetric products and sums of symmetric matrices, and copies that are transposed: every instruction set, sizes around
// tiles, and the same bits for any number of threads.

import MartletCompute
import MartletKernelInterface
import MartletPlatform
import MartletTestSupport
import Testing

@Suite struct SymmetricTests {
    private static let sizes = [1, 2, 15, 16, 17, 33, 64, 70, 100, 129]

    private static func random(_ count: Int, seed: Int) -> Memory {
        let memory = Memory(byteCount: count * 4)
        var generator = Generator(seed: UInt64(seed))
        memory.withElements(Float.self) {
            for place in $0.indices { $0[place] = Float.random(in: -1...1, using: &generator) }
        }
        return memory
    }

    /// The whole product of the same factors has the same bits up to the diagonal.
    @Test(arguments: Twins.here) func isHalfOfTheProduct(isa: InstructionSet) throws {
        for size in Self.sizes {
            for inner in [1, 16, 40, 400] {
                let x = Self.random(size * inner, seed: size + inner)
                func product(_ out: Memory) -> MatrixProduct {
                    MatrixProduct(
                        rows: size, inner: inner, columns: size,
                        left: Factor(base: x.pointer(), rowStride: inner, columnStride: 1),
                        right: Factor(base: x.pointer(), rowStride: 1, columnStride: inner), out: out.pointer(),
                        outStride: size)
                }
                let whole = Memory(byteCount: size * size * 4)
                try Execution(mode: .exact, isa: isa, threads: 1).multiply(product(whole))
                for threads in [1, 2, 3, 7] {
                    let half = Memory(byteCount: size * size * 4)
                    try Execution(mode: .exact, isa: isa, threads: threads, sharesAll: true)
                        .multiplySymmetric(product(half))
                    let (a, b) = (whole.contents(Float.self), half.contents(Float.self))
                    let isSame = (0..<size).allSatisfy { row in
                        (0...row).allSatisfy { a[row * size + $0].bitPattern == b[row * size + $0].bitPattern }
                    }
                    #expect(isSame, "\(isa) \(size) x \(inner), \(threads) threads")
                }
            }
        }
    }

    /// What is above the diagonal is read by nobody, and is what mirrors the rest afterwards; in place too.
    @Test(arguments: Twins.here) func combinesSymmetricMatrices(isa: InstructionSet) throws {
        for size in Self.sizes {
            let stride = (size + 15) & ~15
            for inPlace in [false, true] {
                let (m, l) = (Self.random(stride * stride, seed: size), Self.random(stride * stride, seed: size + 1))
                let (a, b) = (m.contents(Float.self), l.contents(Float.self))
                let out = inPlace ? l : Memory(byteCount: stride * stride * 4)
                try Execution(mode: .exact, isa: isa, threads: 2, sharesAll: true).run(
                    SymmetricRequest(
                        stride: stride, diagonal: 3, 0.5, m.pointer(), -2, l.pointer(), out: out.pointer()))
                let result = out.contents(Float.self)
                for row in 0..<size {
                    for column in 0..<size {
                        let place = max(row, column) * stride + min(row, column)
                        let wanted = a[place] * 0.5 + b[place] * -2 + (row == column ? 3 : 0)
                        #expect(abs(result[row * stride + column] - wanted) < 1e-6, "\(size) \(row) \(column)")
                    }
                }
            }
        }
    }

    @Test(arguments: Twins.here) func turns(isa: InstructionSet) throws {
        for (rows, columns) in [(1, 1), (3, 5), (16, 16), (40, 7), (7, 40), (33, 70), (300, 90)] {
            for kind in 0..<8 {
                let (fromDouble, toDouble, turned) = (kind & 1 == 1, kind & 2 == 2, kind & 4 == 4)
                let (width, height) = turned ? (rows, columns) : (columns, rows)
                let from = Memory(byteCount: rows * (columns + 3) * 8)
                let to = Memory(byteCount: height * (width + 2) * 8)
                var generator = Generator(seed: UInt64(rows + kind))
                from.withElements(Double.self) { doubles in
                    for place in doubles.indices where fromDouble {
                        doubles[place] = Double.random(in: -1...1, using: &generator)
                    }
                }
                from.withElements(Float.self) { floats in
                    for place in floats.indices where !fromDouble {
                        floats[place] = Float.random(in: -1...1, using: &generator)
                    }
                }
                try Execution(mode: .exact, isa: isa, threads: 3, sharesAll: true).run(
                    TurnRequest(
                        rows: rows, columns: columns, from: from.base, fromDouble: fromDouble, fromStride: columns + 3,
                        to: to.base, toDouble: toDouble, toStride: width + 2, turns: turned, scale: 0.75))
                let read = from.contents(Double.self), readFloats = from.contents(Float.self)
                let written = to.contents(Double.self), writtenFloats = to.contents(Float.self)
                var mistakes = 0
                for row in 0..<height {
                    for column in 0..<width + 2 {
                        let place = row * (width + 2) + column
                        let result = toDouble ? written[place] : Double(writtenFloats[place])
                        if column >= width {
                            mistakes += result == 0 ? 0 : 1
                            continue
                        }
                        let source = (turned ? column : row) * (columns + 3) + (turned ? row : column)
                        let wanted = (fromDouble ? read[source] : Double(readFloats[source])) * 0.75
                        mistakes += abs(result - wanted) <= (fromDouble && toDouble ? 0 : 1e-7) ? 0 : 1
                    }
                }
                #expect(mistakes == 0, "\(isa) \(rows) x \(columns), kind \(kind)")
            }
        }
    }
}
