// A caller's samples and what they should give: contiguous arrays, checked against a model's shapes before anything is
// computed, and gathered batch by batch.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// How one number of a caller's array is stored; the raw values are those of martlet.h.
@frozen
public enum SampleType: Int32, Sendable, BitwiseCopyable {
    case fp32 = 2
    case uint8 = 6
    case int32 = 7
    case int64 = 8

    var size: Int {
        switch self {
        case .uint8: 1
        case .fp32, .int32: 4
        case .int64: 8
        }
    }
}

/// A contiguous array of the caller's: samples, labels or targets, one after another.
@unsafe public struct Samples: BitwiseCopyable {
    /// nil only where `count` is 0.
    var base: UnsafeRawPointer?
    /// Elements in all.
    let count: Int
    let type: SampleType
    /// The array's sizes, the samples' number first, `rank` of them; not read where the caller gave none and `rank` is 0.
    let sizes: UnsafePointer<Int64>?
    let rank: Int

    public init(
        base: UnsafeRawPointer?, count: Int, type: SampleType, sizes: UnsafePointer<Int64>? = nil, rank: Int = 0
    ) {
        unsafe self.base = unsafe base
        unsafe self.count = count
        unsafe self.type = type
        unsafe self.sizes = unsafe sizes
        unsafe self.rank = rank
    }

    public init<Number: SampleNumber>(_ elements: UnsafeBufferPointer<Number>) {
        unsafe self.init(
            base: UnsafeRawPointer(elements.baseAddress), count: elements.count, type: Number.sampleType)
    }

    init(_ buffer: FlatBuffer) {
        unsafe self.init(base: UnsafeRawPointer(buffer.base), count: buffer.count, type: .fp32)
    }

    /// How many samples of a shape these are. Throws `.type`, `.shape`, `.null` and `.alignment`.
    ///
    /// - Parameters:
    ///   - types: those that they may be of.
    ///   - sequences: where samples are steps: of how many sequences.
    func sampleCount(
        of shape: Shape, _ subject: @autoclosure () -> String, types: [SampleType] = [.fp32], sequences: Int? = nil
    ) throws(MartletError) -> Int {
        guard unsafe types.contains(type) else {
            let words = types.map { "\($0)" }.joined(separator: ", ")
            throw unsafe MartletError(.type, "\(subject()).dtype is \(type); expected \(words)")
        }
        let elements = shape.elementCount
        guard unsafe count > 0 && count % elements == 0 else {
            throw unsafe MartletError(
                .shape,
                "\(subject()) has \(count) elements; expected 1 or more samples of \(elements), the elements of \(shape)"
            )
        }
        guard unsafe fits(shape, sequences) else {
            let wanted = sequences.map { unsafe [$0, count / elements / $0] + shape.list.dropFirst() }
            throw unsafe MartletError(
                .shape,
                "\(subject()) has the sizes \(Shape.text((0..<rank).map { unsafe Int(sizes![$0]) })); "
                    + "expected \(Shape.text(wanted ?? [count / elements] + shape.list))")
        }
        try unsafe checkMemory(subject())
        return unsafe count / elements
    }

    /// Whether the sizes, where there are some, are those of samples of a shape.
    private func fits(_ shape: Shape, _ sequences: Int?) -> Bool {
        guard let sizes = unsafe sizes, unsafe rank > 0 else { return true }
        guard unsafe rank == shape.rank + 1 else { return false }
        if let sequences, unsafe Int(sizes[0]) != sequences { return false }
        for dimension in (sequences == nil ? 0 : 1)..<shape.rank
        where unsafe Int(sizes[dimension + 1]) != shape[dimension] { return false }
        return true
    }

    /// Throws `.overlap` where these elements share memory with others; where there are none, they do not.
    func checkApart(
        from other: Samples, _ subject: @autoclosure () -> String, _ otherSubject: @autoclosure () -> String
    ) throws(MartletError) {
        if unsafe count == 0 || other.count == 0 { return }
        let (start, otherStart) = unsafe (UInt(bitPattern: base), UInt(bitPattern: other.base))
        let end = unsafe start &+ UInt(count * type.size)
        let otherEnd = unsafe otherStart &+ UInt(other.count * other.type.size)
        guard end <= otherStart || otherEnd <= start else {
            throw MartletError(.overlap, "\(subject()) overlaps \(otherSubject()); expected memory of its own")
        }
    }

    /// Throws `.null` and `.alignment`.
    func checkMemory(_ subject: @autoclosure () -> String) throws(MartletError) {
        guard let base = unsafe base else {
            throw unsafe MartletError(.null, "\(subject()).data is NULL; expected \(count) elements")
        }
        guard UInt(bitPattern: base) % UInt(unsafe type.size) == 0 else {
            throw unsafe MartletError.misaligned("\(subject()).data", at: UInt(bitPattern: base), to: type.size)
        }
    }

    /// The whole number at a place: a label, or a row of a table.
    func integer(_ place: Int) -> Int {
        guard let base = unsafe base else { return 0 }
        switch unsafe type {
        case .fp32: return 0
        case .uint8: return unsafe Int(base.load(fromByteOffset: place, as: UInt8.self))
        case .int32: return unsafe Int(base.load(fromByteOffset: 4 * place, as: Int32.self))
        case .int64: return unsafe Int(base.load(fromByteOffset: 8 * place, as: Int64.self))
        }
    }
}

/// Which samples make up a batch.
@unsafe enum Rows {
    /// Neighbours from a place on.
    case range(start: Int, count: Int)
    /// Any, in this order.
    case list(UnsafePointer<Int64>, count: Int)

    var count: Int {
        switch unsafe self {
        case .range(_, let count), .list(_, let count): count
        }
    }

    func place(_ index: Int) -> Int {
        switch unsafe self {
        case .range(let start, _): start + index
        case .list(let rows, _): unsafe Int(rows[index])
        }
    }

    /// Throws where a row is none of so many samples.
    func check(samples: Int) throws(MartletError) {
        guard case .list(let rows, let count) = unsafe self else { return }
        for index in 0..<count where unsafe rows[index] < 0 || rows[index] >= samples {
            throw unsafe MartletError(
                .argument, "rows[\(index)] is \(rows[index]); expected 0 ..< \(samples), the samples of x")
        }
    }

    /// Copies rows of so many bytes out of `source`.
    func gather(
        _ source: UnsafeRawPointer, bytesPerRow: Int, to target: UnsafeMutableRawPointer, _ execution: Execution
    ) {
        switch unsafe self {
        case .range(let start, let count):
            unsafe target.copyMemory(from: source + start * bytesPerRow, byteCount: count * bytesPerRow)
        case .list(let rows, let count):
            unsafe execution.run(
                GatherRequest(rows: rows, count: count, bytesPerRow: bytesPerRow, from: source, to: target))
        }
    }
}
