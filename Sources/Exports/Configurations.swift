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
        guard unsafe config.pointee.seed == 0 else {
            throw MartletError(
                .unsupported,
                "\(subject()).seed is \(unsafe config.pointee.seed); expected 0: nothing is rounded at random")
        }
        // Defaults are for the fields that an older header's config lacks.
        let isWhole = size >= MemoryLayout<martlet_config>.size
        self.init(
            algorithm, semantics, unsafe Flags(rawValue: config.pointee.flags),
            values: isWhole ? InlineArray(repeating: .nan) : algorithm.defaults)
        unsafe values.copy(from: config, size: size)
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
        var values = configuration.values
        unsafe values.copy(to: &self)
    }
}

extension InlineArray<32, Double> {
    /// Where a config's doubles begin: they stand in the order of their numbers.
    private static var offset: Int { 24 }
    private static var end: Int { MemoryLayout<martlet_config>.size }

    /// Takes as many as a config of that size has, over those that are there.
    fileprivate mutating func copy(from config: UnsafePointer<martlet_config>, size: Int) {
        unsafe withUnsafeMutableBytes(of: &self) { bytes in
            unsafe bytes.baseAddress!.copyMemory(
                from: UnsafeRawPointer(config) + Self.offset, byteCount: min(size, Self.end) - Self.offset)
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
