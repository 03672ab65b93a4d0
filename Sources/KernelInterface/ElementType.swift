// The element types that kernels read and write. The numbers are those of martlet.h, so that a value
// passes from the boundary to the kernels unchanged. Types that are only reserved are not here.

/// How one number of an array is stored.
@frozen
public enum ElementType: Int32, Sendable, CaseIterable {
    case fp64 = 1
    case fp32 = 2
    case bf16 = 3
    case fp16 = 4

    /// Bytes in one element.
    @inline(__always)
    public var size: Int {
        switch self {
        case .fp64: 8
        case .fp32: 4
        case .bf16, .fp16: 2
        }
    }
}
