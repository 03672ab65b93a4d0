// Copies of parts of factors, in the order in which tiles read them. A left factor that is transposed stays so, since
// tiles read either: its columns become neighbours, at distances that do not collide in the first-level cache. A right
// factor becomes panels as wide as a tile, one row of a panel behind the other, with zeros up to whole sixteens of columns.

import MartletKernelInterface

/// A copied part of a left factor whose columns lie together each.
enum LeftBlock {
    /// Bytes from column to column: an odd number of cache lines.
    @inline(__always)
    static var columnStride: Int { (ProductLimits.rows + 16) * 4 }
    @inline(__always)
    static var byteCount: Int { ProductLimits.inner * columnStride }
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

    /// The same numbers copied together, as a ``LeftBlock``: `inner` columns of `rows` numbers that lie together.
    @inline(never)
    func copied(rows: Int, inner: Int, to target: UnsafeMutableRawPointer) -> LeftPart {
        for column in 0..<inner {
            copyNumbers(base + column * step, to: target + column * LeftBlock.columnStride, count: rows)
        }
        var part = self
        part.base = UnsafeRawPointer(target)
        part.step = LeftBlock.columnStride
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
                write(SIMD16<Float>(), to: to + (wholeGrains(rest) - grain) * 4)
                copyNumbers(from, to: to, count: rest)
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
