// The sizes of structs that may grow. A caller compiled against an older header passes a shorter struct, one compiled
// against a newer header a longer one; both are read and written by what they say of themselves.
import CMartlet
import MartletPlatform

/// A struct of the header whose first field is its size.
protocol SizedStruct {
    /// The size that the first release published.
    static var firstSize: Int { get }
    static var structName: StaticString { get }
    var struct_size: UInt32 { get set }
}

extension martlet_config: SizedStruct {
    static var firstSize: Int { 80 }
    static var structName: StaticString { "martlet_config" }
}

extension martlet_report: SizedStruct {
    static var firstSize: Int { 32 }
    static var structName: StaticString { "martlet_report" }
}

extension martlet_schedule: SizedStruct {
    static var firstSize: Int { 96 }
    static var structName: StaticString { "martlet_schedule" }
}

extension martlet_plateau: SizedStruct {
    static var firstSize: Int { 96 }
    static var structName: StaticString { "martlet_plateau" }
}

extension martlet_layer: SizedStruct {
    static var firstSize: Int { 248 }
    static var structName: StaticString { "martlet_layer" }
}

extension martlet_training: SizedStruct {
    static var firstSize: Int { 72 }
    static var structName: StaticString { "martlet_training" }
}

extension martlet_result: SizedStruct {
    static var firstSize: Int { 296 }
    static var structName: StaticString { "martlet_result" }
}

extension martlet_score: SizedStruct {
    static var firstSize: Int { 280 }
    static var structName: StaticString { "martlet_score" }
}

extension martlet_loop: SizedStruct {
    static var firstSize: Int { 56 }
    static var structName: StaticString { "martlet_loop" }
}

extension martlet_machine: SizedStruct {
    static var firstSize: Int { 40 }
    static var structName: StaticString { "martlet_machine" }
}

extension SizedStruct {
    private static var ownSize: Int { MemoryLayout<Self>.size }
    /// A size beyond any release to come, which a wild number is likely to pass.
    private static var largestSize: Int { 4096 }

    /// Throws where a struct_size is none that a header ever had or could have.
    static func checkSize(_ size: Int, _ subject: @autoclosure () -> String) throws(MartletError) {
        guard size >= firstSize && size <= largestSize else {
            throw MartletError(
                .structure,
                "\(subject()) is \(size); expected sizeof(\(structName)), which is \(ownSize) in this version")
        }
    }

    /// Throws where a caller's struct says something that this version does not know.
    static func checkTail(
        _ source: UnsafeRawPointer, size: Int, _ subject: @autoclosure () -> String
    ) throws(MartletError) {
        for offset in min(size, ownSize)..<size
        where unsafe source.load(fromByteOffset: offset, as: UInt8.self) != 0 {
            throw MartletError(
                .structure,
                "\(subject()) has a byte set at offset \(offset), which this version does not know; expected 0")
        }
    }

    /// Copies a caller's struct over defaults: fields beyond its size keep theirs. `self` holds the defaults.
    mutating func read(_ source: UnsafeRawPointer, size: Int, _ subject: @autoclosure () -> String) throws(MartletError)
    {
        try unsafe Self.checkTail(source, size: size, subject())
        unsafe withUnsafeMutableBytes(of: &self) { bytes in
            unsafe bytes.baseAddress!.copyMemory(from: source, byteCount: min(size, Self.ownSize))
        }
    }

    /// A caller's struct over defaults of its own, which may depend on what it says.
    static func reading(
        _ pointer: UnsafePointer<Self>?, _ name: @autoclosure () -> String,
        over defaults: (Self) throws(MartletError) -> Self
    ) throws(MartletError) -> Self {
        let source = try unsafe required(pointer, name())
        let size = unsafe Int(source.pointee.struct_size)
        try checkSize(size, "\(name())->struct_size")
        // Every field that the defaults may depend on is in the first published size.
        var value = try unsafe defaults(source.pointee)
        try unsafe value.read(source, size: size, "*\(name())")
        return value
    }

    /// Fills a caller's struct with defaults.
    static func fill(_ pointer: UnsafeMutablePointer<Self>?, _ name: StaticString, size: Int, with value: Self)
        throws(MartletError)
    {
        let target = try unsafe required(pointer, "\(name)")
        try checkSize(size, "struct_size")
        var value = value
        value.struct_size = UInt32(size)
        unsafe value.write(to: target, size: size)
    }

    /// Writes as many bytes as the caller's struct has; those beyond this version's become 0.
    func write(to target: UnsafeMutableRawPointer, size: Int) {
        unsafe withUnsafeBytes(of: self) { bytes in
            unsafe target.copyMemory(from: bytes.baseAddress!, byteCount: min(size, Self.ownSize))
        }
        for offset in min(size, Self.ownSize)..<size {
            unsafe target.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self)
        }
    }
}

/// A struct that the caller may have asked for.
@unsafe struct OptionalTarget<Struct: SizedStruct> {
    private let target: UnsafeMutablePointer<Struct>?
    private let size: Int

    /// Checks the caller's struct before any work is done.
    init(_ pointer: UnsafeMutablePointer<Struct>?, _ name: StaticString) throws(MartletError) {
        unsafe target = try unsafe pointer == nil ? nil : required(pointer, "\(name)")
        unsafe size = target.map { unsafe Int($0.pointee.struct_size) } ?? 0
        if unsafe target != nil { try Struct.checkSize(unsafe size, "\(name)->struct_size") }
    }

    func write(_ value: Struct) {
        guard let target = unsafe target else { return }
        var value = value
        unsafe value.struct_size = UInt32(size)
        unsafe value.write(to: target, size: size)
    }
}

/// Structs of the caller's that stand one after another, all of the first one's size.
@unsafe struct StructList<Struct: SizedStruct> {
    private let first: UnsafePointer<Struct>
    /// The struct_size of each.
    let size: Int
    private let name: StaticString

    init(_ first: UnsafePointer<Struct>, _ name: StaticString) throws(MartletError) {
        unsafe self.first = first
        unsafe size = Int(first.pointee.struct_size)
        unsafe self.name = name
        try unsafe Struct.checkSize(size, "\(name)[0].struct_size")
        guard unsafe size % MemoryLayout<Struct>.alignment == 0 else {
            throw unsafe MartletError(.structure, "\(name)[0].struct_size is \(size); expected a multiple of 8")
        }
    }

    /// The address of one of them.
    func address(_ index: Int) throws(MartletError) -> UnsafePointer<Struct> {
        let address = unsafe (UnsafeRawPointer(first) + index * size).assumingMemoryBound(to: Struct.self)
        guard unsafe address.pointee.struct_size == first.pointee.struct_size else {
            throw unsafe MartletError(
                .structure,
                "\(name)[\(index)].struct_size is \(address.pointee.struct_size); expected \(size), that of \(name)[0]")
        }
        return unsafe address
    }
}
