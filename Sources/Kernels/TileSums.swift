// The sums of a tile in registers: its columns of the right factor, its rows, and one step of the inner index.
// Which steps, and where the factors lie, ProductTile.swift says.

// MARK: - Columns

/// The sums of one row of a tile, or as many columns of the right factor.
protocol TileColumns {
    static var count: Int { get }
    static var zero: Self { get }
    /// Asks for what is at an address, which need not be readable.
    static func ask(for address: UnsafeRawPointer)
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
    static func ask(for address: UnsafeRawPointer) { fetch(address) }
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

/// Some columns and, beside them, more.
struct Beside<Left: TileColumns, Right: TileColumns>: TileColumns {
    var left: Left
    var right: Right

    @inline(__always)
    private static var leftBytes: Int { Left.count * 4 }
    @inline(__always)
    static var count: Int { Left.count + Right.count }
    @inline(__always)
    static var zero: Self { Self(left: .zero, right: .zero) }
    @inline(__always)
    static func ask(for address: UnsafeRawPointer) {
        Left.ask(for: address)
        Right.ask(for: address + leftBytes)
    }
    @inline(__always)
    init(left: Left, right: Right) {
        self.left = left
        self.right = right
    }
    @inline(__always)
    init(at address: UnsafeRawPointer) {
        left = Left(at: address)
        right = Right(at: address + Self.leftBytes)
    }
    @inline(__always)
    func store(to address: UnsafeMutableRawPointer) {
        left.store(to: address)
        right.store(to: address + Self.leftBytes)
    }
    @inline(__always)
    mutating func add(_ factor: Float, _ other: Self) {
        left.add(factor, other.left)
        right.add(factor, other.right)
    }
    @inline(__always)
    func finish(_ start: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ floor: Float) {
        left.finish(start, out, floor)
        right.finish(start + Self.leftBytes, out + Self.leftBytes, floor)
    }
}

typealias ThirtyTwo = Beside<Sixteen, Sixteen>
typealias FortyEight = Beside<ThirtyTwo, Sixteen>
typealias SixtyFour = Beside<ThirtyTwo, ThirtyTwo>

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
struct TileSums<Rows: TileRows, Columns: TileColumns> {
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

/// One column of a tile's rows of the left factor. Every third row has an address of its own, from which the processor
/// reaches two more without an addition, and which is opaque: the compiler would add up all rows' in one chain.
struct LeftColumn {
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
