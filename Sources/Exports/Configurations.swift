// martlet_config becomes the engines' Configuration, and back.
import CMartlet
import MartletOptimizers
import MartletPlatform

extension Configuration {
    /// Reads and checks a caller's config. `subject` is what messages call it.
    init(_ config: UnsafePointer<martlet_config>, size: Int, _ subject: @autoclosure () -> String) throws(MartletError)
    {
        let algorithm = try unsafe Algorithm(number: config.pointee.algorithm, "\(subject()).algorithm")
        try unsafe martlet_config.checkTail(config, size: size, subject())
        // All before the doubles is in the first published size.
        guard let semantics = unsafe Semantics(rawValue: config.pointee.semantics) else {
            throw MartletError(
                .argument,
                "\(subject()).semantics is \(unsafe config.pointee.semantics); expected MARTLET_SEMANTICS_...")
        }
        guard unsafe config.pointee.flags & ~Flags.all.rawValue == 0 else {
            throw MartletError(
                .argument,
                "\(subject()).flags is \(unsafe config.pointee.flags); expected a sum of MARTLET_AMSGRAD and its like")
        }
        self.init(
            algorithm, semantics, unsafe Flags(rawValue: config.pointee.flags), seed: unsafe config.pointee.seed,
            values: unsafe Hyperparameter.Values(of: config, size: size, over: algorithm.defaults))
        try check(subject())
    }

    /// Reads one config that stands alone.
    init(_ config: UnsafePointer<martlet_config>?) throws(MartletError) {
        let config = try unsafe required(config, "config")
        let size = unsafe Int(config.pointee.struct_size)
        try martlet_config.checkSize(size, "config->struct_size")
        try unsafe self.init(config, size: size, "config")
    }
}

extension martlet_config {
    init(_ configuration: Configuration) {
        self.init()
        struct_size = UInt32(MemoryLayout<martlet_config>.size)
        algorithm = configuration.algorithm.rawValue
        semantics = configuration.semantics.rawValue
        flags = configuration.flags.rawValue
        seed = configuration.seed
        var values = configuration.values
        unsafe values.copy(to: &self)
    }
}

extension Hyperparameter.Values {
    /// Where a config's doubles begin: they stand in the order of their numbers.
    private static var offset: Int { 24 }
    private static var end: Int { MemoryLayout<martlet_config>.size }

    /// Those of a config of that size; the defaults are for the fields that an older header's lacks.
    fileprivate init(of config: UnsafePointer<martlet_config>, size: Int, over defaults: @autoclosure () -> Self) {
        let fields = unsafe UnsafeRawPointer(config) + Self.offset
        if size >= Self.end {
            // In one piece: what is written in small ones and read again at once waits.
            self = unsafe fields.load(as: Self.self)
        } else {
            self = defaults()
            unsafe withUnsafeMutableBytes(of: &self) { bytes in
                unsafe bytes.baseAddress!.copyMemory(from: fields, byteCount: size - Self.offset)
            }
        }
    }

    fileprivate mutating func copy(to config: UnsafeMutablePointer<martlet_config>) {
        unsafe withUnsafeBytes(of: &self) { bytes in
            unsafe (UnsafeMutableRawPointer(config) + Self.offset).copyMemory(
                from: bytes.baseAddress!, byteCount: Self.end - Self.offset)
        }
    }
}

extension Algorithm {
    init(number: Int32, _ subject: @autoclosure () -> String) throws(MartletError) {
        guard let algorithm = Algorithm(rawValue: number) else {
            throw MartletError(.argument, "\(subject()) is \(number); expected MARTLET_ADAM or another of its kind")
        }
        self = algorithm
    }
}
