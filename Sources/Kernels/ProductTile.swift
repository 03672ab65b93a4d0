// The innermost loop of products and convolutions: the sums of one tile, twelve rows by thirty-two columns or fewer rows
// by up to sixty-four, held in registers from the first product to the last. Both factors are read where they lie, by
// strides, in runs of the inner index that a list of segments names, so packed, plain, transposed and sliding factors all
// come here.
// No blocks, no packing, no edges: whoever calls gives addresses of whole tiles.

import MartletKernelInterface

/// A run of the inner index: where its factors begin, in bytes from the tile's own, and how long it is; at least 1.
struct Segment: BitwiseCopyable {
    var left: Int
    var right: Int
    var count: Int
}

/// What the tiles of one block have in common. Strides are in bytes.
struct TileBlock: BitwiseCopyable {
    var segments: UnsafePointer<Segment>
    var segmentCount: Int
    /// From one row of the left factor to the next, and from one of its columns to the next.
    var leftRow: Int
    var leftStep: Int
    /// From one row of the right factor to the next; its columns lie side by side.
    var rightStep: Int
    /// The same of its copy, where one is made.
    var copyStep = 0
    /// From one row of the results to the next.
    var outRow: Int
    /// From one row of what is added to the sums to the next; 0 where it is the same for all.
    var startRow: Int
    /// Results below it become it.
    var floor: Float
}

/// What becomes of the right factor's rows beside their products.
protocol TileReading {
    static var copies: Bool { get }
    static var asksAhead: Bool { get }
}
/// Nothing.
enum InPlace: TileReading {
    @inline(__always)
    static var copies: Bool { false }
    @inline(__always)
    static var asksAhead: Bool { false }
}
/// They are asked for ahead, since this row alone reads them.
enum Streaming: TileReading {
    @inline(__always)
    static var copies: Bool { false }
    @inline(__always)
    static var asksAhead: Bool { true }
}
/// They are copied to a panel, and asked for ahead, since nobody has read them before.
enum Copying: TileReading {
    @inline(__always)
    static var copies: Bool { true }
    @inline(__always)
    static var asksAhead: Bool { true }
}

/// out = max(floor, start + left · right) for a tile of so many rows and columns. Six addresses, and not a ``Tile``: that
/// is what goes in registers.
@inline(never)
private func tile<Rows: TileRows, Columns: TileColumns, Reading: TileReading>(
    _: Rows.Type, _: Columns.Type, _: Reading.Type, _ block: UnsafePointer<TileBlock>, _ left: UnsafeRawPointer,
    _ right: UnsafeRawPointer, _ start: UnsafeRawPointer, _ out: UnsafeMutableRawPointer,
    _ copy: UnsafeMutableRawPointer
) {
    // Field by field: a copy of the whole, just written, would wait until the writes have left the processor.
    let leftRow = block.pointee.leftRow
    let leftStep = block.pointee.leftStep
    let rightStep = block.pointee.rightStep
    let outRow = block.pointee.outRow
    for row in 0..<Rows.count {
        Columns.ask(for: out + row * outRow)
    }
    var sums = TileSums<Rows, Columns>()
    var segment = block.pointee.segments
    var segments = block.pointee.segmentCount
    while segments > 0 {
        var column = LeftColumn(left + segment.pointee.left, leftRow)
        var right = right + segment.pointee.right
        var count = segment.pointee.count
        if Reading.copies {
            var copy = copy
            let copyStep = block.pointee.copyStep
            while count > 0 {
                let columns = Columns(at: right)
                Columns.ask(for: right + 8 * rightStep)
                sums.add(column, columns)
                columns.store(to: copy)
                column.advance(leftStep)
                right += rightStep
                copy += copyStep
                count -= 1
            }
        }
        // Two at a time: the loop itself takes a part of what the processor can do in a step.
        while count > 1 {
            if Reading.asksAhead {
                Columns.ask(for: right + 4 * rightStep)
                Columns.ask(for: right + 5 * rightStep)
            }
            sums.add(column, Columns(at: right))
            column.advance(leftStep)
            sums.add(column, Columns(at: right + rightStep))
            column.advance(leftStep)
            right += 2 * rightStep
            count -= 2
        }
        if count > 0 { sums.add(column, Columns(at: right)) }
        segment += 1
        segments -= 1
    }
    sums.store(start, block.pointee.startRow, out, outRow, block.pointee.floor)
}

/// The most rows of a tile of so many columns, up to a panel's, so that its sums and what it reads stay in registers.
@inline(__always)
func mostTileRows(columns: Int) -> Int {
    #if MARTLET_WIDE
        columns > 48 ? 6 : columns > 32 ? 8 : 12
    #elseif MARTLET_FMA
        6
    #else
        2
    #endif
}

/// The most sums of a tile.
@inline(__always)
var mostTileSums: Int { panelColumns * mostTileRows(columns: panelColumns) }

/// The columns of a full tile, and of a panel of a copied right factor. With AVX-512 the widest tile is the fastest, since
/// it loads least: ten vectors for twenty-four products of vectors, where one of twelve rows by thirty-two columns loads
/// fourteen.
@inline(__always)
var panelColumns: Int {
    #if MARTLET_WIDE
        ProductLimits.panelColumns
    #else
        16
    #endif
}

/// The columns of a tile of one row, which has registers for more than a panel's: as many sums as are on their way at once.
#if MARTLET_WIDE
    typealias RowColumns = Beside<SixtyFour, SixtyFour>
#elseif MARTLET_FMA
    typealias RowColumns = SixtyFour
#else
    typealias RowColumns = ThirtyTwo
#endif

/// One tile: its block, where its factors and results lie, and what is added.
struct Tile {
    let block: UnsafePointer<TileBlock>
    let left: UnsafeRawPointer
    let right: UnsafeRawPointer
    let start: UnsafeRawPointer
    let out: UnsafeMutableRawPointer
    /// The panel that ``Copying`` writes; its block has one segment.
    let copy: UnsafeMutableRawPointer

    /// Works out `rows` rows, 1 to `mostTileRows`, and `columns` columns, whole sixteens up to `panelColumns`.
    @inline(__always)
    func run<Reading: TileReading>(_ reading: Reading.Type, rows: Int, columns: Int) {
        #if MARTLET_WIDE
            switch columns / grain {
            case 1: twelve(rows, Sixteen.self, reading)
            case 2: twelve(rows, ThirtyTwo.self, reading)
            case 3: eight(rows, FortyEight.self, reading)
            default: six(rows, SixtyFour.self, reading)
            }
        #elseif MARTLET_FMA
            six(rows, Sixteen.self, reading)
        #else
            two(rows, Sixteen.self, reading)
        #endif
    }

    /// Works out one row of `RowColumns`, of a right factor that is read where it lies.
    @inline(__always)
    func runRow() { run(Rows1.self, RowColumns.self, Streaming.self) }

    // A tile of up to two, six, eight or twelve rows: the most that `mostTileRows` gives for its columns.

    @inline(__always)
    private func two<Columns: TileColumns, Reading: TileReading>(
        _ rows: Int, _ columns: Columns.Type, _ reading: Reading.Type
    ) {
        switch rows {
        case 1: run(Rows1.self, columns, reading)
        default: run(Rows2.self, columns, reading)
        }
    }

    @inline(__always)
    private func six<Columns: TileColumns, Reading: TileReading>(
        _ rows: Int, _ columns: Columns.Type, _ reading: Reading.Type
    ) {
        switch rows {
        case 3: run(Rows3.self, columns, reading)
        case 4: run(Rows4.self, columns, reading)
        case 5: run(Rows5.self, columns, reading)
        case 6: run(Rows6.self, columns, reading)
        default: two(rows, columns, reading)
        }
    }

    @inline(__always)
    private func eight<Columns: TileColumns, Reading: TileReading>(
        _ rows: Int, _ columns: Columns.Type, _ reading: Reading.Type
    ) {
        switch rows {
        case 7: run(Rows7.self, columns, reading)
        case 8: run(Rows8.self, columns, reading)
        default: six(rows, columns, reading)
        }
    }

    @inline(__always)
    private func twelve<Columns: TileColumns, Reading: TileReading>(
        _ rows: Int, _ columns: Columns.Type, _ reading: Reading.Type
    ) {
        switch rows {
        case 9: run(Rows9.self, columns, reading)
        case 10: run(Rows10.self, columns, reading)
        case 11: run(Rows11.self, columns, reading)
        case 12: run(Rows12.self, columns, reading)
        default: eight(rows, columns, reading)
        }
    }

    @inline(__always)
    private func run<Rows: TileRows, Columns: TileColumns, Reading: TileReading>(
        _ rows: Rows.Type, _ columns: Columns.Type, _ reading: Reading.Type
    ) {
        tile(rows, columns, reading, block, left, right, start, out, copy)
    }
}
