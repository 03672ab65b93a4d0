// Adafactor over whole matrices so small that several fit into a block. One pass sums rows and columns, moves the averages
// on and measures the update, while the block is in the first-level cache; the next makes the factors again and takes the
// step. What is made on the way stays in scratch. The equation stands in Adafactor.swift.

import MartletKernelInterface

func adafactorSmallSums(_ part: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    let part: GridPart = value(at: part)
    if part.run.isDouble {
        sums(DoubleLanes.self, part, coefficients)
    } else {
        sums(FloatLanes.self, part, coefficients)
    }
}

func adafactorSmallUpdate(_ part: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    let part: GridPart = value(at: part)
    if part.run.isDouble {
        update(DoubleLanes.self, part, coefficients)
    } else {
        update(FloatLanes.self, part, coefficients)
    }
}

@inline(never)
private func sums<Value: Lanes>(
    _ type: Value.Type, _ part: GridPart, _ coefficients: UnsafeRawPointer
) {
    let terms: AdafactorCoefficients = value(at: coefficients + StepCoefficients.ruleOffset)
    let (squares, norm) = (shape(of: adafactorSquares, coefficients), shape(of: adafactorNorm, coefficients))
    var scratch = PassScratch()
    scratch.withAddress { scratch in
        var first = 0
        while first < part.matrices {
            let block = MatrixBlock<Value>(part, first, scratch)
            let measured = block.run(adafactorSquares, squares, coefficients)
            addTo(part.sums, sum(measured.first))
            block.addUp()
            block.moveAverages(terms)
            block.makeFactors(terms.eps, scale: 1)
            let updates = block.run(adafactorNorm, norm, coefficients)
            addTo(part.sums + 1, sum(updates.second))
            first += block.matrices
        }
    }
}

@inline(never)
private func update<Value: Lanes>(
    _ type: Value.Type, _ part: GridPart, _ coefficients: UnsafeRawPointer
) {
    let terms: AdafactorCoefficients = value(at: coefficients + StepCoefficients.ruleOffset)
    let update = shape(of: adafactorUpdate, coefficients)
    var scratch = PassScratch()
    scratch.withAddress { scratch in
        var first = 0
        while first < part.matrices {
            let block = MatrixBlock<Value>(part, first, scratch)
            block.loadAverages()
            block.makeFactors(terms.eps, scale: terms.scale)
            _ = block.run(adafactorUpdate, update, coefficients)
            first += block.matrices
        }
    }
}

/// Some matrices of a part, with scratch for them, in which numbers are of the type computed in.
private struct MatrixBlock<Value: Lanes> {
    private typealias Number = Value.Number
    private static var size: Int {
        @inline(__always) get { MemoryLayout<Number>.stride }
    }

    private let elementRun: Run
    private let rowState, columnState: Operand
    private let rows, columns: Int
    let matrices: Int
    /// Squares, and then each element's factor.
    private let elements: UnsafeMutableRawPointer
    /// Sums, averages, and then factors of rows, of columns, and of matrices.
    private let rowNumbers, columnNumbers, scales: UnsafeMutableRawPointer

    @inline(__always)
    init(_ part: GridPart, _ first: Int, _ scratch: UnsafeMutableRawPointer) {
        (rows, columns) = (part.rows, part.run.count)
        let left = part.matrices - first
        matrices = left < part.blockMatrices ? left : part.blockMatrices
        var run = part.run
        for place in 0..<run.arrayCount {
            run.arrays[place] = run.arrays[place].advanced(by: first * rows * columns)
        }
        elementRun = run
        rowState = part.rowState.advanced(by: first * rows)
        columnState = part.columnState.advanced(by: first * columns)
        elements = scratch
        rowNumbers = scratch + PassScratch.stride
        columnNumbers = scratch + 2 * PassScratch.stride
        scales = scratch + 3 * PassScratch.stride
    }

    @inline(__always)
    var count: Int { matrices * rows * columns }

    @inline(__always)
    func run(_ loop: PassLoop, _ shape: PassShape, _ coefficients: UnsafeRawPointer) -> RunningSums {
        var running = RunningSums()
        withUnsafeMutablePointer(to: &running) { running in
            var call = PassCall(elementRun, shape, running)
            call.columnFactors = UnsafeRawPointer(elements)
            call.columnSums = elements
            withUnsafeMutablePointer(to: &call) { block(loop, $0, coefficients, count) }
        }
        return running
    }

    /// Most small matrices are convolutions' kernels of three by three, for which loops are unrolled.
    @inline(__always)
    private var areThreeByThree: Bool { rows == 3 && columns == 3 }

    /// Adds the squares up by row and by column.
    @inline(__always)
    func addUp() {
        if areThreeByThree {
            addUpNines()
            return
        }
        let size = Self.size
        var (square, rowSum, columnSum) = (elements, rowNumbers, columnNumbers)
        for _ in 0..<matrices {
            for row in 0..<rows {
                var total: Number = value(at: square)
                for column in 0..<columns {
                    let number: Number = value(at: square)
                    let sum = columnSum + column * size
                    if column > 0 { total += number }
                    put(row > 0 ? value(at: sum) + number : number, at: sum)
                    square += size
                }
                put(total, at: rowSum)
                rowSum += size
            }
            columnSum += columns * size
        }
    }

    /// Columns three at a time, with a fourth number that the next matrix, or nothing, replaces.
    @inline(never)
    private func addUpNines() {
        let size = Self.size
        var (square, rowSum, columnSum) = (elements, rowNumbers, columnNumbers)
        for _ in 0..<matrices {
            let (first, second, third) = (four(square), four(square + 3 * size), four(square + 6 * size))
            put((first + second) + third, at: columnSum)
            put((first[0] + first[1]) + first[2], at: rowSum)
            put((second[0] + second[1]) + second[2], at: rowSum + size)
            put((third[0] + third[1]) + third[2], at: rowSum + 2 * size)
            (square, rowSum, columnSum) = (square + 9 * size, rowSum + 3 * size, columnSum + 3 * size)
        }
    }

    @inline(__always)
    private func four(_ numbers: UnsafeRawPointer) -> SIMD4<Number> { numbers.loadUnaligned(as: SIMD4<Number>.self) }

    /// Moves the averages on by the sums, in whose places they are left as they are stored.
    @inline(__always)
    func moveAverages(_ terms: AdafactorCoefficients) {
        move(rowState, rowNumbers, matrices * rows, of: columns, terms)
        move(columnState, columnNumbers, matrices * columns, of: rows, terms)
    }

    /// Averages of another type are moved on in scratch, where the squares were.
    @inline(never)
    private func move(
        _ state: Operand, _ sums: UnsafeMutableRawPointer, _ count: Int, of each: Int, _ terms: AdafactorCoefficients
    ) {
        let (average, added) = (Average<Value>(1 - terms.weight), Value(terms.added))
        let part = Value(1 / Double(each))
        let native = isSame(state.type, Value.native) ? state : Operand(base: elements, type: Value.native)
        @inline(__always)
        func move(_ stored: UnsafeMutableRawPointer, _ index: Int, _ place: Int) {
            let mean = Value(Value.native, in: sums, at: place) * part + added
            let new = average.next(Value(Value.native, in: stored, at: index), mean)
            new.store(Value.native, in: stored, at: index)
            new.store(Value.native, in: sums, at: place)
        }
        if native.base != state.base { convert(state, to: native, count: count) }
        let whole = count & ~(grain - 1)
        var index = 0
        while index < whole {
            prefetch(Value.native, in: native.base, at: index)
            move(native.base, index, index)
            index += grain
        }
        if whole < count {
            var scratch = GrainScratch()
            scratch.withAddress { scratch in
                let (stored, bytes) = (native.base + whole * Self.size, (count - whole) * Self.size)
                copy(stored, to: scratch, bytes: bytes)
                move(scratch, 0, whole)
                copy(scratch, to: stored, bytes: bytes)
            }
        }
        if native.base != state.base {
            convert(native, to: state, count: count)
            convert(state, to: Operand(base: sums, type: Value.native), count: count)
        }
    }

    /// Reads the averages into the places of the sums.
    @inline(__always)
    func loadAverages() {
        load(rowState, rowNumbers, matrices * rows)
        load(columnState, columnNumbers, matrices * columns)
    }

    @inline(never)
    private func load(_ state: Operand, _ numbers: UnsafeMutableRawPointer, _ count: Int) {
        if !isSame(state.type, Value.native) {
            convert(state, to: Operand(base: numbers, type: Value.native), count: count)
            return
        }
        let whole = count & ~(grain - 1)
        var index = 0
        while index < whole {
            prefetch(Value.native, in: state.base, at: index)
            Value(Value.native, in: state.base, at: index).store(Value.native, in: numbers, at: index)
            index += grain
        }
        copy(state.base + whole * Self.size, to: numbers + whole * Self.size, bytes: (count - whole) * Self.size)
    }

    /// Makes each element's factor of the averages: scale sqrt(max(mean of rows, eps)) / sqrt(row column).
    @inline(__always)
    func makeFactors(_ eps: Double, scale: Double) {
        if areThreeByThree { average(of: 3) } else { average(of: rows) }
        let (least, factor, one) = (Value(eps), Value(scale), Value(1))
        replace(scales, matrices) { mean in mean.largest(least).squareRoot() * factor }
        replace(rowNumbers, matrices * rows) { row in one / row.squareRoot() }
        replace(columnNumbers, matrices * columns) { column in one / column.squareRoot() }
        if areThreeByThree { multiplyNines() } else { multiply(rows, columns) }
    }

    /// The mean of each matrix's rows.
    @inline(__always)
    private func average(of rows: Int) {
        let size = Self.size
        let part = Number(1 / Double(rows))
        var (row, mean) = (rowNumbers, scales)
        for _ in 0..<matrices {
            var total: Number = value(at: row)
            for other in 1..<max(rows, 1) { total += value(at: row + other * size) }
            put(total * part, at: mean)
            (row, mean) = (row + rows * size, mean + size)
        }
    }

    @inline(__always)
    private func replace(_ numbers: UnsafeMutableRawPointer, _ count: Int, _ body: (Value) -> Value) {
        var index = 0
        while index < count {
            body(Value(Value.native, in: numbers, at: index)).store(Value.native, in: numbers, at: index)
            index += grain
        }
    }

    /// Three at a time, with a fourth number that the next row, or nothing, replaces.
    @inline(never)
    private func multiplyNines() {
        let size = Self.size
        var (element, row, column, scale) = (elements, rowNumbers, columnNumbers, scales)
        for _ in 0..<matrices {
            let ofMatrix: Number = value(at: scale)
            let (ofRows, ofColumns) = (four(row) * ofMatrix, four(column))
            put(ofColumns * ofRows[0], at: element)
            put(ofColumns * ofRows[1], at: element + 3 * size)
            put(ofColumns * ofRows[2], at: element + 6 * size)
            (element, row, column, scale) = (element + 9 * size, row + 3 * size, column + 3 * size, scale + size)
        }
    }

    @inline(__always)
    private func multiply(_ rows: Int, _ columns: Int) {
        let size = Self.size
        var (element, row, column, scale) = (elements, rowNumbers, columnNumbers, scales)
        for _ in 0..<matrices {
            let ofMatrix: Number = value(at: scale)
            for _ in 0..<rows {
                let ofRow = ofMatrix * value(at: row)
                for place in 0..<columns {
                    put(ofRow * value(at: column + place * size), at: element)
                    element += size
                }
                row += size
            }
            column += columns * size
            scale += size
        }
    }
}
