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

/// Memory for what a block needs beside its factors: a row of zeros as long as a tile's, and a tile of starts and one of
/// results.
enum BlockScratch {
    @inline(__always)
    private static var zeroBytes: Int { RowColumns.count * 4 }
    @inline(__always)
    private static var tileBytes: Int { mostTileSums * 4 }
    @inline(__always)
    static var byteCount: Int { zeroBytes + 2 * tileBytes }

    @inline(__always)
    static func prepare(_ scratch: UnsafeMutableRawPointer) { clearNumbers(scratch, count: RowColumns.count) }
    @inline(__always)
    static func zeros(_ scratch: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer { scratch }
    @inline(__always)
    static func starts(_ scratch: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer { scratch + zeroBytes }
    @inline(__always)
    static func results(_ scratch: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        scratch + zeroBytes + tileBytes
    }
}

/// out = max(floor, start + left · right).
///
/// - Parameters:
///   - block: the segments and strides; `startRow` and `copyStep` are set here.
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
    let copyPanels = RightPanels(columns: columns, inner: copy == nil ? 0 : block.segments.pointee.count)
    var block = block
    block.startRow = start.row
    block.copyStep = copyPanels.rowStride
    // Whole panels, then what is narrower but whole sixteens, or the columns that are neither.
    let edge = columns == wholeGrains(columns) ? 0 : columns & (panelColumns - 1)
    let panels = columns / panelColumns * panelColumns
    var walk = TileWalk(
        rows: rows, columns: panels, left: left, right: right, panelStride: panelStride,
        start: start.base ?? UnsafeRawPointer(BlockScratch.zeros(scratch)),
        startPanel: start.base == nil ? 0 : panelColumns * 4, out: out, copy: copy, copyStride: copyPanels.panelStride)
    if panels > 0 { walk.run(block) }
    if edge > 0 {
        walkEdge(
            block, rows: rows, columns: edge, left: left, right: right + panels / panelColumns * panelStride,
            start: start.at(row: 0, column: panels).base, out: out + panels * 4, scratch: scratch)
    } else if panels < columns {
        walk.skip(to: columns)
        walk.run(block)
    }
}

/// How many of `rows` rows go together, at most `most`, when the rest is shared out as evenly as it goes, since tiles of
/// few rows take as long as larger ones.
@inline(__always)
func evenRows(_ rows: Int, most: Int) -> Int {
    let shares = (rows + most - 1) / most
    return (rows + shares - 1) / shares
}

/// Row by row of tiles, so that the rows of the left factor stay near while panel after panel streams by, and results
/// are written side by side. The tiles are as wide as panels, or as all columns where these are fewer.
private struct TileWalk {
    let rows: Int
    var columns: Int
    let left: UnsafeRawPointer
    var right: UnsafeRawPointer
    let panelStride: Int
    var start: UnsafeRawPointer
    /// From panel to panel of what is added.
    let startPanel: Int
    var out: UnsafeMutableRawPointer
    /// Nil where nothing is copied.
    var copy: UnsafeMutableRawPointer?
    /// From panel to panel of the copy.
    let copyStride: Int

    /// Turns to the columns behind these.
    @inline(__always)
    mutating func skip(to end: Int) {
        let panels = columns / panelColumns
        right += panels * panelStride
        start += panels * startPanel
        out += columns * 4
        if let copy { self.copy = copy + panels * copyStride }
        columns = end - columns
    }

    /// All rows; the first of tiles copies the right factor, and the others read the copy.
    @inline(__always)
    func run(_ block: TileBlock) {
        var row = 0
        var block = block
        var right = (base: right, panelStride: panelStride)
        if let copy {
            withAddress(of: block) { row = tiles(Copying.self, $0, row, right, copy) }
            block.rightStep = block.copyStep
            right = (UnsafeRawPointer(copy), copyStride)
        }
        withAddress(of: block) {
            while row < rows { row = tiles(InPlace.self, $0, row, right, out) }
        }
    }

    /// One row of tiles, from row `row` on. Returns where the next begins.
    @inline(__always)
    private func tiles<Reading: TileReading>(
        _ reading: Reading.Type, _ block: UnsafePointer<TileBlock>, _ row: Int,
        _ right: (base: UnsafeRawPointer, panelStride: Int), _ copy: UnsafeMutableRawPointer
    ) -> Int {
        let width = min(columns, panelColumns)
        let count = evenRows(rows - row, most: mostTileRows(columns: width))
        let left = left + row * block.pointee.leftRow
        var panel = right.base
        var start = start + row * block.pointee.startRow
        var place = out + row * block.pointee.outRow
        var target = copy
        var column = 0
        if rows == 1 && !Reading.copies && right.panelStride == panelColumns * 4 {
            // Panels that lie side by side.
            while column + RowColumns.count <= columns {
                Tile(block: block, left: left, right: panel, start: start, out: place, copy: target).runRow()
                panel += RowColumns.count * 4
                start += startPanel * (RowColumns.count / panelColumns)
                place += RowColumns.count * 4
                column += RowColumns.count
            }
        }
        while column < columns {
            Tile(block: block, left: left, right: panel, start: start, out: place, copy: target)
                .run(reading, rows: count, columns: width)
            panel += right.panelStride
            start += startPanel
            place += width * 4
            target += copyStride
            column += width
        }
        return row + count
    }
}

/// One panel whose columns are not whole sixteens.
@inline(never)
private func walkEdge(
    _ block: TileBlock, rows: Int, columns: Int, left: UnsafeRawPointer, right: UnsafeRawPointer,
    start: UnsafeRawPointer?, out: UnsafeMutableRawPointer, scratch: UnsafeMutableRawPointer
) {
    let whole = wholeGrains(columns)
    let starts = BlockScratch.starts(scratch)
    let results = BlockScratch.results(scratch)
    var inner = block
    inner.outRow = whole * 4
    inner.startRow = block.startRow == 0 ? 0 : whole * 4
    clearNumbers(starts, count: mostTileSums)
    if let start, block.startRow == 0 { copyNumbers(start, to: starts, count: columns) }
    var row = 0
    while row < rows {
        let count = evenRows(rows - row, most: mostTileRows(columns: whole))
        if let start, block.startRow != 0 {
            for place in 0..<count {
                copyNumbers(start + (row + place) * block.startRow, to: starts + place * whole * 4, count: columns)
            }
        }
        withAddress(of: inner) {
            Tile(block: $0, left: left + row * block.leftRow, right: right, start: starts, out: results, copy: scratch)
                .run(InPlace.self, rows: count, columns: whole)
        }
        for place in 0..<count {
            copyNumbers(results + place * whole * 4, to: out + (row + place) * block.outRow, count: columns)
        }
        row += count
    }
}
