// What the tests of models' operations share: arrays between fences, the ways to execute, random numbers, and errors
// measured in units in the last place. No expectations but that fences stand.

import MartletCompute
import MartletPlatform
import MartletTestSupport
import Testing

/// Numbers at an address aligned to themselves alone, between bytes that must not change.
final class Fenced<Number: BitwiseCopyable> {
    let count: Int
    private let memory: Memory
    private static var fence: Int { 128 + MemoryLayout<Number>.stride }

    init(_ numbers: [Number]) {
        count = numbers.count
        memory = Memory(byteCount: count * MemoryLayout<Number>.stride + 2 * Self.fence, filledWith: 0xA5)
        for (index, number) in numbers.enumerated() { pointer[index] = number }
    }

    convenience init(repeating number: Number, count: Int) { self.init([Number](repeating: number, count: count)) }

    var pointer: UnsafeMutablePointer<Number> { memory.pointer(at: Self.fence) }

    /// A copy of the numbers, after a look at the fences.
    var numbers: [Number] {
        let bytes = memory.bytes
        let stands =
            bytes.prefix(Self.fence).allSatisfy { $0 == 0xA5 } && bytes.suffix(Self.fence).allSatisfy { $0 == 0xA5 }
        #expect(stands, "something was written outside an array of \(count)")
        return withExtendedLifetime(self) { Array(UnsafeBufferPointer(start: pointer, count: count)) }
    }
}

typealias FencedFloats = Fenced<Float>

enum Twins {
    /// Those that this machine can run.
    static let here = InstructionSet.allCases.filter(\.isSupported)

    /// Calls `body` for each of them, with one thread.
    static func each(_ body: (Execution) throws -> Void) throws {
        for isa in here { try body(Execution(mode: .exact, isa: isa, threads: 1)) }
    }

    /// Expects the same bits of every number of threads, on each of them. Threads share whatever has two pieces.
    static func expectSameBits(_ body: (Execution) -> [[Float]]) throws {
        for isa in here {
            let one = try body(Execution(mode: .exact, isa: isa, threads: 1)).map { $0.map(\.bitPattern) }
            for threads in [2, 3, 7] {
                let more = try body(Execution(mode: .exact, isa: isa, threads: threads, sharesAll: true)).map {
                    $0.map(\.bitPattern)
                }
                let isSame = more == one
                #expect(isSame, "\(isa.name): \(threads) threads give other bits than one")
            }
        }
    }
}

/// Numbers from -scale to scale.
func randomFloats(_ count: Int, seed: UInt64, scale: Float = 1) -> [Float] {
    var generator = Generator(seed: seed)
    return (0..<count).map { _ in Float.random(in: -scale...scale, using: &generator) }
}

/// How far a number is from the exact one, in units of the last place of an fp32 number of that size.
func ulps(_ number: Float, _ exact: Double) -> Double {
    if exact.isNaN || Double(Float(exact)) == Double(number) && exact.isInfinite {
        return number.isNaN == exact.isNaN ? 0 : .infinity
    }
    let rounded = Float(exact)
    if rounded.isInfinite { return number == rounded ? 0 : .infinity }
    return abs(Double(number) - exact) / Double(rounded.ulp)
}

/// Expects numbers close to exact ones: by `relative` of the exact one, or by `absolute`.
func expectClose(
    _ numbers: [Float], _ exact: [Double], relative: Double = 2e-6, absolute: Double = 1e-6,
    _ what: @autoclosure () -> String,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(numbers.count == exact.count, sourceLocation: sourceLocation)
    for (index, (number, wanted)) in zip(numbers, exact).enumerated() {
        if wanted.isNaN && number.isNaN || Double(number) == wanted { continue }
        if !(abs(Double(number) - wanted) <= max(absolute, relative * abs(wanted))) {
            Issue.record("\(what()): number \(index) is \(number), expected \(wanted)", sourceLocation: sourceLocation)
            return
        }
    }
}

/// The gradient of a function of many numbers, by central differences in Double.
func centralDifferences(_ x: [Double], step: Double = 1e-5, _ function: ([Double]) -> Double) -> [Double] {
    x.indices.map { index in
        var (up, down) = (x, x)
        up[index] += step
        down[index] -= step
        return (function(up) - function(down)) / (2 * step)
    }
}
