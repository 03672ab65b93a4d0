// The ways of weight decay, by flag and by convention, against plain Double; and which flags which algorithm reads.

import MartletOptimizers
import MartletTestSupport
import Testing

@Suite struct WeightDecayTests {
    /// What a parameter becomes in some steps.
    private func values(
        _ algorithm: Algorithm, steps: Int = 1, type: ElementType = .fp64, _ change: (inout Configuration) -> Void
    ) throws -> [Double] {
        let configuration = Configuration(algorithm, change)
        let parameter = Parameter(for: configuration, count: 40, type, seed: 3)
        defer { extendLifetime(parameter) }
        for t in 0..<steps {
            parameter.randomizeGradient(seed: UInt64(t))
            try step([parameter], [configuration])
        }
        return parameter.values
    }

    private static let start = Parameter(count: 40, .fp64, seed: 3).values

    /// Adam's L2 decay is none but the gradient's; the flag makes AdamW of it, and AdamW has it whether set or not.
    @Test func decoupledByFlag() throws {
        let decay = 0.37
        let adam = try values(.adam, steps: 3) { $0.weightDecay = decay }
        let flagged = try values(.adam, steps: 3) { ($0.weightDecay, $0.flags) = (decay, .decoupledDecay) }
        let adamW = try values(.adamW, steps: 3) { $0.weightDecay = decay }
        let unflagged = try values(.adamW, steps: 3) { ($0.weightDecay, $0.flags) = (decay, []) }
        #expect(flagged == adamW && unflagged == adamW && adam != adamW)
    }

    /// One step: what decay adds to the step of a run without it.
    @Test(arguments: [Algorithm.sgd, .adam, .adamW, .nadam, .lion, .rmsprop, .adagrad])
    func oneStep(algorithm: Algorithm) throws {
        let (lr, decay) = (0.05, 0.3)
        let plain = try values(algorithm) { ($0.lr, $0.weightDecay) = (lr, 0) }
        func check(_ words: String, _ semantics: Semantics, _ flags: Flags, _ factor: (Int) -> Double) throws {
            let decayed = try values(algorithm) {
                ($0.lr, $0.weightDecay, $0.semantics, $0.flags) = (lr, decay, semantics, flags)
            }
            let undecayed = try values(algorithm) { ($0.lr, $0.weightDecay, $0.semantics) = (lr, 0, semantics) }
            for index in 0..<40 {
                let wanted = undecayed[index] - factor(index) * Self.start[index]
                #expect((decayed[index] - wanted).magnitude < 1e-14, "\(algorithm), \(words), element \(index)")
            }
        }
        try check("decoupled", .torch, .decoupledDecay) { _ in lr * decay }
        try check("Keras", .keras, []) { _ in lr * decay }
        try check("corrected", .torch, .correctedDecay) { _ in lr * decay }
        try check("cautious", .torch, .cautiousDecay) { index in
            let down = Self.start[index] - plain[index]
            return down * Self.start[index] >= 0 ? lr * decay : 0
        }
    }

    /// Where a gradient of 0 leaves nothing to step, cautious decay decays, as the paper's condition, u p >= 0, has it.
    @Test func cautiousAtZero() throws {
        let configuration = Configuration(.sgd) { ($0.lr, $0.weightDecay, $0.flags) = (0.5, 0.5, .cautiousDecay) }
        let parameter = Parameter(for: configuration, count: 6, .fp64)
        defer { extendLifetime(parameter) }
        let cases: [(value: Double, gradient: Double, after: Double)] = [
            (2, 0, 1.5), (2, -0.0, 1.5), (-2, 0, -1.5), (0, 1, -0.5), (2, 1, 1), (-2, 1, -2.5),
        ]
        for (index, one) in cases.enumerated() {
            parameter.view.value.set(index, one.value)
            parameter.view.gradient.set(index, one.gradient)
        }
        try step([parameter], [configuration])
        #expect(parameter.values == cases.map(\.after))
    }

    private static let rates = [0.1, 0.4, 0.2, 0, 0.3, 0.8, 0.05]

    /// Over rates that go up and down the decay is lr^2 over the largest of them so far.
    @Test(arguments: [Algorithm.sgd, .asgd, .nadam], [ElementType.fp64, .fp32])
    func correctedOverChangingRates(algorithm: Algorithm, scalar: ElementType) throws {
        func configuration(_ lr: Double, _ decay: Double) -> Configuration {
            Configuration(algorithm) { ($0.lr, $0.weightDecay, $0.flags) = (lr, decay, .correctedDecay) }
        }
        let slots = configuration(1, 1).slots
        #expect("\(slots[slots.count - 1].name)" == "lr_max")
        let parameter = Parameter(
            count: 8, .fp64, slots: slots.elementCount, scalars: Array(repeating: scalar, count: slots.scalarCount),
            seed: 4)
        defer { extendLifetime(parameter) }
        // What it holds before the first step counts.
        parameter.view.state[slots.count - 1].set(0, 0.25)
        for index in 0..<8 { parameter.view.gradient.set(index, 0) }
        var (expected, most) = (parameter.values, 0.25)
        for (t, lr) in Self.rates.enumerated() {
            // A gradient of 0 leaves the decay alone; ASGD has a decay of its own, which is taken off.
            most = max(most, lr)
            if scalar == .fp32 { most = Double(Float(most)) }
            let own = algorithm == .asgd ? 1 - 1e-4 * parameter.view.state[1].get(0, orFirst: t == 0 ? lr : nil) : 1
            for index in 0..<8 { expected[index] *= own * (1 - lr * lr / most * 0.3) }
            try step([parameter], [configuration(lr, 0.3)])
            #expect(parameter.view.state[slots.count - 1].get(0) == most)
            for (value, wanted) in zip(parameter.values, expected) {
                #expect((value - wanted).magnitude < (scalar == .fp64 ? 1e-14 : 1e-7), "step \(t + 1)")
            }
        }
    }

    /// A rate of 0 from the first step on decays nothing, and divides by nothing.
    @Test func correctedWithoutRates() throws {
        let after = try values(.adam, steps: 3) { ($0.lr, $0.weightDecay, $0.flags) = (0, 0.5, .correctedDecay) }
        #expect(after == Self.start)
    }

    // MARK: - Flags

    private static let single = (0..<31).map { Flags(rawValue: 1 << $0) }

    /// Each flag by itself is taken where the algorithm reads it, and else refused by its name.
    @Test(arguments: Algorithm.allCases)
    func everyFlag(algorithm: Algorithm) throws {
        let names = [
            "AMSGRAD", "MAXIMIZE", "FLUSH_DENORMALS", "KEEP_DENORMALS", "WIDE_RANGES", "DECOUPLED_DECAY",
            "CAUTIOUS_DECAY", "CORRECTED_DECAY", "NESTEROV", "CENTERED", "RECTIFY", "SAFEGUARD_WARMUP",
            "BIAS_CORRECTION", "MATCH_RMS", "SPECTRAL", "QUINTIC", "POLAR_EXPRESS", "CAUTIOUS_UPDATE",
            "GRAFT_ADAM", "NORMUON", "HYPERBALL", "SKIP_NONFINITE", "MEASURE", "EMA_CORRECTION", "EMA_WARMUP",
            "ZERO_GRADS", "MEASURE_UPDATE", "STOCHASTIC_ROUNDING", "KAHAN", "SPLIT", "DEFER_ROWS",
        ]
        let averagesItself = algorithm.hasEvaluationPoint
        for (flag, name) in zip(Self.single, names) {
            let isOfAverage = flag == .emaCorrection || flag == .emaWarmup
            let configuration = Configuration(algorithm) {
                $0.flags = flag
                if flag == .hyperball && $0.weightDecay > 0 { $0.weightDecay = 0 }
                if isOfAverage && !averagesItself { $0[.emaDecay] = 0.5 }
                if flag == .nesterov && $0.momentum == 0 { $0.momentum = 0.9 }
            }
            if algorithm.flags.contains(flag) && !(isOfAverage && averagesItself) {
                try configuration.check("config")
                try step([Parameter(for: configuration)], [configuration])
            } else {
                expectFailure(.argument, ["config.flags sets \(name)", "\(algorithm.name)"]) {
                    () throws(MartletError) in
                    try configuration.check("config")
                }
                expectRefusal(
                    .argument, ["groups[0].flags sets \(name)"], [Parameter(for: Configuration(algorithm))],
                    [configuration])
            }
        }
    }

    /// Which algorithms read which flag, said without the library.
    @Test func readersOfFlags() {
        let readers: [(Flags, [Algorithm])] = [
            (.amsgrad, [.adam, .adamW, .adaBound, .adaBelief]), (.nesterov, [.sgd, .lars, .muon]),
            (.centered, [.rmsprop]), (.rectify, [.adaBelief]), (.matchRMS, [.muon]), (.spectral, [.muon]),
            (.quintic, [.muon]),
            (.polarExpress, [.muon]), (.graftAdam, [.shampoo]), (.normuon, [.muon]),
            (.safeguardWarmup, [.prodigy]), (.biasCorrection, [.prodigy, .soap, .shampoo]),
        ]
        for (flag, algorithms) in readers {
            #expect(Algorithm.allCases.filter { $0.flags.contains(flag) } == algorithms, "\(flag)")
        }
        let withoutMask: [Algorithm] = [
            .adagrad, .adadelta, .rprop, .asgd, .scheduleFreeSGD, .scheduleFreeAdamW, .scheduleFreeRAdam, .adafactor,
            .lamb,
            .lars, .soap, .shampoo,
        ]
        #expect(Algorithm.allCases.filter { !$0.flags.contains(.cautiousUpdate) } == withoutMask)
        #expect(
            Set(Algorithm.allCases.filter { !$0.flags.contains(.hyperball) })
                == Set(withoutMask + [.stableAdamW, .prodigy]))
        let withoutDecay: [Algorithm] = [
            .rprop, .adafactor, .scheduleFreeSGD, .scheduleFreeAdamW, .scheduleFreeRAdam, .lamb, .lars,
        ]
        for flag in [Flags.decoupledDecay, .cautiousDecay, .correctedDecay] {
            var without = withoutDecay
            if flag == .cautiousDecay { without += [.asgd, .soap] }
            if flag == .decoupledDecay { without += [.stableAdamW, .muon, .mars, .soap, .shampoo, .adamMini] }
            #expect(Set(Algorithm.allCases.filter { !$0.flags.contains(flag) }) == Set(without), "\(flag)")
        }
        for flag in [Flags.maximize, .flushDenormals, .keepDenormals, .wideRanges] {
            #expect(Algorithm.allCases.allSatisfy { $0.flags.contains(flag) })
        }
    }
}

extension ArrayView {
    /// The number there, or another one.
    fileprivate func get(_ place: Int, orFirst first: Double?) -> Double { first ?? get(place) }
}
