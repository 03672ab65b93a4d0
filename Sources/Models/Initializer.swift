// How parameters start. The random numbers are those of a counter, one stream for each array, so a model's initial
// values depend on its seed and its layers alone.

import MartletCompute
import MartletPlatform

/// The distributions; the raw values are those of martlet.h. Variances: Glorot and Bengio, Understanding the difficulty
/// of training deep feedforward neural networks, AISTATS 2010; He et al., Delving deep into rectifiers, ICCV 2015;
/// LeCun et al., Efficient backprop, 1998.
@frozen
public enum Initializer: Int32, Sendable, CaseIterable {
    case zeros = 0
    case constant = 1
    case glorotUniform = 2
    case glorotNormal = 3
    case heUniform = 4
    case heNormal = 5
    case lecunUniform = 6
    case lecunNormal = 7
    case uniform = 8
    case normal = 9
    /// Rows or columns, whichever are fewer, that are orthogonal and as long as the value.
    case orthogonal = 10
    /// The value over inputs, outputs or their mean as variance, of a cut normal distribution, a whole one or a uniform one.
    case fanInNormal = 11
    case fanInUntruncatedNormal = 12
    case fanInUniform = 13
    case fanOutNormal = 14
    case fanOutUntruncatedNormal = 15
    case fanOutUniform = 16
    case fanAverageNormal = 17
    case fanAverageUntruncatedNormal = 18
    case fanAverageUniform = 19

    /// Throws where the value beside the initialiser cannot be.
    func check(_ value: Double, _ subject: String) throws(MartletError) {
        let isRight =
            switch self {
            case .uniform, .normal: value >= 0
            case _ where rawValue >= Initializer.orthogonal.rawValue: value > 0
            default: true
            }
        guard isRight, value.isFinite, value.magnitude <= Double(Float.greatestFiniteMagnitude) else {
            throw MartletError(.argument, "\(subject) is \(value); expected a finite number that suits its initializer")
        }
    }

    /// Throws `.unsupported` where making an array would take hours.
    static func check(_ array: ArrayDescription, _ subject: String) throws(MartletError) {
        let vectors = min(array.shape.last, array.shape.outerCount)
        guard array.initializer != .orthogonal || vectors <= 4096 else {
            throw MartletError(
                .unsupported, "\(subject)'s \(array.name) is \(array.shape); expected 4,096 orthogonal vectors at most")
        }
    }

    private func distribution(value: Double, fanIn: Int, fanOut: Int) -> Distribution {
        let glorot = 2 / (Double(fanIn) + Double(fanOut))
        let he = 2 / Double(fanIn)
        let lecun = 1 / Double(fanIn)
        // Cutting a normal distribution at two deviations leaves it this deviation.
        let cut = 0.87962566103423978
        switch self {
        case .zeros: return .constant(0)
        case .constant: return .constant(value)
        case .glorotUniform: return .uniform(limit: (3 * glorot).squareRoot())
        case .heUniform: return .uniform(limit: (3 * he).squareRoot())
        case .lecunUniform: return .uniform(limit: (3 * lecun).squareRoot())
        case .uniform: return .uniform(limit: value)
        case .glorotNormal: return .normal(deviation: glorot.squareRoot() / cut, isCut: true)
        case .heNormal: return .normal(deviation: he.squareRoot() / cut, isCut: true)
        case .lecunNormal: return .normal(deviation: lecun.squareRoot() / cut, isCut: true)
        case .normal: return .normal(deviation: value, isCut: false)
        case .orthogonal: return .normal(deviation: 1, isCut: false)
        default: break
        }
        let (mode, shape) = (rawValue - Initializer.fanInNormal.rawValue).quotientAndRemainder(dividingBy: 3)
        let count = mode == 0 ? Double(fanIn) : mode == 1 ? Double(fanOut) : (Double(fanIn) + Double(fanOut)) / 2
        let deviation = (value / count).squareRoot()
        return shape == 2
            ? .uniform(limit: 3.0.squareRoot() * deviation)
            : .normal(deviation: shape == 0 ? deviation / cut : deviation, isCut: shape == 0)
    }

    /// Fills an array with the numbers of a stream. An execution of the exact mode; draw i takes its words from place 4 i
    /// on, or 2 i, so the numbers do not depend on who draws them.
    static func fill(
        _ memory: UnsafeMutablePointer<Float>, _ array: ArrayDescription, _ execution: Execution, key: UInt64,
        stream: UInt64
    ) {
        let distribution = array.initializer.distribution(
            value: array.value, fanIn: array.fanIn, fanOut: array.fanOut)
        let count = array.shape.elementCount
        var draws = unsafe Draws(distribution, execution.isa.kernel(.randomWords), key: key, stream: stream)
        guard case .normal(_, isCut: true) = distribution else {
            unsafe draws.target = unsafe memory
            unsafe draws.run(count, execution)
            if array.initializer == .orthogonal {
                unsafe Orthogonal(memory, array, execution).fill(length: Float(array.value))
            }
            return
        }
        // How many numbers a piece keeps is known once it is done: they are drawn elsewhere, and put together in order.
        let kept = unsafe execution.shared.assumingMemoryBound(to: Int.self)
        let drawn = unsafe (execution.shared + Draws.most / Draws.size * 8).assumingMemoryBound(to: Float.self)
        unsafe (draws.kept, draws.target) = unsafe (kept, drawn)
        var filled = 0
        while filled < count {
            let left = count - filled
            let pieces = unsafe draws.run(min(left + left / 16 + 64, Draws.most), execution)
            for piece in 0..<pieces where filled < count {
                let fresh = unsafe min(kept[piece], count - filled)
                unsafe (memory + filled).update(from: drawn + draws.cut.start(piece), count: fresh)
                filled += fresh
            }
        }
    }
}
