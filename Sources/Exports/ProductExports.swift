// The matrix product of C's callers.
import CMartlet
import MartletModels
import MartletPlatform

@implementation @_cdecl("martlet_matmul")
public func martlet_matmul(
    _ out: UnsafeMutablePointer<Float>!, _ left: UnsafePointer<Float>!, _ right: UnsafePointer<Float>!,
    _ rows: Int64, _ inner: Int64, _ columns: Int64, _ flags: UInt32
) -> martlet_status {
    report("martlet_matmul") { () throws(MartletError) in
        let known = UInt32(MARTLET_TRANSPOSE_LEFT) | UInt32(MARTLET_TRANSPOSE_RIGHT) | UInt32(MARTLET_ACCUMULATE)
        guard flags & ~known == 0 else {
            throw MartletError(
                .argument, "flags is \(flags); expected a sum of MARTLET_TRANSPOSE_LEFT, _RIGHT and MARTLET_ACCUMULATE")
        }
        try unsafe multiply(
            out, left, right, rows: Int(rows), inner: Int(inner), columns: Int(columns),
            isLeftTransposed: flags & UInt32(MARTLET_TRANSPOSE_LEFT) != 0,
            isRightTransposed: flags & UInt32(MARTLET_TRANSPOSE_RIGHT) != 0,
            accumulates: flags & UInt32(MARTLET_ACCUMULATE) != 0)
    }
}
