// How parameters start. The random numbers are those of a counter, one stream for each array, so a model's initial
// values depend on its seed and its layers alone.
import Glibc
import MartletCompute
import MartletKernelInterface
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

    fileprivate func distribution(value: Double, fanIn: Int, fanOut: Int) -> Distribution {
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

    /// Fills an array with the numbers of a stream. An execution of the exact mode; draw i takes its words from place 4 i
    /// on, or 2 i, so the numbers do not depend on who draws them.
    static func fill(
        _ memory: UnsafeMutablePointer<Float>, _ array: ArrayDescription, _ execution: Execution, key: UInt64,
        stream: UInt64
    ) {
        let distribution = array.initializer.distribution(
            value: array.value, fanIn: array.fanIn, fanOut: array.fanOut)
        let count = array.shape.elementCount
        var draws = unsafe Draws(distribution, execution.table.randomWords, key: key, stream: stream)
        guard case .normal(_, isCut: true) = distribution else {
            unsafe draws.target = unsafe memory
            unsafe draws.run(count, execution)
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

/// What random numbers are to be spread like.
private enum Distribution {
    case constant(Double)
    case uniform(limit: Double)
    case normal(deviation: Double, isCut: Bool)

    /// Random words for each draw.
    var words: Int {
        switch self {
        case .constant: 0
        case .uniform: 2
        case .normal: 4
        }
    }

    /// About how long a draw takes.
    var nanoseconds: Int {
        switch self {
        case .constant: 1
        case .uniform: 4
        case .normal: 40
        }
    }
}

/// A run of draws of one stream, for threads to share.
@unsafe private struct Draws {
    private let distribution: Distribution
    private let randomWords: PieceKernel
    private let key: UInt64
    private let stream: UInt64
    /// Draws that earlier runs have made.
    private var first = 0
    private(set) var cut = unsafe Cut(0, by: Draws.size)
    /// Where the first number goes; those of a piece stand one after another from the place of its first draw on.
    var target: UnsafeMutablePointer<Float>?
    /// How many numbers each piece keeps; nil where it keeps all.
    var kept: UnsafeMutablePointer<Int>?

    /// Draws in a piece, more where an array is so long that there would be too many.
    static var size: Int { 1024 }
    /// The most draws in a run whose numbers are put together afterwards.
    static var most: Int { 1 << 19 }

    init(_ distribution: Distribution, _ randomWords: PieceKernel, key: UInt64, stream: UInt64) {
        unsafe self.distribution = distribution
        unsafe self.randomWords = unsafe randomWords
        unsafe self.key = key
        unsafe self.stream = stream
    }

    /// The next so many draws; returns in how many pieces.
    @discardableResult
    mutating func run(_ count: Int, _ execution: Execution) -> Int {
        unsafe cut = Cut(count, by: Draws.size)
        let (pieces, nanoseconds) = unsafe (cut.pieces, count * distribution.nanoseconds)
        unsafe execution.run(
            { request, piece, scratch in
                unsafe request.assumingMemoryBound(to: Draws.self).pointee.draw(piece, scratch)
            }, on: &self, pieces: pieces, nanoseconds: nanoseconds)
        unsafe first += count
        return pieces
    }

    /// One piece.
    private func draw(_ piece: Int, _ scratch: UnsafeMutableRawPointer) {
        guard var next = unsafe target.map({ unsafe $0 + cut.start(piece) }) else { return }
        let start = unsafe next
        switch unsafe distribution {
        case .constant(let value):
            unsafe next.update(repeating: Float(value), count: cut.range(piece).count)
        case .uniform(let limit):
            unsafe forEachDraw(piece, scratch) { words in
                unsafe next.pointee = unsafe Float((2 * unit(words) - 1) * limit)
                unsafe next += 1
            }
        case .normal(let deviation, let isCut):
            unsafe forEachDraw(piece, scratch) { words in
                // Box, Muller: A note on the generation of random normal deviates, 1958.
                let radius = unsafe (-2 * log(1 - unit(words))).squareRoot()
                let number = unsafe radius * cos(2 * Double.pi * unit(words + 2))
                if isCut && number.magnitude > 2 { return }
                unsafe next.pointee = Float(number * deviation)
                unsafe next += 1
            }
        }
        if let kept = unsafe kept { unsafe kept[piece] = unsafe next - start }
    }

    /// Calls `body` on the words of each draw.
    @inline(__always)
    private func forEachDraw(
        _ piece: Int, _ scratch: UnsafeMutableRawPointer, _ body: (UnsafePointer<UInt32>) -> Void
    ) {
        // Few enough that their words are one piece of the generator's.
        let block = 512
        let words = unsafe (scratch + 4096).assumingMemoryBound(to: UInt32.self)
        let (each, end) = unsafe (distribution.words, cut.end(piece))
        for start in unsafe stride(from: cut.start(piece), to: end, by: block) {
            let count = min(block, end - start)
            var request = unsafe RandomRequest(key: key, stream: stream, count: count * each)
            unsafe request.first = UInt64((first + start) * each)
            unsafe request.words = unsafe words
            unsafe randomWords(&request, 0, scratch)
            for draw in 0..<count { unsafe body(words + draw * each) }
        }
    }

    /// A number in 0 ..< 1, with 53 bits, of two words.
    @inline(__always)
    private func unit(_ words: UnsafePointer<UInt32>) -> Double {
        let (high, low) = unsafe (UInt64(words[0] >> 5), UInt64(words[1] >> 6))
        return Double(high << 26 | low) * 0x1p-53
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

    /// In 0 ..< bound, each alike: the words that would favour some are passed over.
    mutating func next(below bound: UInt64) -> UInt64 {
        let excess = (UInt64.max % bound + 1) % bound
        while true {
            let word = UInt64(next()) << 32 | UInt64(next())
            if word <= UInt64.max - excess { return word % bound }
        }
    }
}
