// How parameters start. The random numbers are those of a counter, one stream for each array, so a model's initial
// values depend on its seed and its layers alone.
import Glibc
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

    /// Throws where the value beside the initialiser cannot be.
    func check(_ value: Double, _ subject: String) throws(MartletError) {
        let isRight = self == .uniform || self == .normal ? value >= 0 && value.isFinite : value.isFinite
        guard isRight, value.magnitude <= Double(Float.greatestFiniteMagnitude) else {
            throw MartletError(.argument, "\(subject) is \(value); expected a finite number that suits its initializer")
        }
    }

    private enum Distribution {
        case constant(Double)
        case uniform(limit: Double)
        case normal(deviation: Double, isCut: Bool)
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
        }
    }

    /// Fills an array.
    static func fill(
        _ memory: UnsafeMutablePointer<Float>, _ array: ArrayDescription, words: consuming WordStream
    ) {
        let distribution = array.initializer.distribution(
            value: array.value, fanIn: array.fanIn, fanOut: array.fanOut)
        for index in 0..<array.shape.elementCount {
            switch distribution {
            case .constant(let value): unsafe memory[index] = Float(value)
            case .uniform(let limit): unsafe memory[index] = Float((2 * words.nextUnit() - 1) * limit)
            case .normal(let deviation, let isCut):
                var number = words.nextNormal()
                while isCut && number.magnitude > 2 { number = words.nextNormal() }
                unsafe memory[index] = Float(number * deviation)
            }
        }
    }
}

/// Random words one after another, drawn from a counter some hundreds at a time.
@safe struct WordStream: ~Copyable {
    private let execution: Execution
    private let key: UInt64
    private let stream: UInt64
    private var first: UInt64 = 0
    private var buffer = InlineArray<256, UInt32>(repeating: 0)
    private var used = 256

    init(_ execution: Execution, key: UInt64, stream: UInt64) {
        unsafe self.execution = unsafe execution
        self.key = key
        self.stream = stream
    }

    mutating func next() -> UInt32 {
        if used == 256 {
            unsafe withUnsafeMutablePointer(to: &buffer) { buffer in
                unsafe buffer.withMemoryRebound(to: UInt32.self, capacity: 256) { words in
                    unsafe execution.randomWords(key: key, stream: stream, first: first, count: 256, out: words)
                }
            }
            first += 256
            used = 0
        }
        used += 1
        return buffer[used - 1]
    }

    /// In 0 ..< 1, with 53 bits.
    mutating func nextUnit() -> Double {
        let high = UInt64(next() >> 5)
        let low = UInt64(next() >> 6)
        return Double(high << 26 | low) * 0x1p-53
    }

    /// Of the standard normal distribution (Box, Muller: A note on the generation of random normal deviates, 1958).
    mutating func nextNormal() -> Double {
        let radius = (-2 * log(1 - nextUnit())).squareRoot()
        return radius * cos(2 * Double.pi * nextUnit())
    }

    /// In 0 ..< bound, each alike: the words that would favour some are passed over.
    mutating func next(below bound: UInt64) -> UInt64 {
        let excess = (UInt64.max % bound + 1) % bound
        while true {
            let word = UInt64(next()) << 32 | UInt64(next())
            if word <= UInt64.max - excess { return word % bound }
        }
    }
}
