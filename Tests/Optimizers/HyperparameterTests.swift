// Which values hyperparameters take, and the errors for the others: by check, by set, and at a step.

import MartletOptimizers
import Testing

private let candidates: [Double] = [
    .nan, .infinity, -.infinity, -1, -1e-300, -0.0, 0, 1e-300, 0.5, 1 - 0x1p-53, 1, 1 + 0x1p-52, 2, 1e300,
]

/// Whether Adam and AdamW take a value, said without the library.
private func isTaken(_ hyperparameter: Hyperparameter, _ value: Double) -> Bool {
    switch hyperparameter {
    case .lr, .eps, .weightDecay: !value.isNaN && value >= 0 && value != .infinity
    case .beta1, .beta2: value >= 0 && value < 1
    case .beta3, .momentum: value.isNaN
    }
}

@Suite struct HyperparameterTests {
    @Test func defaults() throws {
        for algorithm in Algorithm.allCases {
            let configuration = Configuration(algorithm)
            try configuration.check("config")
            #expect(configuration.lr == 1e-3)
            #expect(configuration.beta1 == 0.9)
            #expect(configuration.beta2 == 0.999)
            #expect(configuration.eps == 1e-8)
            #expect(configuration.weightDecay == (algorithm == .adam ? 0 : 0.01))
            #expect(configuration.beta3.isNaN && configuration.momentum.isNaN)
            #expect(configuration.semantics == .torch && configuration.flags == [])
            #expect(configuration.slotCount == 2)
        }
        #expect(Configuration(.adam) { $0.flags = .amsgrad }.slotCount == 3)
        #expect(Algorithm.allCases.map { "\($0.name)" } == ["adam", "adamw"])
        for algorithm in Algorithm.allCases {
            #expect(algorithm.slotNames.map { "\($0)" } == ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"])
        }
    }

    @Test(arguments: Algorithm.allCases, Hyperparameter.allCases)
    func values(algorithm: Algorithm, hyperparameter: Hyperparameter) throws {
        for value in candidates {
            var configuration = Configuration(algorithm)
            configuration[hyperparameter] = value
            let words = ["\(hyperparameter.name) is \(value)"]
            if isTaken(hyperparameter, value) {
                try configuration.check("config")
                try step([Parameter()], [configuration])
                _ = try Optimizer(configuration)
            } else {
                expectFailure(.argument, words + ["config."]) { () throws(MartletError) in
                    try configuration.check("config")
                }
                expectFailure(.argument, words + ["config."]) { () throws(MartletError) in
                    try Optimizer(configuration)
                }
                expectRefusal(
                    .argument, words + ["groups[1]."], [Parameter()], [Configuration(algorithm), configuration])
            }
        }
    }

    @Test(arguments: Algorithm.allCases, Hyperparameter.allCases)
    func settingOne(algorithm: Algorithm, hyperparameter: Hyperparameter) throws {
        let optimizer = try Optimizer(Configuration(algorithm))
        #expect(try optimizer.addGroup(Configuration(algorithm)) == 1)
        let isRead = hyperparameter != .beta3 && hyperparameter != .momentum
        for value in candidates {
            if !isRead {
                expectFailure(.argument, ["\(hyperparameter.name)"]) { () throws(MartletError) in
                    try optimizer.set(hyperparameter, to: value, group: 1)
                }
            } else if isTaken(hyperparameter, value) {
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

    @Test func contradictingFlags() {
        let both = Configuration(.adam) { $0.flags = [.flushDenormals, .keepDenormals] }
        expectFailure(.argument, ["config.flags", "FLUSH_DENORMALS", "KEEP_DENORMALS"]) { () throws(MartletError) in
            try both.check("config")
        }
        expectRefusal(.argument, ["groups[0].flags"], [Parameter()], [both])
    }
}
