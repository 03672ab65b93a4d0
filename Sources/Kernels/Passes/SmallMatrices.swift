// Adafactor over whole matrices so small that several fit into a block. One pass sums rows and columns, moves the averages
// on and measures the update, while the block is in the first-level cache; the next makes the factors again and takes the
// step. What is made on the way stays in scratch. The equation stands in Adafactor.swift.

import MartletKernelInterface

func adafactorSmallSums(_ part: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    let part: GridPart = value(at: part)
    if part.run.isDouble {
        sums(DoubleLanes.self, Off.self, part, coefficients)
    } else if isPlain(part) {
        sums(FloatLanes.self, On.self, part, coefficients)
    } else {
        sums(FloatLanes.self, Off.self, part, coefficients)
    }
}

func adafactorSmallUpdate(_ part: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    let part: GridPart = value(at: part)
    if part.run.isDouble {
        update(DoubleLanes.self, Off.self, part, coefficients)
    } else if isPlain(part) {
        update(FloatLanes.self, On.self, part, coefficients)
    } else {
        update(FloatLanes.self, Off.self, part, coefficients)
    }
}

/// Whether every array is fp32.
@inline(__always)
private func isPlain(_ part: GridPart) -> Bool {
    if !isPlain(part.run) { return false }
    switch (part.rowState.type, part.columnState.type) {
    case (.fp32, .fp32): return true
    default: return false
    }
}

@inline(never)
private func sums<Value: Lanes, IsPlain: Switch>(
    _ type: Value.Type, _ isPlain: IsPlain.Type, _ part: GridPart, _ coefficients: UnsafeRawPointer
) {
    let terms: AdafactorCoefficients = value(at: coefficients + StepCoefficients.ruleOffset)
    var scratch = PassScratch()
    scratch.withAddress { scratch in
        var first = 0
        while first < part.matrices {
            let block = MatrixBlock<Value, IsPlain>(part, first, scratch)
            clearDoubles(block.elements, count: block.count)
            let measured = block.run(AdafactorSumsRule<Value>.self, coefficients)
            addTo(part.sums, sum(measured.first))
            block.addUp()
            block.moveAverages(terms)
            block.makeFactors(terms.eps, scale: 1)
            let update = block.run(AdafactorNormRule<Value>.self, coefficients)
            addTo(part.sums + 1, sum(update.second))
            first += block.matrices
        }
    }
}

@inline(never)
private func update<Value: Lanes, IsPlain: Switch>(
    _ type: Value.Type, _ isPlain: IsPlain.Type, _ part: GridPart, _ coefficients: UnsafeRawPointer
) {
    let terms: AdafactorCoefficients = value(at: coefficients + StepCoefficients.ruleOffset)
    var scratch = PassScratch()
    scratch.withAddress { scratch in
        var first = 0
        while first < part.matrices {
            let block = MatrixBlock<Value, IsPlain>(part, first, scratch)
            block.loadAverages()
            block.makeFactors(terms.eps, scale: terms.scale)
            _ = block.run(AdafactorUpdateRule<Value>.self, coefficients)
            first += block.matrices
        }
    }
}

/// Some matrices of a part, with scratch for them.
private struct MatrixBlock<Value: Lanes, IsPlain: Switch> {
    private let arrays: Arrays
    private let rowState, columnState: Operand
    private let rows, columns: Int
    let matrices: Int
    /// Squares in fp64, and then each element's factor in the type computed in.
    let elements: UnsafeMutableRawPointer
    /// Sums, averages, and then factors of rows, of columns, and of matrices, likewise.
    private let rowNumbers, columnNumbers, scales: UnsafeMutableRawPointer

    @inline(__always)
    init(_ part: GridPart, _ first: Int, _ scratch: UnsafeMutableRawPointer) {
        (rows, columns) = (part.rows, part.run.count)
        let left = part.matrices - first
        matrices = left < part.blockMatrices ? left : part.blockMatrices
        var arrays = part.run.arrays
        for place in 0..<part.run.arrayCount {
            arrays[place] = arrays[place].advanced(by: first * rows * columns)
        }
        self.arrays = arrays
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
    func run<Rule: PassRule>(_ rule: Rule.Type, _ coefficients: UnsafeRawPointer) -> RunningSums
    where Rule.Value == Value {
        var running = RunningSums()
        withUnsafeMutablePointer(to: &running) { running in
            block(
                rule, IsPlain.self, coefficients, arrays, count, row: 1, columnFactors: elements, columnSums: elements,
                running)
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
        clearDoubles(columnNumbers, count: matrices * columns)
        var (square, rowSum, columnSum) = (elements, rowNumbers, columnNumbers)
        for _ in 0..<matrices {
            for _ in 0..<rows {
                var total = 0.0
                for column in 0..<columns {
                    let number: Double = value(at: square)
                    total += number
                    let sum: Double = value(at: columnSum + 8 * column)
                    put(sum + number, at: columnSum + 8 * column)
                    square += 8
                }
                put(total, at: rowSum)
                rowSum += 8
            }
            columnSum += 8 * columns
        }
    }

    /// Columns three at a time, with a fourth number that the next matrix, or nothing, replaces.
    @inline(never)
    private func addUpNines() {
        var (square, rowSum, columnSum) = (elements, rowNumbers, columnNumbers)
        for _ in 0..<matrices {
            let (first, second, third) = (four(square), four(square + 24), four(square + 48))
            put((first + second) + third, at: columnSum)
            put((first[0] + first[1]) + first[2], at: rowSum)
            put((second[0] + second[1]) + second[2], at: rowSum + 8)
            put((third[0] + third[1]) + third[2], at: rowSum + 16)
            (square, rowSum, columnSum) = (square + 72, rowSum + 24, columnSum + 24)
        }
    }

    @inline(__always)
    private func four(_ numbers: UnsafeRawPointer) -> SIMD4<Double> { numbers.loadUnaligned(as: SIMD4<Double>.self) }

    /// Moves the averages on by the sums, in whose places they are left as they are stored.
    @inline(__always)
    func moveAverages(_ terms: AdafactorCoefficients) {
        move(rowState, rowNumbers, matrices * rows, of: columns, terms.weight, terms.added)
        move(columnState, columnNumbers, matrices * columns, of: rows, terms.weight, terms.added)
    }

    @inline(never)
    private func move(
        _ state: Operand, _ sums: UnsafeMutableRawPointer, _ count: Int, of each: Int, _ weight: Double, _ added: Double
    ) {
        let (average, added) = (ShortWay(weight), DoubleLanes(added))
        let (type, part) = (IsPlain.isOn ? Value.native : state.type, DoubleLanes(1 / Double(each)))
        var index = 0
        while index + grain <= count {
            let old = DoubleLanes(type, in: state.base, at: index)
            average.next(old, DoubleLanes(.fp64, in: sums, at: index) * part + added).store(
                type, in: state.base, at: index)
            DoubleLanes(type, in: state.base, at: index).store(.fp64, in: sums, at: index)
            index += grain
        }
        if index == count { return }
        var scratch = GrainScratch()
        scratch.withAddress { scratch in
            let (stored, bytes) = (state.base + index * type.size, (count - index) * type.size)
            copy(stored, to: scratch, bytes: bytes)
            let old = DoubleLanes(type, in: scratch, at: 0)
            average.next(old, DoubleLanes(.fp64, in: sums, at: index) * part + added).store(type, in: scratch, at: 0)
            DoubleLanes(type, in: scratch, at: 0).store(.fp64, in: sums, at: index)
            copy(scratch, to: stored, bytes: bytes)
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
        let type = IsPlain.isOn ? Value.native : state.type
        var index = 0
        while index + grain <= count {
            DoubleLanes(type, in: state.base, at: index).store(.fp64, in: numbers, at: index)
            index += grain
        }
        if index == count { return }
        var scratch = GrainScratch()
        scratch.withAddress { scratch in
            copy(state.base + index * type.size, to: scratch, bytes: (count - index) * type.size)
            DoubleLanes(type, in: scratch, at: 0).store(.fp64, in: numbers, at: index)
        }
    }

    /// Makes each element's factor of the averages: scale sqrt(max(mean of rows, eps)) / sqrt(row column).
    @inline(__always)
    func makeFactors(_ eps: Double, scale: Double) {
        if areThreeByThree { average(of: 3) } else { average(of: rows) }
        let (least, factor, one) = (Value(eps), Value(scale), Value(1))
        replace(scales, matrices) { mean in mean.largest(least).squareRoot() * factor }
        replace(rowNumbers, matrices * rows) { row in one / row.squareRoot() }
        replace(columnNumbers, matrices * columns) { column in one / column.squareRoot() }
        switch Value.native {
        case .fp32 where areThreeByThree: multiplyNines()
        default: multiply(rows, columns)
        }
    }

    /// The mean of each matrix's rows.
    @inline(__always)
    private func average(of rows: Int) {
        let part = 1 / Double(rows)
        var (row, mean) = (rowNumbers, scales)
        for _ in 0..<matrices {
            var total = 0.0
            for _ in 0..<rows {
                total += value(at: row)
                row += 8
            }
            put(total * part, at: mean)
            mean += 8
        }
    }

    /// Replaces numbers of fp64 by others of the type computed in, from the first on.
    @inline(__always)
    private func replace(_ numbers: UnsafeMutableRawPointer, _ count: Int, _ body: (Value) -> Value) {
        var index = 0
        while index < count {
            DoubleLanes(.fp64, in: numbers, at: index).store(Value.native, in: numbers, at: index)
            body(Value(Value.native, in: numbers, at: index)).store(Value.native, in: numbers, at: index)
            index += grain
        }
    }

    /// Of fp32, three at a time, with a fourth number that the next row, or nothing, replaces.
    @inline(never)
    private func multiplyNines() {
        var (element, row, column, scale) = (elements, rowNumbers, columnNumbers, scales)
        for _ in 0..<matrices {
            let ofMatrix: Float = value(at: scale)
            let ofRows = row.loadUnaligned(as: SIMD4<Float>.self) * SIMD4(repeating: ofMatrix)
            let ofColumns = column.loadUnaligned(as: SIMD4<Float>.self)
            put(ofColumns * SIMD4(repeating: ofRows[0]), at: element)
            put(ofColumns * SIMD4(repeating: ofRows[1]), at: element + 12)
            put(ofColumns * SIMD4(repeating: ofRows[2]), at: element + 24)
            (element, row, column, scale) = (element + 36, row + 12, column + 12, scale + 4)
        }
    }

    @inline(__always)
    private func multiply(_ rows: Int, _ columns: Int) {
        typealias Number = Value.Number
        let size = MemoryLayout<Number>.stride
        var (element, row, column, scale) = (elements, rowNumbers, columnNumbers, scales)
        for _ in 0..<matrices {
            let ofMatrix: Number = value(at: scale)
            for _ in 0..<rows {
                let ofRow = Value.product(ofMatrix, value(at: row))
                for place in 0..<columns {
                    put(Value.product(ofRow, value(at: column + place * size)), at: element)
                    element += size
                }
                row += size
            }
            column += columns * size
            scale += size
        }
    }
}
