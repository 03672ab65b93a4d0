// The order in which an epoch takes the samples: every order alike, from the seed and the epoch's number.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// The order in which an epoch takes the samples.
struct Order: ~Copyable {
    private let memory: ZeroedMemory
    private let count: Int

    init(count: Int) throws(MartletError) {
        memory = try ZeroedMemory(count: count, stride: 8)
        self.count = count
        let rows = unsafe rows
        for index in 0..<count { unsafe rows[index] = Int64(index) }
    }

    private var rows: UnsafeMutablePointer<Int64> { unsafe memory.base.assumingMemoryBound(to: Int64.self) }

    func rows(_ range: Range<Int>) -> Rows {
        unsafe .list(UnsafePointer(rows) + range.lowerBound, count: range.count)
    }

    func copy(to target: UnsafeMutableBufferPointer<Int64>) {
        unsafe target.baseAddress?.update(from: rows, count: count)
    }

    /// Every order alike (Fisher, Yates; Durstenfeld: Algorithm 235, 1964), from the epoch's own random numbers.
    mutating func shuffle(seed: UInt64, epoch: UInt64, _ machine: ExecutionSettings) throws(MartletError) {
        let rows = unsafe rows
        var words = unsafe WordStream(try Execution(mode: .exact, machine), key: seed, stream: 1 << 63 | epoch)
        for index in 0..<count { unsafe rows[index] = Int64(index) }
        for index in stride(from: count - 1, to: 0, by: -1) {
            let other = Int(words.next(below: UInt64(index) + 1))
            unsafe swap(&rows[index], &rows[other])
        }
    }
}

extension Model {
    /// Writes the order in which `fit` takes as many samples in an epoch, counted from 0 since `compile`. Throws `.memory`.
    package func order(ofEpoch epoch: UInt64, into rows: UnsafeMutableBufferPointer<Int64>) throws(MartletError) {
        var order = try Order(count: rows.count)
        try order.shuffle(seed: seed, epoch: epoch, ExecutionSettings())
        unsafe order.copy(to: rows)
    }

    /// Epochs that `fit` has begun since `compile`.
    package func epochCount() throws(MartletError) -> Int64 { try compiled().epoch }

    /// Says how many have begun. Throws `.order` before compile.
    package func setEpochCount(_ count: Int64) throws(MartletError) { try compiled().epoch = count }

    /// What `compile` was told of an output. Throws `.order` before it.
    package func training(ofOutput number: Int) throws(MartletError) -> Training { try compiled().settings[number] }
}
