// A block of a product: rows by columns of results over one run of the inner index, walked tile by tile, with the tiles
// at the right edge, which are not whole, worked out beside the results and copied. Products and convolutions come here
// with factors that lie in fast memory.
// No packing and no cutting of the inner index: ProductPieces.swift and the convolutions do that.

import MartletKernelInterface

/// What is added to the sums of a block.
struct BlockStart {
    /// Nil for nothing.
    var base: UnsafeRawPointer?
    /// Bytes from one row to the next; 0 where all rows get the same, or nothing.
    var row: Int

    @inline(__always)
    init(base: UnsafeRawPointer?, row: Int) {
        self.base = base
        self.row = row
    }

    /// The same for a part of the block.
    @inline(__always)
    func at(row: Int, column: Int) -> BlockStart {
        guard let base else { return self }
        return BlockStart(base: base + row * self.row + column * 4, row: self.row)
    }
}

/// Memory for what a block needs beside its factors: a row of zeros, and a tile of starts and one of results.
enum BlockScratch {
    @inline(__always)
    private static var tileBytes: Int { mostTileRows * panelColumns * 4 }
    @inline(__always)
    static var byteCount: Int { 128 + 2 * tileBytes }

    @inline(__always)
    static func prepare(_ scratch: UnsafeMutableRawPointer) { clearNumbers(scratch, count: 32) }
    @inline(__always)
    static func zeros(_ scratch: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer { scratch }
    @inline(__always)
    static func starts(_ scratch: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer { scratch + 128 }
    @inline(__always)
    static func results(_ scratch: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer { scratch + 128 + tileBytes }
}

/// out = max(floor, start + left · right).
///
/// - Parameters:
///   - block: the segments and strides; `startRow` is set here.
///   - panelStride: bytes from one panel of `panelColumns` columns of the right factor to the next. Every panel can be
///     read for as many columns as its tile has, whole sixteens.
///   - copy: where the right factor is copied to, as ``RightPanels``, by the first row of tiles, for the others to read;
///     nil to read it where it lies. The columns are whole sixteens then, and there is one segment.
///   - scratch: prepared `BlockScratch`.
@inline(never)
func multiplyBlock(
    _ block: TileBlock, rows: Int, columns: Int, left: UnsafeRawPointer, right: UnsafeRawPointer, panelStride: Int,
    start: BlockStart, out: UnsafeMutableRawPointer, copy: UnsafeMutableRawPointer? = nil,
    scratch: UnsafeMutableRawPointer
) {
    var block = block
    block.startRow = start.row
    // The last columns, where they are not whole sixteens.
    let rest = columns & 15 == 0 ? 0 : columns & (panelColumns - 1)
    let whole = columns - rest
    if whole > 0 {
        var walk = TileWalk(
            rows: rows, columns: whole, left: left, right: right, panelStride: panelStride,
            start: start.base ?? UnsafeRawPointer(BlockScratch.zeros(scratch)),
            startPanel: start.base == nil ? 0 : panelColumns * 4, out: out,
            copy: copy ?? scratch)
        if copy != nil { walk.copyRow(&block) }
        withAddress(of: block) { block in
            while walk.rows > 0 { walk.row(InPlace.self, block) }
        }
    }
    if rest > 0 {
        walkEdge(
            block, rows: rows, columns: rest, left: left, right: right + whole / panelColumns * panelStride,
            start: start.at(row: 0, column: whole).base, out: out + whole * 4, scratch: scratch)
    }
}

/// How many of `rows` rows a tile takes when the rest is shared out as evenly as it goes, since tiles of few rows take
/// as long as larger ones.
@inline(__always)
func tileRows(_ rows: Int) -> Int {
    let tiles = (rows + mostTileRows - 1) / mostTileRows
    return (rows + tiles - 1) / tiles
}

/// Row by row of tiles, so that the rows of the left factor stay near while panel after panel streams by, and results
/// are written side by side.
private struct TileWalk {
    /// Those that are left to do; the addresses are theirs.
    var rows: Int
    let columns: Int
    var left: UnsafeRawPointer
    var right: UnsafeRawPointer
    var panelStride: Int
    var start: UnsafeRawPointer
    /// From panel to panel of what is added.
    let startPanel: Int
    var out: UnsafeMutableRawPointer
    let copy: UnsafeMutableRawPointer

    /// One row of tiles.
    @inline(__always)
    mutating func row<Reading: TileReading>(_ reading: Reading.Type, _ block: UnsafePointer<TileBlock>) {
        let count = tileRows(rows)
        let copyStride = Reading.copies ? block.pointee.segments.pointee.count * RightPanels.rowStride : 0
        var panel = right
        var startOfTile = start
        var place = out
        var target = copy
        var column = 0
        while column < columns {
            tile(
                reading, rows: count, columns: min(columns - column, panelColumns), block, left, panel, startOfTile,
                place, target)
            panel += panelStride
            startOfTile += startPanel
            place += panelColumns * 4
            target += copyStride
            column += panelColumns
        }
        rows -= count
        left += count * block.pointee.leftRow
        start += count * block.pointee.startRow
        out += count * block.pointee.outRow
    }

    /// The first row of tiles, which copies the right factor, and turns to the copy what comes after it.
    @inline(__always)
    mutating func copyRow(_ block: inout TileBlock) {
        withAddress(of: block) { row(Copying.self, $0) }
        right = UnsafeRawPointer(copy)
        panelStride = block.segments.pointee.count * RightPanels.rowStride
        block.rightStep = RightPanels.rowStride
    }
}

/// One panel whose columns are not whole sixteens.
@inline(never)
private func walkEdge(
    _ block: TileBlock, rows: Int, columns: Int, left: UnsafeRawPointer, right: UnsafeRawPointer,
    start: UnsafeRawPointer?, out: UnsafeMutableRawPointer, scratch: UnsafeMutableRawPointer
) {
    let whole = columns > 16 ? 32 : 16
    let starts = BlockScratch.starts(scratch)
    let results = BlockScratch.results(scratch)
    var inner = block
    inner.outRow = whole * 4
    inner.startRow = block.startRow == 0 ? 0 : whole * 4
    clearNumbers(starts, count: mostTileRows * panelColumns)
    if let start, block.startRow == 0 { copyNumbers(start, to: starts, count: columns) }
    var row = 0
    while row < rows {
        let count = tileRows(rows - row)
        if let start, block.startRow != 0 {
            for place in 0..<count {
                copyNumbers(start + (row + place) * block.startRow, to: starts + place * whole * 4, count: columns)
            }
        }
        withAddress(of: inner) {
            tile(
                InPlace.self, rows: count, columns: whole, $0, left + row * block.leftRow, right, starts, results,
                scratch)
        }
        for place in 0..<count {
            copyNumbers(results + place * whole * 4, to: out + (row + place) * block.outRow, count: columns)
        }
        row += count
    }
}
