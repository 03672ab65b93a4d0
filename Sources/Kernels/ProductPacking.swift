// Copies of parts of factors, in the order in which tiles read them. A left factor keeps its orientation, since tiles
// read any: its rows or columns become neighbours, at distances that do not collide in the first-level cache. A right
// factor becomes panels as wide as a tile, one row of a panel behind the other, with zeros up to whole sixteens of columns.

import MartletKernelInterface

/// A copied part of a left factor.
enum LeftBlock {
    /// Bytes from row to row, or from column to column where these are what lies together. An odd number of cache lines.
    @inline(__always)
    static var rowStride: Int { (ProductLimits.inner + 16) * 4 }
    @inline(__always)
    static var columnStride: Int { (ProductLimits.rows + 16) * 4 }
    @inline(__always)
    static var byteCount: Int { max(ProductLimits.rows * rowStride, ProductLimits.inner * columnStride) }

    /// Copies `rows` runs of `inner` numbers that lie together, `stride` bytes apart.
    @inline(never)
    static func copyRows(
        _ source: UnsafeRawPointer, stride: Int, rows: Int, inner: Int, to target: UnsafeMutableRawPointer
    ) {
        for row in 0..<rows {
            let from = source + row * stride
            if row + 2 < rows {
                for line in 0..<(inner + 15) / 16 { fetch(from + 2 * stride + line * 64) }
            }
            copyNumbers(from, to: target + row * rowStride, count: inner)
        }
    }

    /// Copies `inner` runs of `rows` numbers that lie together.
    @inline(never)
    static func copyColumns(
        _ source: UnsafeRawPointer, stride: Int, rows: Int, inner: Int, to target: UnsafeMutableRawPointer
    ) {
        for column in 0..<inner {
            copyNumbers(source + column * stride, to: target + column * columnStride, count: rows)
        }
    }
}

/// A part of a left factor: where it is, and its strides in bytes.
struct LeftPart {
    private(set) var base: UnsafeRawPointer
    private(set) var row: Int
    private(set) var step: Int

    @inline(__always)
    init(_ factor: Factor, row: Int, inner: Int) {
        self.row = factor.rowStride * 4
        step = factor.columnStride * 4
        base = UnsafeRawPointer(factor.base) + row * self.row + inner * step
    }

    /// The same numbers copied together, in a ``LeftBlock``.
    @inline(__always)
    func copied(rows: Int, inner: Int, to target: UnsafeMutableRawPointer) -> LeftPart {
        var part = self
        part.base = UnsafeRawPointer(target)
        if step == 4 {
            LeftBlock.copyRows(base, stride: row, rows: rows, inner: inner, to: target)
            part.row = LeftBlock.rowStride
        } else {
            LeftBlock.copyColumns(base, stride: step, rows: rows, inner: inner, to: target)
            part.step = LeftBlock.columnStride
        }
        return part
    }
}

/// How a copied part of a right factor lies: panel behind panel, each as wide as a full tile, or as all columns where
/// these are fewer.
struct RightPanels {
    /// Bytes from row to row of a panel, and from panel to panel.
    let rowStride: Int
    let panelStride: Int

    /// For `columns` columns of `inner` rows.
    @inline(__always)
    init(columns: Int, inner: Int) {
        rowStride = min(wholeGrains(columns), panelColumns) * 4
        panelStride = rowStride * inner
    }

    /// Bytes from the first panel to the one that holds column `column`.
    @inline(__always)
    func offset(column: Int) -> Int { column / panelColumns * panelStride }

    /// Copies `inner` rows of `columns` columns of a factor, from `source` on, into panels from `target` on.
    @inline(__always)
    func fill(
        _ source: UnsafeRawPointer, _ factor: Factor, inner: Int, columns: Int, to target: UnsafeMutableRawPointer
    ) {
        if factor.columnStride == 1 {
            copyRows(source, stride: factor.rowStride * 4, inner: inner, columns: columns, to: target)
        } else {
            copyColumns(source, stride: factor.columnStride * 4, inner: inner, columns: columns, to: target)
        }
    }

    /// Copies `inner` rows of `columns` columns that lie together, `stride` bytes apart: row by row, since that is the
    /// order in which the processor fetches ahead.
    @inline(never)
    func copyRows(
        _ source: UnsafeRawPointer, stride: Int, inner: Int, columns: Int, to target: UnsafeMutableRawPointer
    ) {
        let rest = columns & (panelColumns - 1)
        for row in 0..<inner {
            var from = source + row * stride
            var to = target + row * rowStride
            var left = columns
            while left >= panelColumns {
                copyNumbers(from, to: to, count: panelColumns)
                from += panelColumns * 4
                to += panelStride
                left -= panelColumns
            }
            if rest > 0 {
                copyNumbers(from, to: to, count: rest)
                clearNumbers(to + rest * 4, count: wholeGrains(rest) - rest)
            }
        }
    }

    /// Copies `columns` columns, `stride` bytes apart, of `inner` numbers that lie together.
    @inline(never)
    func copyColumns(
        _ source: UnsafeRawPointer, stride: Int, inner: Int, columns: Int, to target: UnsafeMutableRawPointer
    ) {
        var column = 0
        while column < columns {
            let panel = target + offset(column: column) + (column & (panelColumns - 1)) * 4
            let from = source + column * stride
            let count = min(columns - column, grain)
            var row = 0
            if count == grain {
                while row + grain <= inner {
                    // What comes two blocks later, in these columns or the next.
                    let later = row + 2 * grain
                    let near = later < inner ? from + later * 4 : from + grain * stride + (later - inner) * 4
                    for lane in 0..<grain { fetch(near + lane * stride) }
                    transpose(from + row * 4, stride: stride, to: panel + row * rowStride, stride: rowStride)
                    row += grain
                }
            }
            while row < inner {
                let place = panel + row * rowStride
                for lane in 0..<grain {
                    if lane < count {
                        copy(from + lane * stride + row * 4, to: place + lane * 4, bytes: 4)
                    } else {
                        clearNumbers(place + lane * 4, count: 1)
                    }
                }
                row += 1
            }
            column += grain
        }
    }
}
