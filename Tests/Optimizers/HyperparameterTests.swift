// Which values hyperparameters take, and the errors for the others: by check, by set, and at a step.

import MartletOptimizers
import Testing

private let candidates: [Double] = [
    .nan, .infinity, -.infinity, -1, -1e-300, -0.0, 0, 1e-300, 0.5, 1 - 0x1p-53, 1, 1 + 0x1p-52, 2, 1e300,
]

/// Whether an algorithm that reads it takes a value, said without the library.
private func isInRange(_ hyperparameter: Hyperparameter, _ value: Double) -> Bool {
    let bounds: [Hyperparameter] = [.growthRate, .maxNorm, .clipNorm, .clipValue]
    if !value.isFinite { return bounds.contains(hyperparameter) && value == .infinity }
    return switch hyperparameter {
    case .dampening, .r, .weightLRPower, .nsA, .nsB, .nsC: true
    case .beta1, .beta2, .beta3, .momentum, .gamma, .emaDecay: value >= 0 && value < 1
    case .rho, .lookaheadAlpha: value >= 0 && value <= 1
    case .etaMinus: value > 0 && value < 1
    case .etaPlus: value > 1
    case .clippingThreshold, .growthRate: value >= 1
    case .d0, .lossScale: value > 0
    case .nsSteps: value >= 1 && value <= 99 && value == value.rounded()
    case .blocks, .preconditionFrequency: value >= 1 && value <= 0x1p31 && value == value.rounded()
    case .maxPrecondDim, .blockSize, .lookaheadSteps, .accumulateSteps:
        value >= 0 && value <= 0x1p31 && value == value.rounded()
    case .beta2Decay: value <= 0
    default: value >= 0
    }
}

private func isTaken(_ algorithm: Algorithm, _ hyperparameter: Hyperparameter, _ value: Double) -> Bool {
    if algorithm.defaultValue(hyperparameter) == nil { return value.isNaN }
    // Schedule-Free is an average of its own.
    if hyperparameter == .emaDecay && algorithm.hasEvaluationPoint && value != 0 { return false }
    return isInRange(hyperparameter, value)
}

@Suite struct HyperparameterTests {
    @Test(arguments: [Algorithm.adam, .adamW])
    func defaultsOfAdam(algorithm: Algorithm) {
        let configuration = Configuration(algorithm)
        #expect(configuration.lr == 1e-3)
        #expect(configuration.beta1 == 0.9)
        #expect(configuration.beta2 == 0.999)
        #expect(configuration.eps == 1e-8)
        #expect(configuration.weightDecay == (algorithm == .adam ? 0 : 0.01))
        #expect(configuration[.lookaheadSteps] == 0 && configuration[.lookaheadAlpha] == 0.5)
        #expect(configuration[.lossScale] == 1 && configuration[.emaDecay] == 0 && configuration[.accumulateSteps] == 0)
        #expect(([.maxNorm, .clipNorm, .clipValue] as [Hyperparameter]).allSatisfy { configuration[$0] == .infinity })
        let read: [Hyperparameter] = [
            .lr, .beta1, .beta2, .eps, .weightDecay, .lookaheadSteps, .lookaheadAlpha, .lossScale, .maxNorm, .clipNorm,
            .clipValue, .emaDecay, .accumulateSteps,
        ]
        for other in Hyperparameter.allCases where !read.contains(other) { #expect(configuration[other].isNaN) }
        #expect(configuration.flags == (algorithm == .adam ? [] : .decoupledDecay))
        #expect(configuration.slots.map { "\($0.name)" } == ["exp_avg", "exp_avg_sq"])
        let amsgrad = Configuration(algorithm) { $0.flags = .amsgrad }
        #expect(amsgrad.slots.map { "\($0.name)" } == ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"])
    }

    @Test(arguments: Algorithm.allCases)
    func defaults(algorithm: Algorithm) throws {
        let configuration = Configuration(algorithm)
        try configuration.check("config")
        #expect(configuration.semantics == .torch)
        for hyperparameter in Hyperparameter.allCases {
            let value = configuration[hyperparameter]
            #expect(isTaken(algorithm, hyperparameter, value), "\(hyperparameter) \(value)")
        }
    }

    @Test func names() {
        let names = Algorithm.allCases.map { "\($0.name)" } + Hyperparameter.allCases.map { "\($0.name)" }
        #expect(Set(names).count == names.count && names.starts(with: ["adam", "adamw"]))
        #expect(
            names.allSatisfy { $0.utf8.allSatisfy { $0 > 0x60 && $0 < 0x7B || $0 > 0x2F && $0 < 0x3A || $0 == 0x5F } })
    }

    @Test(arguments: Algorithm.allCases, Hyperparameter.allCases)
    func values(algorithm: Algorithm, hyperparameter: Hyperparameter) throws {
        for value in candidates {
            var configuration = Configuration(algorithm)
            configuration[hyperparameter] = value
            let words = ["\(hyperparameter.name) is \(value)"]
            if isTaken(algorithm, hyperparameter, value) {
                try configuration.check("config")
                // Schedule-Free weighs by the rate's square.
                let isWeight = [.scheduleFreeSGD, .scheduleFreeAdamW].contains(algorithm) && hyperparameter == .lr
                if isWeight && (value * value).isInfinite {
                    expectRefusal(.argument, ["no step 1"], [Parameter(for: configuration)], [configuration])
                } else {
                    try step([Parameter(for: configuration)], [configuration])
                }
                _ = try Optimizer(configuration)
            } else {
                expectFailure(.argument, words + ["config."]) { () throws(MartletError) in
                    try configuration.check("config")
                }
                expectFailure(.argument, words + ["config."]) { () throws(MartletError) in
                    try Optimizer(configuration)
                }
                expectRefusal(
                    .argument, words + ["groups[1]."], [Parameter(for: configuration)],
                    [Configuration(algorithm), configuration])
            }
        }
    }

    @Test(arguments: Algorithm.allCases, Hyperparameter.allCases)
    func settingOne(algorithm: Algorithm, hyperparameter: Hyperparameter) throws {
        let optimizer = try Optimizer(Configuration(algorithm))
        #expect(try optimizer.addGroup(Configuration(algorithm)) == 1)
        let isRead = algorithm.defaultValue(hyperparameter) != nil
        for value in candidates {
            if !isRead {
                expectFailure(.argument, ["\(hyperparameter.name)"]) { () throws(MartletError) in
                    try optimizer.set(hyperparameter, to: value, group: 1)
                }
            } else if isTaken(algorithm, hyperparameter, value) {
                try optimizer.set(hyperparameter, to: value, group: 1)
                #expect(try optimizer.get(hyperparameter, group: 1) == value)
            } else {
                let before = try optimizer.get(hyperparameter, group: 1)
                expectFailure(.argument, ["groups[1].\(hyperparameter.name) is \(value)"]) { () throws(MartletError) in
                    try optimizer.set(hyperparameter, to: value, group: 1)
                }
                #expect(try optimizer.get(hyperparameter, group: 1) == before)
            }
        }
        if isRead {
            // Group 0 has what it had.
            #expect(try optimizer.get(hyperparameter) == algorithm.defaultValue(hyperparameter))
        } else {
            expectFailure(.argument, ["\(hyperparameter.name)"]) { () throws(MartletError) in
                try optimizer.get(hyperparameter)
            }
        }
    }

    @Test func groupsOutOfRange() throws {
        let optimizer = try Optimizer(Configuration(.adam))
        for group in [-1, 1, .min, .max] {
            expectFailure(.argument, ["group is \(group)", "0 ..< 1"]) { () throws(MartletError) in
                try optimizer.set(.lr, to: 1, group: group)
            }
            expectFailure(.argument, ["group is \(group)"]) { () throws(MartletError) in
                try optimizer.get(.lr, group: group)
            }
        }
    }

    /// With wide ranges any finite number is taken.
    @Test(arguments: Algorithm.allCases, [Hyperparameter.lr, .beta1, .beta2, .eps, .weightDecay])
    func wideRanges(algorithm: Algorithm, hyperparameter: Hyperparameter) throws {
        if algorithm.defaultValue(hyperparameter) == nil { return }
        for value in candidates {
            let configuration = Configuration(algorithm) {
                $0.flags = .wideRanges
                $0[hyperparameter] = value
            }
            if value.isFinite {
                try configuration.check("config")
                let optimizer = try Optimizer(configuration)
                try optimizer.set(hyperparameter, to: -value)
            } else {
                expectFailure(.argument, ["config.\(hyperparameter.name) is \(value)", "a finite number"]) {
                    () throws(MartletError) in try configuration.check("config")
                }
            }
        }
    }

    /// A step whose bias corrections are no numbers to divide by, or have no root, is refused before it writes.
    @Test func stepsWithoutNumbers() throws {
        for (beta1, beta2, count) in [(1, 0.5, 1), (-1, 0.5, 2), (0.5, 1.5, 1), (0.5, -1.5, 2), (1e200, 0.5, 2)] {
            let parameter = Parameter()
            parameter.counter = Int64(count) - 1
            let configuration = Configuration(.adam) {
                $0.flags = .wideRanges
                ($0.beta1, $0.beta2) = (beta1, beta2)
            }
            expectRefusal(
                .argument, ["parameters[0] has no step \(count)", "beta1 \(beta1)", "beta2 \(beta2)"], [parameter],
                [configuration])
        }
        for (beta1, beta2, count) in [(-1, 0.5, 1), (1.5, 1, 7), (0.5, -1.5, 1), (-1.5, -0.5, 2)] {
            let parameter = Parameter()
            parameter.counter = Int64(count) - 1
            let configuration = Configuration(.adam) {
                $0.flags = .wideRanges
                ($0.lr, $0.eps, $0.beta1, $0.beta2) = (-1, -1, beta1, beta2)
            }
            try step([parameter], [configuration])
        }
    }

    /// Also where each number is in its range.
    @Test func stepsWithoutNumbersInPlainRanges() throws {
        let configurations = [
            Configuration(.adam) { ($0.lr, $0.beta1) = (1e308, 0.999_999) },
            Configuration(.scheduleFreeSGD) { ($0.lr, $0[.weightLRPower]) = (1e-300, -2) },
            Configuration(.adaBound) { $0[.finalLR] = 1e308 },
        ]
        for configuration in configurations {
            expectRefusal(
                .argument, ["parameters[0] has no step 1", "lr \(configuration.lr)"], [Parameter(for: configuration)],
                [configuration])
        }
    }

    /// Which algorithms know which convention, said without the library. One that is known makes a difference to some
    /// configuration (RAdam's of the paper to a length of 5 alone, which none has here); any other is refused by name.
    @Test(arguments: Algorithm.allCases, [Semantics.keras, .optax, .paper])
    func conventions(algorithm: Algorithm, semantics: Semantics) throws {
        let known: [Algorithm] =
            switch semantics {
            case .torch: Algorithm.allCases
            case .keras:
                Algorithm.allCases.filter {
                    ![
                        .rprop, .scheduleFreeSGD, .scheduleFreeAdamW, .scheduleFreeRAdam, .lars, .stableAdamW, .muon,
                        .mars, .soap, .shampoo, .adamMini,
                    ].contains($0)
                }
            case .optax: [.adam, .adamW, .rmsprop, .adagrad, .nadam, .radam, .adan, .adafactor, .lars]
            case .paper: [.adam, .adamW, .radam, .laProp, .adafactor]
            }
        func after(_ semantics: Semantics, _ flags: Flags) throws -> [Double] {
            var configuration = Configuration(algorithm) {
                ($0.semantics, $0.flags) = (semantics, flags)
                if algorithm.defaultValue(.weightDecay) != nil { $0.weightDecay = 0.25 }
                if algorithm.defaultValue(.momentum) != nil { $0.momentum = 0.75 }
                if algorithm.defaultValue(.eps) != nil { $0.eps = 1e-3 }
            }
            let parameter = Parameter(for: configuration, .fp64)
            defer { extendLifetime(parameter) }
            for t in 0..<8 {
                parameter.randomizeGradient(seed: UInt64(t))
                configuration.lr *= 0.75
                try step([parameter], [configuration])
            }
            return parameter.values
        }
        if known.contains(algorithm) {
            let flags = [[], algorithm.flags.intersection(.amsgrad)] as [Flags]
            let differs = try flags.contains { try after(semantics, $0) != after(.torch, $0) }
            #expect(differs == !(algorithm == .radam && semantics == .paper))
        } else {
            let name = "\(semantics)".uppercased()
            let configuration = Configuration(algorithm) { $0.semantics = semantics }
            expectRefusal(
                .argument, ["groups[0].semantics is \(name); expected TORCH", "\(algorithm.name)"],
                [Parameter(for: Configuration(algorithm))], [configuration])
        }
    }

    @Test func contradictingFlags() {
        let both = Configuration(.adam) { $0.flags = [.flushDenormals, .keepDenormals] }
        expectFailure(.argument, ["config.flags", "FLUSH_DENORMALS", "KEEP_DENORMALS"]) { () throws(MartletError) in
            try both.check("config")
        }
        expectRefusal(.argument, ["groups[0].flags"], [Parameter()], [both])
    }
}
