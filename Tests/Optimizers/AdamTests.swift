// Adam and AdamW against both references: all semantics, flags and decays.

import MartletOptimizers
import Testing

/// Every combination of algorithm, convention, AMSGrad, direction and decay, with these hyperparameters.
private func configurations(lr: Double, beta1: Double, beta2: Double, eps: Double) -> [Configuration] {
    var result: [Configuration] = []
    for algorithm in Algorithm.allCases {
        for semantics in Semantics.allCases {
            for flags in [[], [.amsgrad], [.maximize], [.amsgrad, .maximize]] as [Flags] {
                for decay in [0, 0.0625, 0.3] {
                    var configuration = Configuration(algorithm)
                    (configuration.lr, configuration.eps) = (lr, eps)
                    (configuration.beta1, configuration.beta2) = (beta1, beta2)
                    (configuration.semantics, configuration.flags) = (semantics, flags)
                    configuration.weightDecay = decay
                    result.append(configuration)
                }
            }
        }
    }
    return result
}

@Suite struct AdamTests {
    /// Bit for bit, with decay rates whose powers are exact, so that the corrections are known.
    private func isExact<Scalar: BinaryFloatingPoint>(
        _: Scalar.Type, _ type: ElementType, _ configuration: Configuration
    ) throws -> Bool {
        let slots = configuration.flags.contains(.amsgrad) ? 3 : 2
        let parameter = Parameter(count: 37, type, slots: slots, seed: 11)
        defer { extendLifetime(parameter) }
        var elements = (0..<37).map { Element(value: Scalar(parameter.view.value.get($0))) }
        var isExact = true
        for t in 1...14 {
            parameter.randomizeGradient(seed: UInt64(t))
            var powers = (1.0, 1.0)
            for _ in 1...t { powers = (powers.0 * configuration.beta1, powers.1 * configuration.beta2) }
            for index in elements.indices {
                elements[index].step(
                    Scalar(parameter.view.gradient.get(index)), configuration, correction1: 1 - powers.0,
                    correction2: 1 - powers.1)
            }
            try step([parameter], [configuration])
            for (index, element) in elements.enumerated() {
                isExact =
                    isExact && parameter.view.value.get(index) == Double(element.value)
                    && parameter.view.state[0].get(index) == Double(element.first)
                    && parameter.view.state[1].get(index) == Double(element.second)
                    && (slots == 2 || parameter.view.state[2].get(index) == Double(element.largest))
            }
        }
        return isExact && parameter.counter == 14
    }

    @Test(arguments: [(0.5, 0.75), (0.75, 0.875), (0.25, 0.5), (0, 0.875), (0.75, 0)])
    func exact(beta1: Double, beta2: Double) throws {
        for configuration in configurations(lr: 0.03, beta1: beta1, beta2: beta2, eps: 1e-3) {
            #expect(try isExact(Float.self, .fp32, configuration), "fp32, \(configuration)")
            #expect(try isExact(Double.self, .fp64, configuration), "fp64, \(configuration)")
        }
    }

    /// Within rounding of the textbook form, with the usual decay rates.
    @Test(arguments: [(0.9, 0.999), (0.95, 0.98), (0.3, 0.9)])
    func textbook(beta1: Double, beta2: Double) throws {
        for configuration in configurations(lr: 1e-2, beta1: beta1, beta2: beta2, eps: 1e-4) {
            let parameter = Parameter(count: 20, .fp64, slots: configuration.flags.contains(.amsgrad) ? 3 : 2, seed: 12)
            defer { extendLifetime(parameter) }
            var elements = (0..<20).map { Textbook(value: parameter.view.value.get($0)) }
            for t in 1...60 {
                parameter.randomizeGradient(seed: UInt64(100 + t))
                for index in elements.indices {
                    elements[index].step(parameter.view.gradient.get(index), configuration, t: t)
                }
                try step([parameter], [configuration])
            }
            let worst =
                elements.enumerated().map { index, element in
                    (parameter.view.value.get(index) - element.value).magnitude / max(element.value.magnitude, 0.01)
                }.max() ?? .infinity
            #expect(worst < 1e-12, "\(worst), \(configuration)")
        }
    }

    /// A parameter at 0 and a gradient of 1: the first step is lr / (1 + eps), whatever the decay rates.
    @Test func firstStep() throws {
        let parameter = Parameter(count: 3, .fp64)
        defer { extendLifetime(parameter) }
        for index in 0..<3 {
            parameter.view.value.set(index, 0)
            parameter.view.gradient.set(index, [1, -1, 250][index])
        }
        try step([parameter], [Configuration(.adam) { $0.lr = 0.01 }])
        for (index, expected) in [-0.01, 0.01, -0.01].enumerated() {
            #expect((parameter.view.value.get(index) - expected).magnitude < 1e-9)
        }
    }

    /// Numbers below the normal range: flushed by default, kept where a flag or a tiny eps says so.
    @Test func denormals() throws {
        let cases: [(eps: Double, flags: Flags, isKept: Bool)] = [
            (1e-8, [], false), (1e-10, [], false), (1e-8, .keepDenormals, true), (1e-11, [], true), (0, [], true),
            (1e-11, .flushDenormals, false),
        ]
        for (eps, flags, isKept) in cases {
            let parameter = Parameter(count: 33)
            defer { extendLifetime(parameter) }
            for index in 0..<33 {
                parameter.view.gradient.set(index, 0)
                parameter.view.state[0].set(index, 1e-39)
                parameter.view.state[1].set(index, 1)
            }
            try step([parameter], [Configuration(.adam) { ($0.eps, $0.flags) = (eps, flags) }])
            for index in 0..<33 { #expect((parameter.view.state[0].get(index) != 0) == isKept, "eps \(eps), \(flags)") }
        }
    }

    /// Not-a-number and infinity poison their own element and no other, and a maximum keeps the poison.
    @Test func poison() throws {
        for slots in 2...3 {
            let parameter = Parameter(count: 40, slots: slots)
            defer { extendLifetime(parameter) }
            parameter.view.gradient.set(7, .nan)
            parameter.view.gradient.set(20, .infinity)
            let configuration = Configuration(.adam) { $0.flags = slots == 3 ? .amsgrad : [] }
            try step([parameter], [configuration])
            for index in 0..<40 { parameter.view.gradient.set(index, 0.5) }
            try step([parameter], [configuration])
            for index in 0..<40 {
                #expect(parameter.view.value.get(index).isNaN == (index == 7 || index == 20))
                #expect(parameter.view.state[slots - 1].get(index).isNaN == (index == 7))
            }
        }
    }
}
