// A parameter's sizes as far as its slots depend on them: matrices of its last two dimensions, or a vector.
import MartletCompute
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
        unsafe self.init(count: array.count, rank: rank) { unsafe Int(sizes[$0]) }
    }

    /// The most sizes of an array.
    package static var maximumRank: Int { unsafe Layout.maximumRank }

    /// From a caller's sizes, which have been checked by nobody; nil where they are none of an array.
    package init?(sizes: UnsafePointer<Int64>?, rank: Int) {
        guard rank >= 0 && rank <= ParameterShape.maximumRank else { return nil }
        if rank == 0 {
            self.init(count: 1)
            return
        }
        guard let sizes = unsafe sizes else { return nil }
        var count = 1
        var isEmpty = false
        for place in 0..<rank {
            let size = unsafe Int(sizes[place])
            if size < 0 { return nil }
            isEmpty = isEmpty || size == 0
            let (product, overflow) = count.multipliedReportingOverflow(by: max(size, 1))
            count = overflow ? .max : product
        }
        guard unsafe isEmpty || count <= ParameterCheck.maximumCount else { return nil }
        if isEmpty {
            self.init(count: 0, isMatrix: rank > 1)
            return
        }
        self.init(count: count, rank: rank) { unsafe Int(sizes[$0]) }
    }

    /// Of one that has elements.
    init(sizes: [Int]) {
        self.init(count: sizes.reduce(1, *), rank: sizes.count) { sizes[$0] }
    }

    private init(count: Int, rank: Int, size: (Int) -> Int) {
        if rank < 2 {
            self.init(count: count, isMatrix: false)
        } else {
            self.init(count: count, isMatrix: true, leading: size(0), rows: size(rank - 2), columns: size(rank - 1))
        }
    }

    private init(count: Int, isMatrix: Bool, leading: Int? = nil, rows: Int = 1, columns: Int? = nil) {
        self.count = count
        self.isMatrix = isMatrix
        self.leading = leading ?? count
        let columns = columns ?? count
        (matrices, self.rows, self.columns) = count == 0 ? (0, 0, 0) : (count / (rows * columns), rows, columns)
    }

    /// How many blocks of so many of its first indices it has; 0: all are one.
    func blockCount(of size: Int) -> Int { size == 0 ? min(leading, 1) : (leading + size - 1) / size }

    /// One matrix with a row for each such block, which it has whole ones of.
    func rowForEachBlock(of size: Int) -> ParameterShape {
        let blocks = max(blockCount(of: size), 1)
        return ParameterShape(count: count, isMatrix: true, leading: blocks, rows: blocks, columns: count / blocks)
    }

    var grid: Grid { Grid(matrices: matrices, rows: rows, columns: columns) }

    /// Whether it has matrices that are too large for blocks of whole ones.
    var hasLargeMatrices: Bool { isMatrix && !grid.areSmall }
}
