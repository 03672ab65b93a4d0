// The request for random numbers that a counter makes, and for dropout by them. The generator is in
// Kernels/Counter.swift; where keys come from is the models' business.

@unsafe package struct RandomRequest: BitwiseCopyable {
    package var key: UInt64
    /// Which sequence of the key: dropout's step.
    package var stream: UInt64
    /// The number of the first word.
    package var first: UInt64 = 0
    package var rate: Float = 0
    package var x: UnsafePointer<Float>?
    package var y: UnsafeMutablePointer<Float>?
    package var words: UnsafeMutablePointer<UInt32>?
    /// Pieces begin at multiples of 32 elements.
    package var cut: Cut

    package init(key: UInt64, stream: UInt64, count: Int) {
        unsafe self.key = key
        unsafe self.stream = stream
        let groups = Cut((count + 31) / 32, by: 256)
        unsafe cut = Cut(count, by: groups.size * 32)
    }
}
