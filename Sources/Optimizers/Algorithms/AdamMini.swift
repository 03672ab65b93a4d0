// Adam-mini as in its authors' package, where a block is so many rows: neurons by themselves, the rows of a head together, or
// all of a parameter. Equation and source: Rules/Passes/AdamMini.swift.
import MartletCompute
import MartletKernelInterface

enum AdamMini: AlgorithmDefinition {
    static let name: StaticString = "adam_mini"
    static let takesCaution = true
    static let seesMatrices = true
    static let seesOutputs = true
    static let conventions: Conventions = .torch
    /// Decay is decoupled in any case.
    static let decayFlags: Flags = [.cautiousDecay, .correctedDecay]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-3
        case .beta1: 0.9
        case .beta2: 0.999
        case .eps: 1e-8
        case .weightDecay: 0
        case .blockSize: 1
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(moment: "exp_avg")
        slots.add("exp_avg_mean_sq", .blocks, block: configuration.count(.blockSize))
    }

    static func problem(_ configuration: Configuration, _ shape: ParameterShape) -> String? {
        let block = configuration.count(.blockSize)
        if block == 0 || shape.leading.isMultiple(of: block) { return nil }
        return "has \(shape.leading) rows; expected a multiple of \(block), the group's block_size"
    }

    static func seen(_ shape: ParameterShape, _ coefficients: AdamMiniCoefficients) -> ParameterShape {
        shape.rowForEachBlock(of: coefficients.block)
    }

    static func passes(_ shape: ParameterShape) -> Passes {
        Passes(.adamMiniAverage, .adamMiniFactors, .adamMiniUpdate)
    }

    static func prepare(_ pass: PassStart, _ coefficients: inout AdamMiniCoefficients, _ terms: inout RunTerms) {}

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> AdamMiniCoefficients {
        var result = AdamMiniCoefficients()
        if !configuration.decouplesDecay {
            terms.l2 = 0
            terms.decay = 1 - configuration.lr * configuration.weightDecay
        }
        let root = oneMinusPower(configuration.beta2, progress.step).squareRoot()
        result.beta1 = configuration.beta1
        result.weight = 1 - configuration.beta2
        result.eps = configuration.eps * root
        result.stepSize = configuration.lr * (root / oneMinusPower(configuration.beta1, progress.step))
        result.block = configuration.count(.blockSize)
        return result
    }
}
