// The sizes of structs that may grow. A caller compiled against an older header passes a shorter struct, one compiled
// against a newer header a longer one; both are read and written by what they say of themselves.
import CMartlet
import MartletPlatform

/// A struct of the header whose first field is its size.
protocol SizedStruct {
    /// The size that the first release published.
    static var firstSize: Int { get }
    static var name: StaticString { get }
}

extension martlet_config: SizedStruct {
    static var firstSize: Int { 80 }
    static var name: StaticString { "martlet_config" }
}

extension martlet_report: SizedStruct {
    static var firstSize: Int { 32 }
    static var name: StaticString { "martlet_report" }
}

extension martlet_machine: SizedStruct {
    static var firstSize: Int { 40 }
    static var name: StaticString { "martlet_machine" }
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
                "\(subject()) is \(size); expected sizeof(\(name)), which is \(ownSize) in this version")
        }
    }

    /// Copies a caller's struct over defaults: fields beyond its size keep theirs. `self` holds the defaults.
    mutating func read(_ source: UnsafeRawPointer, size: Int, _ subject: @autoclosure () -> String) throws(MartletError)
    {
        for offset in min(size, Self.ownSize)..<size
        where unsafe source.load(fromByteOffset: offset, as: UInt8.self) != 0 {
            throw MartletError(
                .structure,
                "\(subject()) has a byte set at offset \(offset), which this version does not know; expected 0")
        }
        unsafe withUnsafeMutableBytes(of: &self) { bytes in
            unsafe bytes.baseAddress!.copyMemory(from: source, byteCount: min(size, Self.ownSize))
        }
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

/// A report that the caller may have asked for.
@unsafe struct ReportTarget {
    private let target: UnsafeMutablePointer<martlet_report>?
    private let size: Int

    /// Checks the caller's struct before any work is done.
    init(_ pointer: UnsafeMutablePointer<martlet_report>?) throws(MartletError) {
        unsafe target = try pointer == nil ? nil : required(pointer, "out_report")
        unsafe size = target.map { unsafe Int($0.pointee.struct_size) } ?? 0
        if unsafe target != nil { try martlet_report.checkSize(unsafe size, "out_report->struct_size") }
    }

    func write(_ report: martlet_report) {
        guard let target = unsafe target else { return }
        var report = report
        unsafe report.struct_size = UInt32(size)
        unsafe report.write(to: target, size: size)
    }
}
