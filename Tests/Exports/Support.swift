// What the tests of this room share: configs, handles, numbers and the text of the latest error. The functions are called
// as C declares them; nothing of the engines is seen here.

import CMartlet
import Glibc
import Synchronization

/// Floats in memory of their own: the same numbers for the same seed.
final class Floats {
    let base: UnsafeMutablePointer<Float>
    let count: Int

    init(_ count: Int, seed: UInt32? = nil) {
        self.count = count
        base = .allocate(capacity: max(count, 1))
        base.initialize(repeating: 0, count: max(count, 1))
        if let seed { randomize(seed) }
    }

    deinit { base.deallocate() }

    func randomize(_ seed: UInt32) {
        var state = seed &* 2_654_435_761 &+ 1
        for index in 0..<count {
            state = state &* 1_664_525 &+ 1_013_904_223
            base[index] = Float(state >> 8) / Float(1 << 23) - 1
        }
    }

    var numbers: [Float] {
        withExtendedLifetime(self) { Array(UnsafeBufferPointer(start: base, count: count)) }
    }

    /// The array as C describes it.
    var array: martlet_array {
        var array = martlet_array()
        array.data = UnsafeMutableRawPointer(base)
        array.count = Int64(count)
        array.dtype = MARTLET_FP32
        return array
    }
}

/// The text of this thread's latest error.
var lastError: String { String(cString: martlet_last_error()) }

func text(_ pointer: UnsafePointer<CChar>?) -> String? { pointer.map { String(cString: $0) } }

func makeConfig(_ algorithm: Int32 = MARTLET_ADAM, _ change: (inout martlet_config) -> Void = { _ in })
    -> martlet_config
{
    var config = martlet_config()
    martlet_config_init(&config, MemoryLayout<martlet_config>.size, algorithm)
    change(&config)
    return config
}

/// An optimizer's handle, destroyed with its owner.
final class Handle: Sendable {
    let bits: UInt

    init(_ config: martlet_config = makeConfig()) {
        var config = config
        var token: OpaquePointer?
        martlet_optimizer_create(&token, &config)
        bits = UInt(bitPattern: token)
    }

    deinit { martlet_optimizer_destroy(token) }

    var token: OpaquePointer? { OpaquePointer(bitPattern: bits) }
}

/// A parameter as the handles' `add` takes it.
func makeParameter(_ values: Floats, name: UnsafePointer<CChar>? = nil) -> martlet_parameter {
    var parameter = martlet_parameter()
    parameter.value = values.array
    parameter.name = name
    return parameter
}

/// What other threads count; expectations there would belong to no test.
final class Counter: Sendable {
    private let count = Atomic<Int>(0)

    func add() { count.add(1, ordering: .sequentiallyConsistent) }
    var value: Int { count.load(ordering: .sequentiallyConsistent) }
}
