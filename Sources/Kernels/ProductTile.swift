// The innermost loop of products and convolutions: the sums of one tile, up to twelve rows by thirty-two columns, held in
// registers from the first product to the last. Both factors are read where they lie, by strides, in runs of the inner
// index that a list of segments names, so packed, plain, transposed and sliding factors all come here.
// No blocks, no packing, no edges: whoever calls gives addresses of whole tiles.

import CMachine
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
    /// From one row of the results to the next.
    var outRow: Int
    /// From one row of what is added to the sums to the next; 0 where it is the same for all.
    var startRow: Int
    /// Results below it become it.
    var floor: Float
}

// MARK: - Columns

/// The sums of one row of a tile, or as many columns of the right factor.
protocol TileColumns {
    static var count: Int { get }
    static var zero: Self { get }
    init(at address: UnsafeRawPointer)
    func store(to address: UnsafeMutableRawPointer)
    /// self + factor * other, each product rounded where the instruction set has no other way.
    mutating func add(_ factor: Float, _ other: Self)
    /// Writes the larger of `floor` and the sum with what is at `start`.
    func finish(_ start: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ floor: Float)
}

/// Sixteen columns.
struct Sixteen: TileColumns {
    var lanes: SIMD16<Float>

    @inline(__always)
    static var count: Int { 16 }
    @inline(__always)
    static var zero: Self { Self(lanes: SIMD16()) }
    @inline(__always)
    init(lanes: SIMD16<Float>) { self.lanes = lanes }
    @inline(__always)
    init(at address: UnsafeRawPointer) { lanes = read(address) }
    @inline(__always)
    func store(to address: UnsafeMutableRawPointer) { write(lanes, to: address) }
    @inline(__always)
    mutating func add(_ factor: Float, _ other: Self) {
        lanes = multiplyAdd(lanes, SIMD16(repeating: factor), other.lanes)
    }
    @inline(__always)
    func finish(_ start: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ floor: Float) {
        let sum = lanes + read(start)
        let least = SIMD16(repeating: floor)
        write(sum.replacing(with: least, where: sum .< least), to: out)
    }
}

/// Thirty-two columns.
struct ThirtyTwo: TileColumns {
    var low: Sixteen
    var high: Sixteen

    @inline(__always)
    static var count: Int { 32 }
    @inline(__always)
    static var zero: Self { Self(low: .zero, high: .zero) }
    @inline(__always)
    init(low: Sixteen, high: Sixteen) {
        self.low = low
        self.high = high
    }
    @inline(__always)
    init(at address: UnsafeRawPointer) {
        low = Sixteen(at: address)
        high = Sixteen(at: address + 64)
    }
    @inline(__always)
    func store(to address: UnsafeMutableRawPointer) {
        low.store(to: address)
        high.store(to: address + 64)
    }
    @inline(__always)
    mutating func add(_ factor: Float, _ other: Self) {
        low.add(factor, other.low)
        high.add(factor, other.high)
    }
    @inline(__always)
    func finish(_ start: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ floor: Float) {
        low.finish(start, out, floor)
        high.finish(start + 64, out + 64, floor)
    }
}

// MARK: - Rows

/// A number of rows, known to the compiler.
protocol TileRows { static var count: Int { get } }
enum Rows1: TileRows { @inline(__always) static var count: Int { 1 } }
enum Rows2: TileRows { @inline(__always) static var count: Int { 2 } }
enum Rows3: TileRows { @inline(__always) static var count: Int { 3 } }
enum Rows4: TileRows { @inline(__always) static var count: Int { 4 } }
enum Rows5: TileRows { @inline(__always) static var count: Int { 5 } }
enum Rows6: TileRows { @inline(__always) static var count: Int { 6 } }
enum Rows7: TileRows { @inline(__always) static var count: Int { 7 } }
enum Rows8: TileRows { @inline(__always) static var count: Int { 8 } }
enum Rows9: TileRows { @inline(__always) static var count: Int { 9 } }
enum Rows10: TileRows { @inline(__always) static var count: Int { 10 } }
enum Rows11: TileRows { @inline(__always) static var count: Int { 11 } }
enum Rows12: TileRows { @inline(__always) static var count: Int { 12 } }

/// The sums of a tile, one variable a row: the compiler keeps an array of that many only sometimes in registers.
private struct TileSums<Rows: TileRows, Columns: TileColumns> {
    var row0 = Columns.zero
    var row1 = Columns.zero
    var row2 = Columns.zero
    var row3 = Columns.zero
    var row4 = Columns.zero
    var row5 = Columns.zero
    var row6 = Columns.zero
    var row7 = Columns.zero
    var row8 = Columns.zero
    var row9 = Columns.zero
    var row10 = Columns.zero
    var row11 = Columns.zero

    @inline(__always)
    init() {}

    /// Adds the products of one column of the left factor and one row of the right one.
    @inline(__always)
    mutating func add(_ left: LeftColumn, _ right: Columns) {
        row0.add(number(left.row0), right)
        if Rows.count > 1 { row1.add(number(left.row0 + left.stride), right) }
        if Rows.count > 2 { row2.add(number(left.row0 + 2 * left.stride), right) }
        if Rows.count > 3 { row3.add(number(left.row3), right) }
        if Rows.count > 4 { row4.add(number(left.row3 + left.stride), right) }
        if Rows.count > 5 { row5.add(number(left.row3 + 2 * left.stride), right) }
        if Rows.count > 6 { row6.add(number(left.row6), right) }
        if Rows.count > 7 { row7.add(number(left.row6 + left.stride), right) }
        if Rows.count > 8 { row8.add(number(left.row6 + 2 * left.stride), right) }
        if Rows.count > 9 { row9.add(number(left.row9), right) }
        if Rows.count > 10 { row10.add(number(left.row9 + left.stride), right) }
        if Rows.count > 11 { row11.add(number(left.row9 + 2 * left.stride), right) }
    }

    @inline(__always)
    func store(
        _ start: UnsafeRawPointer, _ startRow: Int, _ out: UnsafeMutableRawPointer, _ outRow: Int, _ floor: Float
    ) {
        row0.finish(start, out, floor)
        if Rows.count > 1 { row1.finish(start + startRow, out + outRow, floor) }
        if Rows.count > 2 { row2.finish(start + 2 * startRow, out + 2 * outRow, floor) }
        if Rows.count > 3 { row3.finish(start + 3 * startRow, out + 3 * outRow, floor) }
        if Rows.count > 4 { row4.finish(start + 4 * startRow, out + 4 * outRow, floor) }
        if Rows.count > 5 { row5.finish(start + 5 * startRow, out + 5 * outRow, floor) }
        if Rows.count > 6 { row6.finish(start + 6 * startRow, out + 6 * outRow, floor) }
        if Rows.count > 7 { row7.finish(start + 7 * startRow, out + 7 * outRow, floor) }
        if Rows.count > 8 { row8.finish(start + 8 * startRow, out + 8 * outRow, floor) }
        if Rows.count > 9 { row9.finish(start + 9 * startRow, out + 9 * outRow, floor) }
        if Rows.count > 10 { row10.finish(start + 10 * startRow, out + 10 * outRow, floor) }
        if Rows.count > 11 { row11.finish(start + 11 * startRow, out + 11 * outRow, floor) }
    }
}

/// One column of a tile's rows of the left factor: every third row has an address of its own, since the processor
/// reaches two more from it without an addition.
private struct LeftColumn {
    var row0: UnsafeRawPointer
    var row3: UnsafeRawPointer
    var row6: UnsafeRawPointer
    var row9: UnsafeRawPointer
    let stride: Int

    @inline(__always)
    init(_ left: UnsafeRawPointer, _ stride: Int) {
        self.stride = stride
        row0 = left
        row3 = left + 3 * stride
        row6 = left + 6 * stride
        row9 = left + 9 * stride
    }

    @inline(__always)
    mutating func advance(_ step: Int) {
        row0 = opaque(row0 + step)
        row3 = opaque(row3 + step)
        row6 = opaque(row6 + step)
        row9 = opaque(row9 + step)
    }
}

// MARK: - The tile

/// What becomes of the right factor's rows beside their products.
protocol TileReading { static var copies: Bool { get } }
/// Nothing.
enum InPlace: TileReading { @inline(__always) static var copies: Bool { false } }
/// They are copied to a panel, and asked for ahead, since nobody has read them before.
enum Copying: TileReading { @inline(__always) static var copies: Bool { true } }

/// out = max(floor, start + left · right) for a tile of so many rows and columns.
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
        fetch(out + row * outRow)
        if Columns.count > 16 { fetch(out + row * outRow + 64) }
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
            while count > 0 {
                let columns = Columns(at: right)
                fetch(right + 8 * rightStep)
                fetchFar(right + 40 * rightStep)
                if Columns.count > 16 {
                    fetch(right + 8 * rightStep + 64)
                    fetchFar(right + 40 * rightStep + 64)
                }
                sums.add(column, columns)
                columns.store(to: copy)
                column.advance(leftStep)
                right += rightStep
                copy += panelColumns * 4
                count -= 1
            }
        }
        // Two at a time: the loop itself takes a part of what the processor can do in a step.
        while count > 1 {
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

/// The most rows of a tile.
@inline(__always)
var mostTileRows: Int {
    #if MARTLET_WIDE
        12
    #elseif MARTLET_FMA
        6
    #else
        2
    #endif
}

/// The columns of a full tile, and of a panel of a packed right factor.
@inline(__always)
var panelColumns: Int {
    #if MARTLET_WIDE
        32
    #else
        16
    #endif
}

/// The tile of `rows` rows, 1 to `mostTileRows`, and of sixteen columns, or of thirty-two where the set has such tiles.
/// `copy` is the panel that ``Copying`` writes; its block has one segment.
@inline(__always)
func tile<Reading: TileReading>(
    _ reading: Reading.Type, rows: Int, columns: Int, _ block: UnsafePointer<TileBlock>, _ left: UnsafeRawPointer,
    _ right: UnsafeRawPointer, _ start: UnsafeRawPointer, _ out: UnsafeMutableRawPointer,
    _ copy: UnsafeMutableRawPointer
) {
    #if MARTLET_WIDE
        if columns > 16 {
            tile(rows, ThirtyTwo.self, reading, block, left, right, start, out, copy)
            return
        }
    #endif
    tile(rows, Sixteen.self, reading, block, left, right, start, out, copy)
}

@inline(__always)
private func tile<Columns: TileColumns, Reading: TileReading>(
    _ rows: Int, _ columns: Columns.Type, _ reading: Reading.Type, _ block: UnsafePointer<TileBlock>,
    _ left: UnsafeRawPointer, _ right: UnsafeRawPointer, _ start: UnsafeRawPointer, _ out: UnsafeMutableRawPointer,
    _ copy: UnsafeMutableRawPointer
) {
    switch rows {
    case 1: tile(Rows1.self, columns, reading, block, left, right, start, out, copy)
    #if MARTLET_FMA
        case 2: tile(Rows2.self, columns, reading, block, left, right, start, out, copy)
        case 3: tile(Rows3.self, columns, reading, block, left, right, start, out, copy)
        case 4: tile(Rows4.self, columns, reading, block, left, right, start, out, copy)
        case 5: tile(Rows5.self, columns, reading, block, left, right, start, out, copy)
    #endif
    #if MARTLET_WIDE
        case 6: tile(Rows6.self, columns, reading, block, left, right, start, out, copy)
        case 7: tile(Rows7.self, columns, reading, block, left, right, start, out, copy)
        case 8: tile(Rows8.self, columns, reading, block, left, right, start, out, copy)
        case 9: tile(Rows9.self, columns, reading, block, left, right, start, out, copy)
        case 10: tile(Rows10.self, columns, reading, block, left, right, start, out, copy)
        case 11: tile(Rows11.self, columns, reading, block, left, right, start, out, copy)
        default: tile(Rows12.self, columns, reading, block, left, right, start, out, copy)
    #elseif MARTLET_FMA
        default: tile(Rows6.self, columns, reading, block, left, right, start, out, copy)
    #else
        default: tile(Rows2.self, columns, reading, block, left, right, start, out, copy)
    #endif
    }
}
