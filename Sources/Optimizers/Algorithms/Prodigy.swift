// Prodigy as in its authors' package, prodigyopt: AdamW whose rate is an estimate d of the distance to the solution, one for
// all parameters of a step. Equation and source: Rules/Passes/Prodigy.swift.
import MartletCompute
import MartletKernelInterface

enum Prodigy: AlgorithmDefinition {
    static let name: StaticString = "prodigy"
    static let flags: Flags = [.safeguardWarmup, .biasCorrection]
    static let defaultFlags: Flags = [.decoupledDecay]
    static let sharedScalars = 3
    static let takesCaution = true
    /// Its rate is the size of a step, which a sphere takes away.
    static let takesHyperball = false

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1
        case .beta1: 0.9
        case .beta2: 0.999
        case .beta3: 0
        case .eps: 1e-8
        case .weightDecay: 0
        case .d0: 1e-6
        case .dCoefficient: 1
        case .growthRate: .infinity
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(moment: "exp_avg")
        slots.add(divisor: "exp_avg_sq")
        slots.add("s")
        slots.add("p0")
        slots.add(scalar: "d", start: configuration[.d0])
        slots.add(scalar: "d_max", start: configuration[.d0])
        slots.add(scalar: "d_numerator")
    }

    static func passes(_ shape: ParameterShape) -> Passes { Passes(.prodigyAverages, .prodigyUpdate) }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> ProdigyCoefficients {
        var result = ProdigyCoefficients()
        result.beta1 = configuration.beta1
        result.beta2 = configuration.beta2
        result.beta3 = configuration[.beta3] == 0 ? configuration.beta2.squareRoot() : configuration[.beta3]
        result.eps = configuration.eps
        result.rate = configuration.lr
        result.decay = 1 - terms.decay
        if configuration.flags.contains(.biasCorrection) {
            let correction =
                oneMinusPower(configuration.beta2, progress.step).squareRoot()
                / oneMinusPower(configuration.beta1, progress.step)
            result.rate *= correction
            result.decay *= correction
        }
        result.d0 = configuration[.d0]
        result.dCoefficient = configuration[.dCoefficient]
        result.growthRate = min(configuration[.growthRate], .greatestFiniteMagnitude)
        result.safeguardsWarmup = configuration.flags.contains(.safeguardWarmup) ? 1 : 0
        result.isFirst = progress.isFirst ? 1 : 0
        result.stands = configuration.lr == 0 ? 1 : 0
        result.step = progress.t
        // An estimate that is no distance gives no step.
        result.ownD = progress.scalars[0] > 0 ? progress.scalars[0] : .nan
        result.ownLargest = progress.scalars[1]
        result.ownNumerator = progress.scalars[2]
        return result
    }

    /// What holds is what the parameter holds that has come farthest, the first of several.
    static func join(_ pass: PassStart, _ coefficients: ProdigyCoefficients, _ shared: inout SharedScalars) {
        if coefficients.step > shared.step {
            shared.step = coefficients.step
            shared.scalars[0] = coefficients.ownD
            shared.scalars[1] = coefficients.ownLargest
            shared.scalars[2] = coefficients.ownNumerator
        }
        if coefficients.stands != 0 { return }
        shared.sums.0 += coefficients.numeratorWeight * pass.sums.0
        shared.sums.1 += pass.sums.1
    }

    /// The next d, by the numbers of the first parameter's group:
    ///     numerator = beta3 numerator + (the sum of (d / d0) stepSize <g, p0 - p>),  d_hat = d_coef numerator / (the sum of |s|)
    ///     d = max(d, d_hat) while it is d0,  d_max = max(d_max, d_hat),  d = min(d_max, growth_rate d)
    /// Sums that are no numbers change none of them.
    static func settle(_ pass: PassStart, _ coefficients: ProdigyCoefficients, _ shared: inout SharedScalars) {
        if pass.pass == 0 { return }
        let numerator = coefficients.beta3 * shared.scalars[2] + shared.sums.0
        let estimate = coefficients.dCoefficient * numerator / shared.sums.1
        guard estimate.isFinite && numerator.isFinite else { return }
        // Kept in fp32, d0 is no longer itself.
        let isUnmoved = Float(shared.scalars[0]) == Float(coefficients.d0)
        let d = isUnmoved ? max(shared.scalars[0], estimate) : shared.scalars[0]
        shared.scalars[1] = max(shared.scalars[1], estimate)
        shared.scalars[0] = min(shared.scalars[1], d * coefficients.growthRate)
        shared.scalars[2] = numerator
    }

    static func prepare(_ pass: PassStart, _ coefficients: inout ProdigyCoefficients, _ terms: inout RunTerms) {
        if pass.pass == 0 {
            let d = pass.shared.scalars[0]
            coefficients.d = d
            coefficients.stepSize = d * coefficients.rate
            coefficients.numeratorWeight = d / coefficients.d0 * coefficients.stepSize
            coefficients.sumWeight =
                coefficients.safeguardsWarmup != 0 ? d / coefficients.d0 * d : coefficients.numeratorWeight
            terms.decay = 1 - d * coefficients.decay
        } else {
            coefficients.scaledEps = pass.shared.scalars[0] * coefficients.eps
            // Without any gradient so far there is no way to go, and nothing is decayed.
            if pass.shared.sums.1 == 0 { coefficients.stands = 1 }
            if coefficients.stands != 0 { terms.decay = 1 }
        }
    }
}
