// The passes of algorithms that go over a parameter several times, by number, and what one works on. A parameter is seen
// as matrices of its last two dimensions, cut into tiles by its sizes alone, so that what tiles sum has the same bits
// whoever works on them; anything else is one matrix of one row.

/// The passes that kernels implement.
package enum Pass: CaseIterable {
    case adafactorSums, adafactorFactors, adafactorNorm, adafactorUpdate
    case adafactorSmallSums, adafactorSmallUpdate
    case adafactorVariance, adafactorVectorUpdate
    case lambDirection, lambUpdate
    case larsNorms, larsUpdate
    case stableAdamWAverages, stableAdamWUpdate
    case muonMomentum
    case matrixGradient, matrixNorm, matrixUpdate
    case soapAverages, soapUpdate, soapMoment
    case shampooAverage, shampooGraft
    case prodigyAverages, prodigyUpdate
    case marsNorm, marsUpdate
    case adamMiniAverage, adamMiniFactors, adamMiniUpdate
    case caution
    case gradientSquares, changeSquares
    case hyperballNorms, hyperballMove, hyperballUpdate

    /// Whether it works on what the tiles have summed, once for a parameter (a `GridTensor`), and not on the tiles (a
    /// `GridPart` each).
    package var isWhole: Bool { self == .adafactorFactors || self == .adamMiniFactors }

    /// Whether it works on several whole matrices at a time, which are small, and on their slots of rows and columns.
    package var takesMatrices: Bool { self == .adafactorSmallSums || self == .adafactorSmallUpdate }

    /// Whether it sums by row, and whether by column too.
    package var sumsRows: Bool { self == .adafactorSums || self == .adamMiniAverage }
    package var sumsColumns: Bool { self == .adafactorSums }

    /// Whether it writes the value.
    package var writesValue: Bool {
        switch self {
        case .adafactorUpdate, .adafactorSmallUpdate, .adafactorVectorUpdate, .lambUpdate, .larsUpdate,
            .stableAdamWUpdate, .matrixUpdate, .soapUpdate, .prodigyUpdate, .marsUpdate, .adamMiniUpdate,
            .hyperballUpdate:
            true
        default: false
        }
    }

    /// Whether it writes the value or slots of elements.
    package var writesElements: Bool {
        switch self {
        case .adafactorSums, .adafactorFactors, .adafactorNorm, .adafactorSmallSums, .larsNorms,
            .gradientSquares, .changeSquares, .marsNorm, .adamMiniFactors, .matrixGradient, .matrixNorm,
            .hyperballNorms, .hyperballMove:
            false
        case .adafactorUpdate, .adafactorSmallUpdate, .adafactorVariance, .adafactorVectorUpdate, .lambDirection,
            .lambUpdate, .larsUpdate, .stableAdamWAverages, .stableAdamWUpdate, .muonMomentum, .matrixUpdate,
            .prodigyAverages, .prodigyUpdate, .marsUpdate, .adamMiniAverage, .adamMiniUpdate, .soapAverages,
            .soapUpdate,
            .soapMoment, .shampooAverage, .shampooGraft, .caution, .hyperballUpdate:
            true
        }
    }
}

/// What of a pass is its own: it reads what the walk hands it, and coefficients as `StepCoefficients` says.
///
/// A C function pointer: calling it retains nothing.
package typealias PassLoop = @convention(c) (_ call: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) -> Void

/// A pass over a `GridPart` or a `GridTensor`.
@unsafe package struct PassKernel {
    /// Brings a part, of arrays of any types, to a pass's loop.
    package typealias Walk =
        @convention(c) (_ loop: PassLoop, _ part: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) -> Void

    private let walk: Walk
    private let loop: PassLoop

    @inline(__always)
    package init(walk: Walk, loop: PassLoop) {
        unsafe self.walk = walk
        unsafe self.loop = loop
    }

    @inline(__always)
    package func callAsFunction(_ part: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
        unsafe walk(loop, part, coefficients)
    }
}

/// The sizes of a parameter, and how they are cut.
package struct Grid: BitwiseCopyable {
    package let matrices, rows, columns: Int
    /// What a tile has at most of each: several matrices where they are small, else a part of one.
    package let tileMatrices, tileRows, tileColumns: Int

    /// Elements of a row that are summed by themselves before they are added to others. Tiles start at multiples of it.
    package static var blockCount: Int {
        @inline(__always) get { 1024 }
    }

    /// Rows of no more columns are worked on several at a time, as blocks of `smallCount` elements at most.
    package static var mostOfShortRow: Int {
        @inline(__always) get { 63 }
    }

    /// Elements that a block of whole matrices, or of short rows, has at most.
    package static var smallCount: Int {
        @inline(__always) get { 464 }
    }

    /// Columns of a tile of more: up to there rows are taken whole, so that memory is read from one end to the other.
    private static var mostColumns: Int { 1 << 14 }

    package init(matrices: Int, rows: Int, columns: Int) {
        self.matrices = matrices
        self.rows = rows
        self.columns = columns
        let each = rows * columns
        // Enough tiles for threads to even out, and none that is not worth handing to one; of enough rows that the sums of
        // its columns are few beside its elements.
        let wanted = max(1 << 14, min(matrices * each / 16, 1 << 17))
        tileColumns = max(1, min(columns, Grid.mostColumns))
        tileRows = max(1, min(rows, max(wanted / tileColumns, 16)))
        let matrices = each > wanted ? 1 : max(1, wanted / max(each, 1))
        let block = Grid.blockMatrices(each)
        tileMatrices = (matrices + block - 1) / block * block
    }

    /// Whether whole matrices fit into a block.
    package var areSmall: Bool { rows * columns <= Grid.smallCount }

    /// Matrices of a block: sixteen or a multiple where those fit, so that rows and columns come in sixteens.
    package var blockMatrices: Int { Grid.blockMatrices(rows * columns) }

    private static func blockMatrices(_ each: Int) -> Int {
        let most = smallCount / max(each, 1)
        return most >= 16 ? most & ~15 : max(most, 1)
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
    /// One for each row of each matrix; the same again for each further tile along a row. What a pass works out of them may
    /// take their places.
    package var rowSums: UnsafeMutablePointer<Double>
    /// One for each column, for each tile along the columns of a matrix, for each matrix.
    package var columnSums: UnsafeMutablePointer<Double>
    /// One for each row of each matrix.
    package var rowFactors: UnsafeMutablePointer<Double>
    /// One for each column of each matrix, or one for each element.
    package var columnFactors: UnsafeMutableRawPointer
    /// From those of one row to those of the next.
    package var factorStride: Int

    /// What a parameter's passes leave for one another beside the sums over all elements.
    package enum Kind {
        case sums
        /// Factors, of so many bytes for each element, of a parameter of one row.
        case factors(bytes: Int)
        /// Sums by row, and factors of so many bytes for each element; 0: none.
        case rows(bytes: Int)
        /// Factors, and sums by row and by column.
        case grid

        /// Whether there is a number for each element.
        package var hasElements: Bool {
            switch self {
            case .sums, .grid: false
            case .factors: true
            case .rows(let bytes): bytes > 0
            }
        }
    }

    /// Bytes for a parameter.
    package static func byteCount(_ grid: Grid, _ kind: Kind) -> Int { unsafe offsets(grid, kind).end }

    private static func offsets(_ grid: Grid, _ kind: Kind) -> (
        rowSums: Int, columnSums: Int, rowFactors: Int, columnFactors: Int, end: Int
    ) {
        var end = 0
        func take(_ numbers: Int) -> Int {
            defer { end += (8 * (numbers + 16) + 63) & ~63 }
            return end
        }
        _ = unsafe take(sumCount * grid.tiles)
        if case .sums = kind { return (0, 0, 0, 0, end) }
        let (rows, columns) = (grid.matrices * grid.rows, grid.matrices * grid.columns)
        let rowFactors = take(rows)
        switch kind {
        case .factors(let bytes): return (0, 0, rowFactors, take((grid.count * bytes + 7) / 8), end)
        case .rows(let bytes):
            let columnFactors = take((grid.count * bytes + 7) / 8)
            return (take(rows * grid.columnTiles), 0, rowFactors, columnFactors, end)
        case .sums, .grid: break
        }
        let columnFactors = take(columns)
        let rowSums = take(rows * grid.columnTiles)
        let columnSums = take(columns * grid.rowTiles)
        return (rowSums, columnSums, rowFactors, columnFactors, end)
    }

    /// Over `byteCount` bytes, aligned to 64.
    package init(_ memory: UnsafeMutableRawPointer, _ grid: Grid, _ kind: Kind) {
        let offsets = unsafe GridMemory.offsets(grid, kind)
        unsafe sums = memory.assumingMemoryBound(to: Double.self)
        unsafe rowSums = (memory + offsets.rowSums).assumingMemoryBound(to: Double.self)
        unsafe columnSums = (memory + offsets.columnSums).assumingMemoryBound(to: Double.self)
        unsafe rowFactors = (memory + offsets.rowFactors).assumingMemoryBound(to: Double.self)
        unsafe columnFactors = memory + offsets.columnFactors
        unsafe factorStride = kind.hasElements ? grid.columns : 0
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

/// Some rows and columns of one matrix, or some whole matrices, that a pass works on in one call.
@unsafe package struct GridPart: BitwiseCopyable {
    /// From the part's first element on; the count is that of its columns.
    package var run: Run
    package var rows: Int
    /// Whole matrices, that many at a time, and their slots, for passes that take such.
    package var matrices = 0
    package var blockMatrices = 0
    package var rowState: Operand
    package var columnState: Operand
    /// Elements from one row to the next, in every array.
    package var rowStride: Int
    package var factorStride: Int
    /// Sums are added to: two over all elements, one for each row, one for each column.
    package var sums: UnsafeMutablePointer<Double>
    package var rowSums: UnsafeMutablePointer<Double>
    package var columnSums: UnsafeMutablePointer<Double>
    package var rowFactors: UnsafePointer<Double>
    package var columnFactors: UnsafeMutableRawPointer

    package init(_ tensor: GridTensor) {
        unsafe run = unsafe tensor.run
        unsafe rows = 0
        unsafe rowState = unsafe tensor.rowState
        unsafe columnState = unsafe tensor.columnState
        unsafe rowStride = unsafe tensor.grid.columns
        unsafe factorStride = unsafe tensor.memory.factorStride
        unsafe sums = unsafe tensor.memory.sums
        unsafe rowSums = unsafe tensor.memory.rowSums
        unsafe columnSums = unsafe tensor.memory.columnSums
        unsafe rowFactors = unsafe UnsafePointer(tensor.memory.rowFactors)
        unsafe columnFactors = unsafe tensor.memory.columnFactors
    }
}
