// SOAP as in its authors' implementation (github.com/nikhilvyas/SOAP); of a parameter of more than two dimensions, all but
// the first are a row. The first step makes the bases and moves nothing, and is not counted in the corrections and
// refreshes. Equation and source: Rules/Passes/SOAP.swift, Compute/Preconditioning.swift.
import MartletCompute
import MartletKernelInterface

enum SOAP: AlgorithmDefinition {
    static let name: StaticString = "soap"
    static let flags: Flags = .biasCorrection
    static let defaultFlags: Flags = .biasCorrection
    static let conventions: Conventions = .torch
    static let takesMatricesAlone = true
    /// Decay is decoupled in any case, and comes after the step.
    static let decayFlags: Flags = .correctedDecay

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 3e-3
        case .beta1, .beta2, .beta3: 0.95
        case .eps: 1e-8
        case .weightDecay: 0.01
        case .preconditionFrequency: 10
        case .maxPrecondDim: 10_000
        case .blockSize: 0
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add("exp_avg")
        slots.add("exp_avg_sq")
        let most = configuration.count(.maxPrecondDim)
        let block = configuration.count(.blockSize)
        slots.add("gram_rows", .rowSquares, most: most, block: block)
        slots.add("basis_rows", .rowSquares, most: most, block: block)
        slots.add("gram_columns", .columnSquares, most: most, block: block)
        slots.add("basis_columns", .columnSquares, most: most, block: block)
    }

    static func passes(_ shape: ParameterShape, _ coefficients: SOAPCoefficients) -> Passes {
        if coefficients.isFirst != 0 { return Passes(.matrixGradient) }
        return coefficients.refreshes != 0
            ? Passes(.matrixGradient, .soapAverages, .soapUpdate, .soapMoment)
            : Passes(.matrixGradient, .soapAverages, .matrixUpdate)
    }

    static func prepare(_ pass: PassStart, _ coefficients: inout SOAPCoefficients, _ terms: inout RunTerms) {}

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> SOAPCoefficients {
        var result = SOAPCoefficients()
        terms.l2 = 0
        if !configuration.flags.contains(.correctedDecay) {
            terms.decay = 1 - configuration.lr * configuration.weightDecay
        }
        result.beta1 = configuration.beta1
        result.beta2 = configuration.beta2
        result.eps = configuration.eps
        result.rate = 1 - configuration[.beta3]
        result.mostOfSide = configuration.count(.maxPrecondDim)
        result.block = configuration.count(.blockSize)
        result.isFirst = progress.isFirst ? 1 : 0
        if progress.isFirst { return result }
        let steps = StepNumber(whole: progress.step.whole - 1, fraction: progress.step.fraction)
        result.refreshes = steps.whole.isMultiple(of: Int64(configuration.count(.preconditionFrequency))) ? 1 : 0
        var size = configuration.lr
        if configuration.flags.contains(.biasCorrection) {
            size *=
                oneMinusPower(configuration.beta2, steps).squareRoot() / oneMinusPower(configuration.beta1, steps)
        }
        result.update.stepSize = terms.decay * size
        return result
    }

    static func matrixWork(_ parameter: MatrixParameter, _ coefficients: SOAPCoefficients) -> MatrixWork? {
        func side(_ length: Int, _ squares: (Operand, Operand)) -> MatrixSide {
            unsafe MatrixSide(
                length: length, most: coefficients.mostOfSide, block: coefficients.block, gram: squares.0,
                basis: squares.1)
        }
        let (rows, columns) = unsafe (parameter.shape.leading, parameter.shape.count / parameter.shape.leading)
        return unsafe .preconditioning(
            Preconditioning(
                rows: side(rows, parameter.rowSquares), columns: side(columns, parameter.columnSquares),
                isDouble: parameter.isDouble, decay: 1 - coefficients.rate, weight: coefficients.rate, roots: nil,
                isFirst: coefficients.isFirst != 0, refreshes: coefficients.refreshes != 0))
    }
}
