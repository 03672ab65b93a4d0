// The passes of algorithms that go over a parameter several times, by number, and what one works on. A parameter is seen
// as matrices of its last two dimensions, cut into tiles by its sizes alone, so that what tiles sum has the same bits
// whoever works on them; anything else is one matrix of one row.

/// The passes that kernels implement.
package enum Pass: CaseIterable {
    case adafactorSums, adafactorFactors, adafactorNorm, adafactorUpdate
    case adafactorVariance, adafactorVectorUpdate

    /// Whether it works on what the tiles have summed, once for a parameter (a `GridTensor`), and not on the tiles (a
    /// `GridPart` each).
    package var isWhole: Bool { self == .adafactorFactors }

    /// Whether it sums by row and by column.
    package var sumsGrid: Bool { self == .adafactorSums }

    /// Whether it writes the value or slots of elements.
    package var writesElements: Bool {
        switch self {
        case .adafactorSums, .adafactorFactors, .adafactorNorm: false
        case .adafactorUpdate, .adafactorVariance, .adafactorVectorUpdate: true
        }
    }
}

/// A pass: reads a `GridPart` or a `GridTensor`, and coefficients as `StepCoefficients` says.
///
/// A C function pointer: calling it retains nothing.
package typealias PassKernel = @convention(c) (_ part: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) -> Void

/// The sizes of a parameter, and how they are cut.
package struct Grid: BitwiseCopyable {
    package let matrices, rows, columns: Int
    /// What a tile has at most of each: several matrices where they are small, else a part of one.
    package let tileMatrices, tileRows, tileColumns: Int

    /// Elements of a row that are summed by themselves before they are added to others. Tiles start at multiples of it.
    package static var blockCount: Int {
        @inline(__always) get { 256 }
    }

    /// Columns of a tile, where it has many rows: their sums then stay in the first-level cache.
    private static var fewestColumns: Int { 2048 }

    package init(matrices: Int, rows: Int, columns: Int) {
        self.matrices = matrices
        self.rows = rows
        self.columns = columns
        let each = rows * columns
        // Enough tiles for threads to even out, and no tile that is not worth handing to a thread.
        let wanted = max(1 << 13, min(matrices * each / 64, 1 << 17))
        let wide = (wanted / max(rows, 1) + Grid.blockCount - 1) / Grid.blockCount * Grid.blockCount
        tileColumns = max(1, min(columns, max(Grid.fewestColumns, wide)))
        tileRows = max(1, min(rows, wanted / tileColumns))
        tileMatrices = each > wanted ? 1 : max(1, wanted / max(each, 1))
    }

    package var rowTiles: Int { (rows - 1) / tileRows + 1 }
    package var columnTiles: Int { (columns - 1) / tileColumns + 1 }
    package var tiles: Int { ((matrices - 1) / tileMatrices + 1) * rowTiles * columnTiles }
    package var count: Int { matrices * rows * columns }

    /// What a tile has.
    package func tile(_ index: Int) -> (matrices: Range<Int>, rows: Range<Int>, columns: Range<Int>) {
        let column = index % columnTiles * tileColumns
        let rest = index / columnTiles
        let row = rest % rowTiles * tileRows
        let matrix = rest / rowTiles * tileMatrices
        return (
            matrix..<min(matrix + tileMatrices, matrices), row..<min(row + tileRows, rows),
            column..<min(column + tileColumns, columns)
        )
    }
}

/// Where the passes of a parameter leave numbers for one another: arrays of Double, but for `columnFactors`, which are
/// stored as the type computed in. Each has room for sixteen more numbers behind it.
@unsafe package struct GridMemory: BitwiseCopyable {
    /// Sums that a pass has over all elements.
    package static var sumCount: Int {
        @inline(__always) get { 2 }
    }

    /// `sumCount` for each tile.
    package var sums: UnsafeMutablePointer<Double>
    /// One for each row of each matrix; the same again for each further tile along a row.
    package var rowSums: UnsafeMutablePointer<Double>
    /// One for each column, for each tile along the columns of a matrix, for each matrix.
    package var columnSums: UnsafeMutablePointer<Double>
    /// One for each row of each matrix.
    package var rowFactors: UnsafeMutablePointer<Double>
    /// One for each column of each matrix.
    package var columnFactors: UnsafeMutableRawPointer

    /// Bytes for a parameter. Only those that have rows and columns have more than `sums`.
    package static func byteCount(_ grid: Grid, isMatrix: Bool) -> Int { unsafe offsets(grid, isMatrix).end }

    private static func offsets(_ grid: Grid, _ isMatrix: Bool) -> (
        rowSums: Int, columnSums: Int, rowFactors: Int, columnFactors: Int, end: Int
    ) {
        var end = 0
        func take(_ numbers: Int) -> Int {
            defer { end += (8 * (numbers + 16) + 63) & ~63 }
            return end
        }
        _ = unsafe take(sumCount * grid.tiles)
        if !isMatrix { return (0, 0, 0, 0, end) }
        let (rows, columns) = (grid.matrices * grid.rows, grid.matrices * grid.columns)
        let rowSums = take(rows * grid.columnTiles)
        let columnSums = take(columns * grid.rowTiles)
        let rowFactors = take(rows)
        let columnFactors = take(columns)
        return (rowSums, columnSums, rowFactors, columnFactors, end)
    }

    /// Over `byteCount` bytes, aligned to 64.
    package init(_ memory: UnsafeMutableRawPointer, _ grid: Grid, isMatrix: Bool) {
        let offsets = unsafe GridMemory.offsets(grid, isMatrix)
        unsafe sums = memory.assumingMemoryBound(to: Double.self)
        unsafe rowSums = (memory + offsets.rowSums).assumingMemoryBound(to: Double.self)
        unsafe columnSums = (memory + offsets.columnSums).assumingMemoryBound(to: Double.self)
        unsafe rowFactors = (memory + offsets.rowFactors).assumingMemoryBound(to: Double.self)
        unsafe columnFactors = memory + offsets.columnFactors
    }
}

/// All that the passes know of a parameter.
@unsafe package struct GridTensor: BitwiseCopyable {
    package var grid: Grid
    /// From the first element on.
    package var run: Run
    package var memory: GridMemory
    /// Slots of rows and of columns; any address where there are none.
    package var rowState: Operand
    package var columnState: Operand

    package init(grid: Grid, run: Run, memory: GridMemory, rowState: Operand, columnState: Operand) {
        unsafe self.grid = grid
        unsafe self.run = run
        unsafe self.memory = unsafe memory
        unsafe self.rowState = unsafe rowState
        unsafe self.columnState = unsafe columnState
    }
}

/// Some rows and columns of one matrix, that a pass works on in one call.
@unsafe package struct GridPart: BitwiseCopyable {
    /// From the part's first element on; the count is that of its columns.
    package var run: Run
    package var rows: Int
    /// Elements from one row to the next, in every array.
    package var rowStride: Int
    /// Sums are added to: two over all elements, one for each row, one for each column.
    package var sums: UnsafeMutablePointer<Double>
    package var rowSums: UnsafeMutablePointer<Double>
    package var columnSums: UnsafeMutablePointer<Double>
    package var rowFactors: UnsafePointer<Double>
    package var columnFactors: UnsafeRawPointer

    package init(_ tensor: GridTensor) {
        unsafe run = unsafe tensor.run
        unsafe rows = 0
        unsafe rowStride = unsafe tensor.grid.columns
        unsafe sums = unsafe tensor.memory.sums
        unsafe rowSums = unsafe tensor.memory.rowSums
        unsafe columnSums = unsafe tensor.memory.columnSums
        unsafe rowFactors = unsafe UnsafePointer(tensor.memory.rowFactors)
        unsafe columnFactors = unsafe UnsafeRawPointer(tensor.memory.columnFactors)
    }
}
