// Elements of a matrix with numbers that belong to their columns: the walk that normalisation by column, batch
// normalisation and averages' gradients share, and normalisation by column. No statistics.

import MartletKernelInterface

/// How rows of a piece are walked so that nearly every access is of sixteen elements: several short rows count as one,
/// as long as a multiple of sixteen, and the columns' numbers are repeated to match.
struct ColumnWalk {
    /// Columns walked at once; each of their numbers needs as much scratch.
    static var most: Int {
        @inline(__always) get { 8192 }
    }

    let columns: Int
    /// Rows that count as one.
    let folds: Int

    @inline(__always)
    init(columns: Int) {
        self.columns = columns
        let times = grain / min(grain, columns & -columns)
        folds = columns * times <= 4096 ? times : 1
    }

    /// Elements of a row as it is walked.
    @inline(__always)
    var width: Int { columns * folds }

    /// Repeats the numbers of one row for all that count as one.
    @inline(__always)
    func spread(_ numbers: UnsafeMutablePointer<Float>) {
        for fold in 1..<max(folds, 1) { copy(numbers, to: numbers + fold * columns, bytes: columns * 4) }
    }
}

/// What happens to sixteen elements; `column` is the place of their columns' numbers.
protocol ColumnFunction {
    func callAsFunction(_ x: Floats, _ other: Floats, _ column: Int) -> Floats
    /// Whether `other` is read.
    static var readsOther: Bool { get }
}

/// Applies a function to `count` elements, which begin at a row's start.
@inline(__always)
func walk<Function: ColumnFunction>(
    _ function: Function, _ walk: ColumnWalk, count: Int, _ x: UnsafePointer<Float>, _ other: UnsafePointer<Float>,
    _ y: UnsafeMutablePointer<Float>
) {
    let width = walk.width
    var start = 0
    while start < count {
        let end = min(start + width, count)
        var index = start
        while index < end {
            let few = min(end - index, grain)
            prefetch(.fp32, in: x, at: index)
            if Function.readsOther { prefetch(.fp32, in: other, at: index) }
            let second = Function.readsOther ? load(few, other + index) : .zero
            store(few, function(load(few, x + index), second, index - start), to: y + index)
            index += grain
        }
        start = end
    }
}

/// (x - mean) * factor + shift.
struct ColumnScaling: ColumnFunction {
    let mean, factor, shift: UnsafeMutablePointer<Float>

    @inline(__always)
    static var readsOther: Bool { false }

    /// Three arrays in the scratch.
    @inline(__always)
    init(_ scratch: UnsafeMutableRawPointer) {
        mean = floatArray(scratch, 0)
        factor = floatArray(scratch, 1)
        shift = floatArray(scratch, 2)
    }

    @_transparent
    func callAsFunction(_ x: Floats, _ other: Floats, _ column: Int) -> Floats {
        multiplyAdd(read(shift + column), x - read(mean + column), read(factor + column))
    }
}

/// The array of a number in the scratch: each is as long as the most columns, with room for sixteen more.
@inline(__always)
func floatArray(_ scratch: UnsafeMutableRawPointer, _ number: Int) -> UnsafeMutablePointer<Float> {
    (scratch + number * (ColumnWalk.most + grain) * 4).assumingMemoryBound(to: Float.self)
}

/// y = (x - mean) * factor on one piece's rows.
func normalization(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: NormalizationRequest = value(at: request)
    let (start, end) = (request.cut.start(piece), request.cut.end(piece))
    let scaling = ColumnScaling(scratch)
    var column = 0
    while column < request.columns {
        let columns = min(request.columns - column, ColumnWalk.most)
        if let mean = request.mean {
            copy(mean + column, to: scaling.mean, bytes: columns * 4)
        } else {
            clearNumbers(scaling.mean, count: columns)
        }
        copy(request.factor + column, to: scaling.factor, bytes: columns * 4)
        clearNumbers(scaling.shift, count: columns)
        scale(scaling, column: column, columns: columns, of: request.columns, rows: start, end, request.x, request.y)
        column += columns
    }
}

/// Applies a scaling, whose numbers stand for one row, to `columns` of the `all` columns of some rows.
@inline(never)
func scale(
    _ scaling: ColumnScaling, column: Int, columns: Int, of all: Int, rows start: Int, _ end: Int,
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
) {
    if columns == all {
        let shape = ColumnWalk(columns: columns)
        shape.spread(scaling.mean)
        shape.spread(scaling.factor)
        shape.spread(scaling.shift)
        let place = start * columns
        walk(scaling, shape, count: (end - start) * columns, x + place, x + place, y + place)
    } else {
        let shape = ColumnWalk(columns: columns)
        for row in start..<end {
            let place = row * all + column
            walk(scaling, shape, count: columns, x + place, x + place, y + place)
        }
    }
}
