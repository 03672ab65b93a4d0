// Adam and AdamW against the textbook: all semantics, flags and decays; and numbers at the edges.

import MartletOptimizers
import Testing

/// Every combination of algorithm, convention, AMSGrad, direction and decay, with these hyperparameters.
private func configurations(lr: Double, beta1: Double, beta2: Double, eps: Double) -> [Configuration] {
    var result: [Configuration] = []
    for algorithm in [Algorithm.adam, .adamW] {
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
    /// The largest difference of a run from the textbook, in values and moments. `corrections` gives 1 - beta^t.
    private func difference(
        _ type: ElementType, _ configuration: Configuration, steps: Int, corrections: (Int) -> (Double, Double)
    ) throws -> Double {
        let slots = configuration.flags.contains(.amsgrad) ? 3 : 2
        let parameter = Parameter(count: 37, type, slots: slots, seed: 11)
        defer { extendLifetime(parameter) }
        var elements = (0..<37).map { Textbook(value: parameter.view.value.get($0)) }
        var worst = 0.0
        for t in 1...steps {
            parameter.randomizeGradient(seed: UInt64(t))
            let (c1, c2) = corrections(t)
            for index in elements.indices {
                elements[index].step(parameter.view.gradient.get(index), configuration, c1, c2)
            }
            try step([parameter], [configuration])
            for (index, element) in elements.enumerated() {
                worst = max(worst, (parameter.view.value.get(index) - element.value).magnitude)
                worst = max(worst, (parameter.view.state[0].get(index) - element.m).magnitude)
                worst = max(worst, (parameter.view.state[1].get(index) - element.v).magnitude)
                if slots == 3 { worst = max(worst, (parameter.view.state[2].get(index) - element.largest).magnitude) }
            }
        }
        #expect(parameter.counter == steps)
        return worst
    }

    /// Decay rates whose powers are exact, so that the corrections are known to the last bit.
    @Test(arguments: [(0.5, 0.75), (0.75, 0.875), (0.25, 0.5), (0, 0.875), (0.75, 0)])
    func exactCorrections(beta1: Double, beta2: Double) throws {
        func corrections(_ t: Int) -> (Double, Double) {
            var powers = (1.0, 1.0)
            for _ in 1...t { powers = (powers.0 * beta1, powers.1 * beta2) }
            return (1 - powers.0, 1 - powers.1)
        }
        for configuration in configurations(lr: 0.03, beta1: beta1, beta2: beta2, eps: 1e-3) {
            let exact = try difference(.fp64, configuration, steps: 14, corrections: corrections)
            #expect(exact < 1e-13, "fp64, \(configuration)")
            let single = try difference(.fp32, configuration, steps: 14, corrections: corrections)
            #expect(single < 2e-5, "fp32, \(configuration)")
        }
    }

    /// The usual decay rates, over more steps.
    @Test(arguments: [(0.9, 0.999), (0.95, 0.98), (0.3, 0.9)])
    func usualRates(beta1: Double, beta2: Double) throws {
        for configuration in configurations(lr: 1e-2, beta1: beta1, beta2: beta2, eps: 1e-4) {
            let found = try difference(.fp64, configuration, steps: 60) {
                (oneMinusPower(beta1, $0), oneMinusPower(beta2, $0))
            }
            #expect(found < 1e-13, "\(configuration)")
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
