// Random numbers for models, by a counter: many draws of a distribution, shared by threads, and words one after another.
// Who gets which numbers, Initializer.swift and Fitting.swift say.

import Glibc
import MartletCompute
import MartletKernelInterface

/// What random numbers are to be spread like.
enum Distribution {
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
@unsafe struct Draws {
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
            var request = unsafe RandomWordsRequest(
                key: key, stream: stream, first: UInt64((first + start) * each), count: count * each, out: words)
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
                    unsafe execution.run(
                        RandomWordsRequest(key: key, stream: stream, first: first, count: 256, out: words))
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
