// Gradients of some rows of a parameter: what they must be, and how they become work. A row is what stands at one index of
// the first dimension. Only rows that a gradient names are stepped, with their state, weight decay among it, as
// torch.optim.SparseAdam has it; steps are counted for the parameter as a whole. In what order they are run over is
// Compute's affair (TouchedRows.swift), and no rule knows of them.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// Which rows a gradient is of, in any order; it has one row of values for each. Values for the same row are added up.
@frozen
@unsafe public struct GradientRows {
    /// Indices of the first dimension; nil only where there are none.
    public var numbers: UnsafePointer<Int64>?
    public var count: Int
    /// Whether the gradient has a row for each of the parameter's, of which those named here are stepped by, each once; the
    /// others are zeros.
    package var areInPlace = false
    /// How many rows a step makes room for, where later ones may be of more, and are not to take memory for them.
    package var room = 0

    public init(numbers: UnsafePointer<Int64>?, count: Int) {
        unsafe self.numbers = numbers
        unsafe self.count = count
    }
}

/// The rows of a parameter's gradient, which have been checked but for their range.
@unsafe struct SparseRows {
    private let rows: GradientRows
    /// How many rows the parameter has.
    private let leading: Int
    /// The elements of each.
    let width: Int

    /// `value` has been checked.
    init(_ rows: GradientRows, of value: ArrayView, _ describe: (Role) -> String) throws(MartletError) {
        guard unsafe rows.count >= 0 && rows.count <= ParameterCheck.maximumCount else {
            throw unsafe MartletError(.shape, "\(describe(.rowCount)) is \(rows.count); expected 0 to 2^56")
        }
        guard unsafe rows.numbers != nil || rows.count == 0 else {
            throw unsafe MartletError(
                .null, "\(describe(.rows)) is NULL; expected the address of \(rows.count) row numbers")
        }
        let address = unsafe UInt(bitPattern: rows.numbers)
        guard address % 8 == 0 else { throw MartletError.misaligned(describe(.rows), at: address, to: 8) }
        guard unsafe !address.addingReportingOverflow(UInt(rows.count) * 8).overflow else {
            throw unsafe MartletError(
                .shape,
                "\(describe(.rows)) reaches past the end of the address space; expected \(rows.count) row numbers that do "
                    + "not")
        }
        unsafe self.rows = unsafe rows
        let leading = unsafe value.rank == 0 ? value.count : Int(value.sizes![0])
        unsafe self.leading = leading
        unsafe width = unsafe leading == 0 ? 0 : value.count / leading
        if unsafe value.count == 0 { for place in unsafe 0..<rows.count { _ = unsafe try row(place, describe) } }
    }

    /// The memory of the row numbers, which are only read.
    func extent(parameter: Int) -> Extent {
        let low = unsafe UInt(bitPattern: rows.numbers)
        return unsafe Extent(
            low: low, high: low + UInt(rows.count * 8), isWritten: false, role: .rows, parameter: parameter,
            elementSize: 8, rank: 0, sizes: nil, strides: nil)
    }

    /// Checks the values and returns the memory that they reach, and whether they are fp64.
    func extent(
        of gradient: ArrayView, value: ArrayView, _ parameter: Int, _ describe: (Role) -> String
    ) throws(MartletError) -> (extent: Extent, isDouble: Bool) {
        let wanted = unsafe rows.areInPlace ? leading : rows.count
        let (count, overflows) = unsafe wanted.multipliedReportingOverflow(by: width)
        guard unsafe !overflows && gradient.count == count else {
            throw unsafe MartletError(
                .shape,
                "\(describe(.gradient)).count is \(gradient.count); expected \(overflows ? "2^63 or more" : "\(count)"), "
                    + "\(wanted) rows of \(width) elements")
        }
        var check = unsafe ParameterCheck(count: count, of: "the elements of the rows")
        let extent = try unsafe check.extent(of: gradient, .gradient, parameter, describe)
        let rank = unsafe max(value.rank, 1)
        let fits =
            unsafe gradient.rank == 0
            || gradient.rank == rank && Int(gradient.sizes![0]) == wanted
                && (1..<rank).allSatisfy { unsafe gradient.sizes![$0] == value.sizes![$0] }
        guard fits else {
            throw unsafe MartletError(
                .shape,
                "\(describe(.gradient)).sizes are \(ParameterCheck.sizeText(gradient)); expected \(rows.count) and then "
                    + "the value's sizes behind its first")
        }
        return unsafe (extent, check.isDouble)
    }

    /// The number of a row.
    private func row(_ place: Int, _ describe: (Role) -> String) throws(MartletError) -> Int {
        let row = unsafe Int(rows.numbers![place])
        guard unsafe row >= 0 && row < leading else {
            throw unsafe MartletError(
                .argument,
                "\(describe(.row(place))) is \(row); expected 0 ..< \(leading), the size of the value's first dimension"
            )
        }
        return row
    }

    /// Puts the rows in order, in memory of which they take up as much as they need.
    func touched(
        by gradient: ArrayView, memory: inout UnsafeMutableRawPointer, numbers: inout UnsafeMutablePointer<Int>,
        _ describe: (Role) -> String
    ) throws(MartletError) -> TouchedRows {
        let keys = unsafe memory.assumingMemoryBound(to: RowKey.self)
        var (isAscending, last, all) = (true, -1, 0)
        for place in unsafe 0..<rows.count {
            let row = try unsafe row(place, describe)
            unsafe keys[place] = RowKey(row: row, place: rows.areInPlace ? row : place)
            isAscending = isAscending && row > last
            last = row
            all |= row
        }
        let own = unsafe memory
        unsafe memory += unsafe (rows.count + 1) * TouchedRows.bytesPerKey
        return unsafe TouchedRows(
            memory: own, keyCount: rows.count, isAscending: isAscending, bits: Int.bitWidth - all.leadingZeroBitCount,
            width: width, gradientLayout: layout(of: gradient, &numbers))
    }

    /// Nil where the values are contiguous.
    private func layout(of gradient: ArrayView, _ numbers: inout UnsafeMutablePointer<Int>) -> Layout? {
        let rank = unsafe gradient.rank
        if rank == 0 { return nil }
        var layout = unsafe Layout(numbers: numbers, rank: rank, arrayCount: 1)
        unsafe numbers += Layout.numberCount(rank: rank, arrayCount: 1)
        for dimension in 0..<rank {
            unsafe layout[size: dimension] = Int(gradient.sizes![dimension])
            unsafe layout[stride: dimension, 0] = Int(gradient.strides![dimension])
        }
        unsafe layout.simplify(sorts: false)
        return unsafe layout.isContiguous ? nil : layout
    }
}
