// The matrix product by itself, for callers who have no model.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// out = left right, or out += left right. All three are contiguous, row after row; a transposed factor is stored with its
/// sizes swapped. The same bits for any thread count on one instruction set. Any thread may call it.
///
/// Throws `.shape`, `.null`, `.alignment`, `.overlap` where `out` shares memory with a factor, and `.memory`.
public func multiply(
    _ out: UnsafeMutablePointer<Float>?, _ left: UnsafePointer<Float>?, _ right: UnsafePointer<Float>?, rows: Int,
    inner: Int, columns: Int, isLeftTransposed: Bool = false, isRightTransposed: Bool = false,
    accumulates: Bool = false
) throws(MartletError) {
    for (name, size) in [("rows", rows), ("inner", inner), ("columns", columns)] where size < 0 || size > 1 << 40 {
        throw MartletError(.shape, "\(name) is \(size); expected 0 to 2^40")
    }
    let target = try unsafe MatrixMemory(UnsafePointer(out), rows, columns, "out")
    let first = try unsafe MatrixMemory(left, rows, inner, "left")
    let second = try unsafe MatrixMemory(right, inner, columns, "right")
    for factor in [first, second] where factor.overlaps(target) {
        throw MartletError(.overlap, "out overlaps \(factor.name); expected memory of its own")
    }
    guard let out = unsafe out, rows > 0, columns > 0 else { return }
    let execution = try unsafe Execution(mode: .exact)
    // A factor without elements may have no address; then nothing is read of it.
    unsafe execution.multiply(
        MatrixProduct(
            rows: rows, inner: inner, columns: columns,
            left: Factor(
                base: left ?? UnsafePointer(out), rowStride: isLeftTransposed ? 1 : inner,
                columnStride: isLeftTransposed ? rows : 1),
            right: Factor(
                base: right ?? UnsafePointer(out), rowStride: isRightTransposed ? 1 : columns,
                columnStride: isRightTransposed ? inner : 1),
            out: out, outStride: columns, bias: nil, epilogue: .none, accumulates: accumulates))
}

/// Where one matrix of a product lies.
private struct MatrixMemory {
    let name: StaticString
    private let start: UInt
    private let end: UInt

    /// Throws `.shape` where the elements cannot be counted, `.null` and `.alignment`.
    init(_ base: UnsafePointer<Float>?, _ rows: Int, _ columns: Int, _ name: StaticString) throws(MartletError) {
        self.name = name
        let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
        guard !overflow, count <= 1 << 56 else {
            throw MartletError(.shape, "\(name) is \(rows) x \(columns); expected 2^56 elements at most")
        }
        start = UInt(bitPattern: base)
        end = start &+ UInt(count) &* 4
        if count == 0 { return }
        guard unsafe base != nil else { throw MartletError(.null, "\(name) is NULL; expected \(rows) x \(columns)") }
        guard start % 4 == 0 else { throw MartletError.misaligned("\(name)", at: start, to: 4) }
        guard end >= start else { throw MartletError(.shape, "\(name) reaches beyond the end of memory") }
    }

    func overlaps(_ other: MatrixMemory) -> Bool {
        start < other.end && other.start < end && start != end && other.start != other.end
    }
}
