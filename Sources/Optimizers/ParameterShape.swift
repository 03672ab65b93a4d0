// A parameter's sizes as far as its slots depend on them: matrices of its last two dimensions, or a vector.
import MartletKernelInterface

/// The sizes of a parameter.
public struct ParameterShape: Sendable {
    public let count: Int
    /// Whether it has two dimensions or more. A contiguous array without sizes has one.
    public let isMatrix: Bool
    /// Matrices, and the rows and columns of each; a vector has one row. All 0 where there are no elements.
    public let matrices, rows, columns: Int
    /// The size of the first dimension.
    let leading: Int

    /// One dimension.
    public init(count: Int) { self.init(count: count, isMatrix: false) }

    /// Those of an array that has been checked.
    init(_ array: ArrayView) {
        let rank = unsafe array.rank
        guard rank > 1, unsafe array.count > 0, let sizes = unsafe array.sizes else {
            unsafe self.init(count: array.count, isMatrix: rank > 1)
            return
        }
        let (rows, columns) = unsafe (Int(sizes[rank - 2]), Int(sizes[rank - 1]))
        unsafe self.init(count: array.count, isMatrix: true, leading: Int(sizes[0]), rows: rows, columns: columns)
    }

    private init(count: Int, isMatrix: Bool, leading: Int? = nil, rows: Int = 1, columns: Int? = nil) {
        self.count = count
        self.isMatrix = isMatrix
        self.leading = leading ?? count
        let columns = columns ?? count
        (matrices, self.rows, self.columns) = count == 0 ? (0, 0, 0) : (count / (rows * columns), rows, columns)
    }

    var grid: Grid { Grid(matrices: matrices, rows: rows, columns: columns) }

    /// Whether it has matrices that are too large for blocks of whole ones.
    var hasLargeMatrices: Bool { isMatrix && !grid.areSmall }
}
