// Bias corrections: 1 - beta^t, seen through the step that they scale. With one element, m = v = g = 1, eps 0 and lr 1,
// a step without a second correction moves the parameter from 0 to exactly -1 / (1 - beta1^t), rounded once.

import MartletOptimizers
import Testing

/// 1 / (1 - base^exponent) as a step forms it.
private func inverse(_ base: Double, _ exponent: Int64, _ flags: Flags = []) throws -> Double {
    let parameter = Parameter(count: 1, .fp64)
    for array in [parameter.view.gradient, parameter.view.state[0], parameter.view.state[1]] { array.set(0, 1) }
    parameter.view.value.set(0, 0)
    parameter.counter = exponent - 1
    let configuration = Configuration(.adam) {
        ($0.flags, $0.lr, $0.beta1, $0.beta2, $0.eps) = (flags, 1, base, 0, 0)
    }
    try step([parameter], [configuration])
    return withExtendedLifetime(parameter) { -parameter.view.value.get(0) }
}

@Suite struct PowerTests {
    private static let bases: [Double] = [
        0, 0x1p-1074, 1e-300, 1e-9, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98, 0.99, 0.999, 0.9999, 0.99999, 1 - 1e-6,
        1 - 1e-9,
        1 - 1e-12, 1 - 0x1p-40, 1 - 0x1p-52, 1 - 0x1p-53,
    ]
    private static let exponents: [Int64] =
        Array(1...40) + [100, 999, 1000, 1001, 4096, 65_537, 1_000_000, 16_777_217, 999_999_937, 1_000_000_000]
        + (30...62).map { 1 << $0 } + [(1 << 53) - 1, (1 << 62) + 12_345, .max - 1]

    /// Within a few units of the last place, wherever the oracle is good to as many.
    @Test func closeToTheOracle() throws {
        var worst = 0.0
        for base in Self.bases {
            for exponent in Self.exponents {
                let found = try inverse(base, exponent)
                let expected = 1 / oneMinusPower(base, Int(exponent))
                worst = max(worst, (found - expected).magnitude / expected.ulp)
            }
        }
        #expect(worst <= 6, "\(worst) units of the last place")
    }

    /// Exact where the power is: dyadic bases to small exponents.
    @Test func exactCases() throws {
        for (base, most) in [(0.5, 53), (0.25, 26), (0.75, 25), (0.875, 17), (0.625, 17)] {
            var power = 1.0
            for exponent in 1...most {
                power *= base
                #expect(try inverse(base, Int64(exponent)) == 1 / (1 - power), "\(base) to the \(exponent)")
            }
        }
        #expect(try inverse(1 - 0x1p-53, 1) == 0x1p53)
        #expect(try inverse(0.9, 1) == 1 / (1 - 0.9))
        #expect(try inverse(0.999, 1) == 1 / (1 - 0.999))
    }

    /// The same for bases that wide ranges allow.
    @Test func beyondTheUsualBases() throws {
        for (base, most) in [(-0.5, 53), (-0.75, 25), (1.5, 30), (-1.25, 20), (3, 30)] {
            var power = 1.0
            for exponent in 1...most {
                power *= base
                let found = try inverse(base, Int64(exponent), .wideRanges)
                #expect(found == 1 / (1 - power), "\(base) to the \(exponent)")
            }
        }
        #expect(try inverse(-0.5, 1 << 40, .wideRanges) == 1)
    }

    /// Corrections grow to 1 and stay there: never 0, never negative, never beyond.
    @Test func monotone() throws {
        for base in Self.bases {
            var last = Double.infinity
            for exponent in Self.exponents.sorted() {
                let found = try inverse(base, exponent)
                #expect(found >= 1 && found.isFinite && found <= last, "\(base) to the \(exponent)")
                last = found
            }
        }
        for base in [0.9, 0.999, 0.9999] {
            var last = Double.infinity
            for exponent in 1...20_000 as ClosedRange<Int64> {
                let found = try inverse(base, exponent)
                #expect(found <= last)
                last = found
            }
            #expect(try inverse(base, 1_000_000_000) == 1)
        }
    }
}
