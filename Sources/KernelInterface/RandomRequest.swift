// The requests for random numbers that a counter makes, and for dropout and noise by them. The generator is in
// Kernels/Counter.swift; where keys come from is the models' business.

/// Word `first + i` of a stream, which depends on the key, the stream and its number alone.
@unsafe package struct RandomWordsRequest: PieceRequest {
    package static var kernel: Kernel { .randomWords }
    package let key: UInt64
    package let stream: UInt64
    package let first: UInt64
    package let out: UnsafeMutablePointer<UInt32>
    package let cut: Cut

    package init(key: UInt64, stream: UInt64, first: UInt64, count: Int, out: UnsafeMutablePointer<UInt32>) {
        unsafe (self.key, self.stream, self.first, self.out) = unsafe (key, stream, first, out)
        unsafe cut = Cut(words: count)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count }
}

/// Keeps an element where the random number of (key, step, its index) is at least `rate`, times 1 / (1 - rate), and makes
/// the others 0. The gradient takes the same request. x and y may be one array.
@unsafe package struct DropoutRequest: PieceRequest {
    package static var kernel: Kernel { .dropout }
    package let rate: Float
    package let key: UInt64
    package let step: UInt64
    package let x: UnsafePointer<Float>
    package let y: UnsafeMutablePointer<Float>
    package let cut: Cut

    package init(
        count: Int, rate: Float, key: UInt64, step: UInt64, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.rate, self.key, self.step, self.x, self.y) = unsafe (rate, key, step, x, y)
        unsafe cut = Cut(words: count)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count }
}

/// y = x + deviation times a number of the normal distribution, that of (key, step, the element's index). x and y may be one
/// array.
@unsafe package struct NoiseRequest: PieceRequest {
    package static var kernel: Kernel { .noise }
    package let deviation: Float
    package let key: UInt64
    package let step: UInt64
    package let x: UnsafePointer<Float>
    package let y: UnsafeMutablePointer<Float>
    package let cut: Cut

    package init(
        count: Int, deviation: Float, key: UInt64, step: UInt64, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.deviation, self.key, self.step, self.x, self.y) = unsafe (deviation, key, step, x, y)
        unsafe cut = Cut(words: count)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * 2 }
}

extension Cut {
    /// Pieces begin at multiples of 32, the words that the generator makes at once.
    fileprivate init(words count: Int) {
        let groups = Cut((count + 31) / 32, by: 256)
        self.init(count, by: groups.size * 32)
    }
}
