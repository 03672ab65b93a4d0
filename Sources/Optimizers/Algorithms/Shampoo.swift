// Shampoo as in facebookresearch/optimizers' DistributedShampoo; of a parameter of more than two dimensions, all but the first
// are a row, and both sides have factors. Equation and source: Rules/Passes/Shampoo.swift, Compute/Preconditioning.swift.
import MartletCompute
import MartletKernelInterface

enum Shampoo: AlgorithmDefinition {
    static let name: StaticString = "shampoo"
    static let flags: Flags = [.biasCorrection, .graftAdam]
    static let defaultFlags: Flags = .biasCorrection
    static let conventions: Conventions = .torch
    static let takesMatricesAlone = true
    /// Decay is decoupled in any case.
    static let decayFlags: Flags = [.cautiousDecay, .correctedDecay]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 0.01
        case .beta1: 0.9
        case .beta2: 0.999
        case .rho: 1
        case .eps: 1e-12
        case .eps2: 1e-8
        case .weightDecay: 0
        case .preconditionFrequency: 1
        case .blockSize: 1024
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add("exp_avg")
        if configuration.flags.contains(.graftAdam) { slots.add("exp_avg_sq") }
        let block = configuration.count(.blockSize)
        slots.add("gram_rows", .rowSquares, block: block)
        slots.add("root_rows", .rowSquares, block: block)
        slots.add("gram_columns", .columnSquares, block: block)
        slots.add("root_columns", .columnSquares, block: block)
    }

    static func passes(_ shape: ParameterShape, _ coefficients: ShampooCoefficients) -> Passes {
        coefficients.isGrafted != 0
            ? Passes(.matrixGradient, .shampooGraft, .matrixNorm, .matrixUpdate)
            : Passes(.matrixGradient, .shampooAverage, .matrixUpdate)
    }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> ShampooCoefficients {
        var result = ShampooCoefficients()
        if !configuration.decouplesDecay {
            terms.l2 = 0
            terms.decay = 1 - configuration.lr * configuration.weightDecay
        }
        let corrects = configuration.flags.contains(.biasCorrection)
        func correction(_ beta: Double) -> Double { corrects ? 1 / oneMinusPower(beta, progress.step) : 1 }
        result.update.stepSize = configuration.lr
        result.beta1 = configuration.beta1
        result.correction = correction(configuration.beta1)
        result.isGrafted = configuration.flags.contains(.graftAdam) ? 1 : 0
        result.beta2 = configuration.beta2
        result.rootCorrection = correction(configuration.beta2).squareRoot()
        result.eps = configuration[.eps2]
        let rho = configuration[.rho]
        result.decay = rho
        result.weight = rho == 1 ? 1 : 1 - rho
        result.scale = rho == 1 ? 1 : correction(rho)
        result.epsOfFactors = configuration.eps
        let frequency = Int64(configuration.count(.preconditionFrequency))
        result.refreshes = (progress.step.whole - 1).isMultiple(of: frequency) ? 1 : 0
        result.block = configuration.count(.blockSize)
        return result
    }

    /// The sums are those of the squares of Adam's step before the third pass, and of Shampoo's before the last.
    static func prepare(_ pass: PassStart, _ coefficients: inout ShampooCoefficients, _ terms: inout RunTerms) {
        if coefficients.isGrafted == 0 { return }
        if pass.pass == 2 { coefficients.graftNorm = pass.sums.0.squareRoot() }
        if pass.isLast {
            let norm = pass.sums.0.squareRoot()
            coefficients.update.stepSize *= norm > 0 ? coefficients.graftNorm / norm : 0
        }
    }

    static func matrixWork(_ parameter: MatrixParameter, _ coefficients: ShampooCoefficients) -> MatrixWork? {
        func side(_ length: Int, _ squares: (Operand, Operand)) -> MatrixSide {
            unsafe MatrixSide(length: length, most: .max, block: coefficients.block, gram: squares.0, basis: squares.1)
        }
        let (rows, columns) = unsafe (parameter.shape.leading, parameter.shape.count / parameter.shape.leading)
        return unsafe .preconditioning(
            Preconditioning(
                rows: side(rows, parameter.rowSquares), columns: side(columns, parameter.columnSquares),
                isDouble: parameter.isDouble, decay: coefficients.decay, weight: coefficients.weight,
                roots: InverseRoots(scale: coefficients.scale, eps: coefficients.epsOfFactors), isFirst: false,
                refreshes: coefficients.refreshes != 0))
    }
}
