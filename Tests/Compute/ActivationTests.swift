// The activations against fp64: how many units in the last place they are off over their whole range, what they make of
// infinities and NaN, and their gradients against central differences.

import Glibc
import MartletCompute
import MartletKernelInterface
import MartletTestSupport
import Testing

@Suite struct ActivationTests {
    static let slope: Float = 0.1

    static func exact(_ activation: Activation, _ x: Double) -> Double {
        switch activation {
        case .linear, .softmax: x
        case .relu: x < 0 ? 0 : x
        case .leakyReLU: x < 0 ? x * Double(slope) : x
        case .gelu: x == -.infinity ? 0 : 0.5 * x * erfc(-x / 2.0.squareRoot())
        case .silu: x == -.infinity ? 0 : x / (1 + exp(-x))
        case .tanh: tanh(x)
        case .sigmoid: 1 / (1 + exp(-x))
        case .elu: x < 0 ? expm1(x) : x
        case .selu: 1.0507009873554804934193349852946 * (x < 0 ? 1.6732632423543772848170429916717 * expm1(x) : x)
        case .softplus: x > 0 ? x + log1p(exp(-x)) : log1p(exp(x))
        case .hardSigmoid: x.isNaN ? x : min(max(x + 3, 0), 6) / 6
        case .mish: x == -.infinity ? 0 : x * tanh(x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)))
        case .exponential: exp(x)
        }
    }

    static func values(_ execution: Execution, _ activation: Activation, _ x: [Float]) -> [Float] {
        let (input, output) = (FencedFloats(x), FencedFloats(repeating: 7, count: x.count))
        execution.run(ActivationRequest(activation, slope: slope, count: x.count, x: input.pointer, y: output.pointer))
        #expect(input.numbers.map(\.bitPattern) == x.map(\.bitPattern))
        return output.numbers
    }

    /// Every exponent, with random digits, and the ends of ranges.
    static let everywhere: [Float] = {
        var generator = Generator(seed: 3)
        var numbers: [Float] = [0, 0.625, 0.624_999_94, 20, 20.000_002, 88.7, 104, 200, 1e30]
        for exponent in -149...127 {
            for _ in 0..<(exponent > -30 && exponent < 8 ? 3000 : 10) {
                numbers.append(
                    Float(sign: .plus, exponent: Int(exponent), significand: Float.random(in: 1..<2, using: &generator))
                )
            }
        }
        return numbers.flatMap { [$0, -$0] }
    }()

    /// The largest errors seen are a few tenths less than what is allowed here.
    @Test(arguments: [
        (Activation.linear, 0.0), (.relu, 0), (.leakyReLU, 1), (.tanh, 1.5), (.sigmoid, 2.5), (.silu, 4), (.gelu, 8),
        (.elu, 1.2), (.selu, 2), (.softplus, 2.2), (.mish, 4.2), (.exponential, 1.3),
    ])
    func isWithinUnitsInTheLastPlace(activation: Activation, most: Double) throws {
        try Twins.each { execution in
            let x = Self.everywhere
            let y = Self.values(execution, activation, x)
            var (worst, place) = (0.0, 0)
            for index in x.indices {
                let exact = Self.exact(activation, Double(x[index]))
                // Where the second factor is below the normal range, the first enlarges its rounding.
                if abs(exact) < 0x1p-118 && abs(Double(y[index]) - exact) <= abs(Double(x[index])) * 0x1p-149 {
                    continue
                }
                let error = ulps(y[index], exact)
                if error > worst { (worst, place) = (error, index) }
            }
            print("\(execution.isa.name) \(activation): \(worst) units at \(x[place])")
            #expect(worst <= most, "\(execution.isa.name): \(worst) units at \(x[place])")
        }
    }

    @Test(arguments: Activation.allCases) func meetsSpecialNumbers(activation: Activation) throws {
        try Twins.each { execution in
            let x: [Float] = [.infinity, -.infinity, .nan, 0, -0.0, 3e38, -3e38, 0x1p-149, -0x1p-149]
            let y = Self.values(execution, activation, x)
            for (number, result) in zip(x, y) {
                let exact = Self.exact(activation, Double(number))
                #expect(ulps(result, exact) <= 1, "\(activation) of \(number) is \(result)")
            }
        }
    }

    /// Sizes about the lanes' width, in place and not; every element as in a long array.
    @Test(arguments: Activation.allCases) func takesAnySize(activation: Activation) throws {
        let all = randomFloats(70_001, seed: 5, scale: 4)
        try Twins.each { execution in
            let whole = Self.values(execution, activation, all)
            for count in [0, 1, 2, 7, 8, 15, 16, 17, 31, 33, 8191, 8192, 8193, 16_399, 70_001] {
                let inPlace = FencedFloats(Array(all.prefix(count)))
                execution.run(
                    ActivationRequest(
                        activation, slope: Self.slope, count: count, x: inPlace.pointer, y: inPlace.pointer))
                let isSame = inPlace.numbers == Array(whole.prefix(count))
                #expect(isSame, "\(execution.isa.name), \(count) elements")
            }
        }
    }

    @Test(arguments: Activation.allCases.filter { $0 != .softmax }) func gradientsAgreeWithCentralDifferences(
        activation: Activation
    )
        throws
    {
        // Not at 0, where there are corners.
        let x = (-600...600).map { Float($0) * 0.02 + 0.003 }
        let upstream = randomFloats(x.count, seed: 9)
        let saved = activation.derivesFromOutput ? x.map { Float(Self.exact(activation, Double($0))) } : x
        let exact = zip(x, upstream).map { x, g in
            let h = 1e-5
            let (up, down) = (Self.exact(activation, Double(x) + h), Self.exact(activation, Double(x) - h))
            return Double(g) * (up - down) / (2 * h)
        }
        try Twins.each { execution in
            let (input, gradient) = (FencedFloats(saved), FencedFloats(upstream))
            let out = FencedFloats(repeating: 7, count: x.count)
            execution.run(
                ActivationBackwardRequest(
                    activation, slope: Self.slope, count: x.count, saved: input.pointer, gradient: gradient.pointer,
                    out: out.pointer))
            // What is derived from a rounded output is as far off as that.
            expectClose(out.numbers, exact, relative: 1e-6, absolute: 3e-7, "\(execution.isa.name) \(activation)")
            execution.run(
                ActivationBackwardRequest(
                    activation, slope: Self.slope, count: x.count, saved: input.pointer, gradient: gradient.pointer,
                    out: gradient.pointer))
            #expect(gradient.numbers == out.numbers)
        }
    }

    @Test func gradientsMeetSpecialNumbers() throws {
        try Twins.each { execution in
            let saved = FencedFloats([.infinity, -.infinity, .nan, -3e38])
            for (activation, wanted): (Activation, [Float]) in [
                (.gelu, [2, 0, .nan, 0]), (.silu, [2, 0, .nan, 0]), (.relu, [2, 0, 2, 0]),
                (.leakyReLU, [2, 0.2, 2, 0.2]), (.mish, [2, 0, .nan, 0]),
            ] {
                let gradient = FencedFloats(repeating: 2, count: 4)
                execution.run(
                    ActivationBackwardRequest(
                        activation, slope: Self.slope, count: 4, saved: saved.pointer, gradient: gradient.pointer,
                        out: gradient.pointer))
                expectClose(gradient.numbers, wanted.map { Double($0) }, "\(activation)")
            }
        }
    }

    @Test func threadsDoNotChangeBits() throws {
        let x = randomFloats(300_001, seed: 6, scale: 5)
        try Twins.expectSameBits { execution in
            [Self.values(execution, .gelu, x), Self.values(execution, .relu, x)]
        }
    }
}
