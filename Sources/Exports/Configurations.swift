// martlet_config becomes the engines' Configuration, and back.
import CMartlet
import MartletOptimizers
import MartletPlatform

extension Configuration {
    /// Reads and checks a caller's config. `subject` is what messages call it.
    init(_ config: UnsafePointer<martlet_config>, size: Int, _ subject: @autoclosure () -> String) throws(MartletError)
    {
        let algorithm = try unsafe Algorithm(number: config.pointee.algorithm, "\(subject()).algorithm")
        let defaults = Configuration(algorithm)
        var raw = martlet_config(defaults)
        try unsafe raw.read(config, size: size, subject())
        guard let semantics = Semantics(rawValue: raw.semantics) else {
            throw MartletError(.argument, "\(subject()).semantics is \(raw.semantics); expected MARTLET_SEMANTICS_...")
        }
        guard raw.flags & ~Flags.all.rawValue == 0 else {
            throw MartletError(
                .argument, "\(subject()).flags is \(raw.flags); expected a sum of MARTLET_AMSGRAD and its like")
        }
        guard raw.seed == 0 else {
            throw MartletError(
                .unsupported, "\(subject()).seed is \(raw.seed); expected 0: nothing is rounded at random")
        }
        self = defaults
        self.semantics = semantics
        flags = Flags(rawValue: raw.flags)
        unsafe values.copy(from: &raw)
        try check(over: defaults.values, subject())
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
    private static var byteCount: Int { MemoryLayout<martlet_config>.size - offset }

    fileprivate mutating func copy(from config: UnsafeMutablePointer<martlet_config>) {
        unsafe withUnsafeMutableBytes(of: &self) { bytes in
            unsafe bytes.baseAddress!.copyMemory(
                from: UnsafeRawPointer(config) + Self.offset, byteCount: Self.byteCount)
        }
    }

    fileprivate mutating func copy(to config: UnsafeMutablePointer<martlet_config>) {
        unsafe withUnsafeBytes(of: &self) { bytes in
            unsafe (UnsafeMutableRawPointer(config) + Self.offset).copyMemory(
                from: bytes.baseAddress!, byteCount: Self.byteCount)
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
