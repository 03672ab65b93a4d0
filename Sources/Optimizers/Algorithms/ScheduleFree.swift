// Schedule-Free gradient descent, AdamW and RAdam as in facebookresearch/schedule_free 1.4. The parameter is y while training;
// the averaged point is x = y + (1 - 1 / beta1) (z - y), with momentum for beta1 in gradient descent.
//   rate = lr, in a line from 0 over warmup_steps (RAdam: rectified instead, and 0 until rho_t is over 4)
//   w = t^r (the largest rate so far)^weight_lr_power,  c = w / (the sum of all w so far)
// Equation and source: Rules/ScheduleFreeRule.swift.
import MartletKernelInterface

/// What the three have in common.
protocol ScheduleFreeDefinition: SweepDefinition {}

extension ScheduleFreeDefinition {
    static var rule: Rule { .scheduleFree }
    /// Decay is part of the update, after any division by the second moment.
    static var decayFlags: Flags { [] }
    /// A step depends on the value, which lies between two points.
    static var takesCaution: Bool { false }

    /// The numbers of a step of this rate.
    static func averaging(
        _ configuration: Configuration, _ progress: inout Progress, rate: Double, beta: Double
    ) -> ScheduleFreeCoefficients {
        let most = max(rate, progress.scalars[1])
        // Steps of a rate of 0 have no weight, whatever its power.
        let weight =
            most == 0 ? 0 : power(progress.t, configuration[.r]) * power(most, configuration[.weightLRPower])
        let sum = progress.scalars[0] + weight
        (progress.scalars[0], progress.scalars[1]) = (sum, most)
        var result = ScheduleFreeCoefficients()
        result.c = sum == 0 ? 0 : weight / sum
        result.valueRate = rate * (1 - beta * (1 - result.c))
        result.rate = rate
        result.isFirst = progress.isFirst ? 1 : 0
        return result
    }

    /// lr, on its way up.
    static func warmRate(_ configuration: Configuration, _ t: Double) -> Double {
        let steps = configuration[.warmupSteps]
        return t < steps ? configuration.lr * (t / steps) : configuration.lr
    }

    static func addScalars(to slots: inout Slots) {
        slots.add(scalar: "weight_sum")
        slots.add(scalar: "lr_max")
    }
}

enum ScheduleFreeSGD: ScheduleFreeDefinition {
    static let name: StaticString = "schedule_free_sgd"

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1
        case .momentum: 0.9
        case .weightDecay: 0
        case .warmupSteps: 0
        case .r: 0
        case .weightLRPower: 2
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add("z")
        addScalars(to: &slots)
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> ScheduleFreeCoefficients {
        averaging(
            configuration, &progress, rate: warmRate(configuration, progress.t), beta: configuration.momentum)
    }
}

enum ScheduleFreeAdamW: ScheduleFreeDefinition {
    static let name: StaticString = "schedule_free_adamw"

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .warmupSteps: 0
        default: ScheduleFreeRAdam.defaultValue(hyperparameter)
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        ScheduleFreeRAdam.addSlots(configuration, to: &slots)
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> ScheduleFreeCoefficients {
        var result = averaging(
            configuration, &progress, rate: warmRate(configuration, progress.t), beta: configuration.beta1)
        let correction = oneMinusPower(configuration.beta2, progress.step)
        ScheduleFreeRAdam.divide(&result, configuration, correction, &terms)
        return result
    }
}

enum ScheduleFreeRAdam: ScheduleFreeDefinition {
    static let name: StaticString = "schedule_free_radam"

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 2.5e-3
        case .beta1: 0.9
        case .beta2: 0.999
        case .eps: 1e-8
        case .weightDecay: 0
        case .r: 0
        case .weightLRPower: 2
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add("z")
        slots.add(divisor: "exp_avg_sq")
        addScalars(to: &slots)
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> ScheduleFreeCoefficients {
        let correction = oneMinusPower(configuration.beta2, progress.step)
        let rectification = Rectification(beta2: configuration.beta2, t: progress.t, correction: correction)
        let isTractable = rectification.length > 4
        var result = averaging(
            configuration, &progress, rate: isTractable ? configuration.lr * rectification.factor : 0,
            beta: configuration.beta1)
        divide(&result, configuration, correction, &terms)
        if !isTractable { result.isAdaptive = 0 }
        return result
    }

    /// Turns a step of gradient descent into one that divides by the second moment.
    static func divide(
        _ result: inout ScheduleFreeCoefficients, _ configuration: Configuration, _ correction: Double,
        _ terms: inout RunTerms
    ) {
        terms.variant = 1
        terms.l2 = 0
        result.l2 = configuration.weightDecay
        result.beta2 = configuration.beta2
        result.rootScale = 1 / correction.squareRoot()
        result.eps = configuration.eps
        result.isAdaptive = 1
    }
}
