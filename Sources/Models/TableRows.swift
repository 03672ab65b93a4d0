// A table that is trained by rows: which of them a batch names, and their gradient. It stands in the table's place among all
// gradients, whose other rows are zeros, so that what reads gradients finds those of the whole table; the optimizer is told of
// the rows.
import MartletCompute
import MartletOptimizers
import MartletPlatform

@safe final class TableRows {
    /// The optimizer's parameter that the table is.
    let parameter: Int
    private let offset: Int
    private let rowCount: Int
    private let columns: Int
    /// The operations that read it: each one's number, the value that names rows, and its elements of a sample.
    private var uses: [(step: Int, value: Int, elements: Int)]
    /// Of the latest batch, in order, each once; and room for others.
    private var numbers = RawList<Int64>()
    private var spare = RawList<Int64>()
    /// How many there may be, and of how many samples.
    private var (most, batch) = (0, 0)
    private var keys: ZeroedMemory?
    private var touched: TouchedRows?

    init(
        parameter: Int, offset: Int, rows: Int, columns: Int, uses: [(step: Int, value: Int, elements: Int)]
    ) {
        (self.parameter, self.offset, self.columns, self.uses) = (parameter, offset, columns, uses)
        rowCount = rows
        unsafe touched = nil
    }

    /// The same table, for batches of another kind.
    convenience init(like other: TableRows) {
        self.init(
            parameter: other.parameter, offset: other.offset, rows: other.rowCount, columns: other.columns,
            uses: other.uses)
    }

    /// The same table where samples name it as often as in another graph of the same operations.
    func resize(_ graph: Graph) {
        uses = uses.map { ($0.step, $0.value, graph.steps[$0.step].operation.input.elementCount) }
        batch = 0
    }

    /// Takes memory for batches of as many samples. Throws `.memory`.
    func reserve(_ batch: Int) throws(MartletError) {
        if batch <= self.batch { return }
        let perSample = uses.reduce(0) { $0 + $1.elements }
        let (count, overflow) = batch.multipliedReportingOverflow(by: perSample)
        guard !overflow, count < .max else {
            throw MartletError(.memory, "no memory for the rows that \(batch) samples name")
        }
        let keys = try unsafe ZeroedMemory(count: count + 1, stride: TouchedRows.bytesPerKey)
        try numbers.reserve(max(0, min(rowCount, count) - numbers.count))
        // Keys are put in order by the optimizer too, of rows that are named once.
        (most, self.batch) = (max(most, min(rowCount, count)), batch)
        unsafe touched = nil
        self.keys = consume keys
    }

    /// Those that the optimizer steps.
    var rows: GradientRows {
        let elements = unsafe numbers.elements
        var rows = unsafe GradientRows(
            numbers: elements.baseAddress.map { unsafe UnsafePointer($0) }, count: elements.count)
        unsafe (rows.areInPlace, rows.room) = (true, most)
        return unsafe rows
    }

    /// Makes the gradient that of no row.
    ///
    /// - Parameter isWritten: whether somebody else may have written rows that no batch has named.
    func clear(_ gradients: UnsafeMutablePointer<Float>, isWritten: Bool) {
        if isWritten { return unsafe (gradients + offset).update(repeating: 0, count: rowCount * columns) }
        for place in 0..<numbers.count {
            unsafe (gradients + offset + Int(numbers[place]) * columns).update(repeating: 0, count: columns)
        }
    }

    /// Takes the rows too whose gradient is not all zeros, as somebody may have written it. Throws `.memory`.
    func takeWritten(_ gradients: UnsafeMutablePointer<Float>) throws(MartletError) {
        spare.removeAll()
        try spare.reserve(rowCount)
        var place = 0
        for row in 0..<rowCount {
            let isNamed = place < numbers.count && numbers[place] == row
            if isNamed { place += 1 }
            let gradient = unsafe UnsafeBufferPointer(start: gradients + offset + row * columns, count: columns)
            if isNamed || (unsafe gradient.contains { $0 != 0 }) { try spare.append(Int64(row)) }
        }
        swap(&numbers, &spare)
        most = rowCount
    }

    /// Takes the rows that a batch names, whose indices are in place, instead of those before it.
    func take(_ plan: Plan, batch: Int) throws(MartletError) {
        guard let memory = unsafe keys?.base else { return }
        let keys = unsafe memory.assumingMemoryBound(to: RowKey.self)
        var (count, all, last, isAscending) = (0, 0, -1, true)
        for use in uses {
            let indices = unsafe UnsafeRawPointer(plan.value(use.value)).assumingMemoryBound(to: Int32.self)
            for place in 0..<batch * use.elements {
                let row = unsafe Int(indices[place])
                unsafe keys[count] = RowKey(row: row, place: count)
                isAscending = isAscending && row > last
                (last, all, count) = (row, all | row, count + 1)
            }
        }
        let sorted = unsafe TouchedRows(
            memory: memory, keyCount: count, isAscending: isAscending, bits: Int.bitWidth - all.leadingZeroBitCount,
            width: columns, gradientLayout: nil)
        unsafe touched = unsafe sorted
        numbers.removeAll()
        while let row = unsafe sorted.row(numbers.count) { try numbers.append(Int64(row)) }
    }

    /// Adds the gradient of what an operation gave, if it reads the table: of each row the sum over where it is named, in
    /// order.
    func add(
        _ gradient: UnsafeMutablePointer<Float>, of step: Int, batch: Int, to gradients: UnsafeMutablePointer<Float>,
        _ execution: Execution
    ) {
        guard let touched = unsafe touched else { return }
        var first = 0
        for use in uses {
            let places = first..<first + batch * use.elements
            first = places.upperBound
            if use.step != step { continue }
            unsafe execution.run(touched.addition(of: gradient, places: places, to: gradients + offset))
        }
    }
}

extension [TableRows] {
    /// The rows of one of the optimizer's parameters; nil: it is none of these tables.
    func rows(of parameter: Int) -> GradientRows? {
        for table in self where table.parameter == parameter { return unsafe table.rows }
        return nil
    }
}

extension Graph {
    /// The tables among the optimizer's parameters that are trained by rows.
    func tables(_ parameters: [SteppedParameter]) -> [TableRows] {
        parameters.enumerated().compactMap { (index, parameter) in
            let readers = steps.indices.filter {
                steps[$0].operation.givesRows && steps[$0].isTrained && steps[$0].firstParameter == parameter.offset
            }
            guard let first = readers.first, let table = steps[first].operation as? Embedding else { return nil }
            return TableRows(
                parameter: index, offset: parameter.offset, rows: table.rows, columns: table.columns,
                uses: readers.map { ($0, steps[$0].inputs[0], steps[$0].operation.input.elementCount) })
        }
    }
}
