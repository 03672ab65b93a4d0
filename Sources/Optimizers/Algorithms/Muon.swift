// Muon as in torch.optim.Muon; of a parameter of more than two dimensions, all but the first are a row. Equation and source:
// Rules/Passes/Muon.swift, Compute/Orthogonalization.swift.
import MartletCompute
import MartletKernelInterface

enum Muon: AlgorithmDefinition {
    static let name: StaticString = "muon"
    static let flags: Flags = [.nesterov, .matchRMS, .spectral, .quintic, .polarExpress, .normuon]
    static let defaultFlags: Flags = .nesterov
    static let conventions: Conventions = .torch
    static let takesMatricesAlone = true
    static let takesCaution = true
    /// Decay is decoupled in any case.
    static let decayFlags: Flags = [.cautiousDecay, .correctedDecay]

    static func defaultValue(_ hyperparameter: Hyperparameter) -> Double? {
        switch hyperparameter {
        case .lr: 1e-3
        case .beta2: 0.95
        case .eps: 1e-7
        case .weightDecay: 0.1
        case .momentum: 0.95
        case .nsSteps: 5
        case .nsA: 3.4445
        case .nsB: -4.775
        case .nsC: 2.0315
        case .blocks: 1
        default: nil
        }
    }

    static func addSlots(_ configuration: Configuration, to slots: inout Slots) {
        slots.add(moment: "momentum_buffer")
        if configuration.flags.contains(.normuon) { slots.add("second_momentum_buffer", .leading) }
    }

    static func problem(_ configuration: Configuration) -> String? {
        for pair in [Flags.matchRMS.union(.spectral), Flags.quintic.union(.polarExpress)]
        where configuration.flags.isSuperset(of: pair) {
            let first = pair.first ?? []
            return "flags sets both \(first.name) and \(pair.subtracting(first).name); expected one of them at most"
        }
        return nil
    }

    static func problem(_ configuration: Configuration, _ shape: ParameterShape) -> String? {
        let blocks = configuration.count(.blocks)
        if shape.count > 0 && shape.leading % blocks != 0 {
            return "has \(shape.leading) rows; expected a multiple of \(blocks), the group's blocks"
        }
        return nil
    }

    static func passes(_ shape: ParameterShape) -> Passes { Passes(.muonMomentum, .matrixUpdate) }

    static func coefficients(
        _ configuration: Configuration, _ progress: inout Progress, _ terms: inout RunTerms
    ) -> MuonCoefficients {
        var result = MuonCoefficients()
        if !configuration.decouplesDecay {
            terms.l2 = 0
            terms.decay = 1 - configuration.lr * configuration.weightDecay
        }
        result.momentum = configuration.momentum
        result.isNesterov = configuration.flags.contains(.nesterov) ? 1 : 0
        result.update.stepSize = configuration.lr
        result.scale = scale(configuration.flags).rawValue
        result.blocks = configuration.count(.blocks)
        result.steps = configuration.count(.nsSteps)
        (result.a, result.b, result.c) = (configuration[.nsA], configuration[.nsB], configuration[.nsC])
        result.floor = configuration.eps
        result.isNormalized = configuration.flags.contains(.normuon) ? 1 : 0
        result.beta2 = configuration.beta2
        if configuration.flags.contains(.quintic) { result.schedule = MuonCoefficients.Schedule.quintic.rawValue }
        if configuration.flags.contains(.polarExpress) {
            result.schedule = MuonCoefficients.Schedule.polarExpress.rawValue
        }
        return result
    }

    private static func scale(_ flags: Flags) -> MuonCoefficients.Scale {
        flags.contains(.matchRMS) ? .matchRMS : flags.contains(.spectral) ? .spectral : .original
    }

    /// The rate for a matrix of these sizes: Jordan's, which leaves tall matrices larger steps; that of Liu et al.
    /// (Moonlight, arXiv:2502.16982), which gives elements the size of AdamW's; or that of Bernstein et al., which bounds
    /// what a step changes in a layer's outputs.
    static func prepare(_ pass: PassStart, _ coefficients: inout MuonCoefficients, _ terms: inout RunTerms) {
        if pass.pass > 0 { return }
        let (rows, columns) = sizes(pass.parameter, coefficients)
        let ratio = Double(rows) / Double(columns)
        let scale =
            switch MuonCoefficients.Scale(rawValue: coefficients.scale) {
            case .matchRMS: 0.2 * Double(max(rows, columns)).squareRoot()
            case .spectral: ratio.squareRoot()
            default: max(1, ratio).squareRoot()
            }
        coefficients.update.stepSize *= scale
    }

    private static func sizes(_ shape: ParameterShape, _ coefficients: MuonCoefficients) -> (rows: Int, columns: Int) {
        (shape.leading / coefficients.blocks, shape.count / shape.leading)
    }

    static func matrixWork(_ parameter: MatrixParameter, _ coefficients: MuonCoefficients) -> MatrixWork? {
        let (rows, columns) = unsafe sizes(parameter.shape, coefficients)
        return unsafe .orthogonalization(
            Orthogonalization(
                matrices: coefficients.blocks, rows: rows, columns: columns, isDouble: parameter.isDouble,
                iteration(coefficients), normalization(parameter, coefficients)))
    }

    private static func normalization(
        _ parameter: MatrixParameter, _ coefficients: MuonCoefficients
    ) -> RowNormalization? {
        unsafe coefficients.isNormalized == 0
            ? nil
            : RowNormalization(average: parameter.leading, beta2: coefficients.beta2, eps: coefficients.floor)
    }

    private static func iteration(_ coefficients: MuonCoefficients) -> NewtonSchulz {
        typealias Row = NewtonSchulz.Row
        let own = Row(coefficients.a, coefficients.b, coefficients.c)
        let (rows, margin): (InlineArray<5, Row>, Double) =
            switch MuonCoefficients.Schedule(rawValue: coefficients.schedule) {
            case .quintic: (quintic, 1)
            // Amsel, Persson, Musco and Gower, arXiv:2505.16932, who leave room for rounding.
            case .polarExpress: (polarExpress, 1.02)
            default: (InlineArray(repeating: own), 1)
            }
        return NewtonSchulz(rows: rows, steps: coefficients.steps, floor: coefficients.floor, margin: margin)
    }

    private static var quintic: InlineArray<5, NewtonSchulz.Row> {
        [
            .init(4.0848, -6.8946, 2.9270), .init(3.9505, -6.3029, 2.6377), .init(3.7418, -5.5913, 2.3037),
            .init(2.8769, -3.1427, 1.2046), .init(2.8366, -3.0525, 1.2012),
        ]
    }

    private static var polarExpress: InlineArray<5, NewtonSchulz.Row> {
        [
            .init(8.1566, -22.4833, 15.8788), .init(4.0429, -2.8089, 0.5000), .init(3.8917, -2.7725, 0.5061),
            .init(3.2858, -2.3681, 0.4645), .init(2.3465, -1.7098, 0.4232),
        ]
    }
}
