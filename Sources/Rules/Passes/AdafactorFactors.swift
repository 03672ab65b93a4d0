// Adafactor's averages of rows and columns, moved on by what the tiles have summed, and the factors that come of them. The
// equation stands in Adafactor.swift. All in fp64, whatever the averages are stored as.

import MartletKernelInterface

func adafactorFactors(_ tensor: UnsafeRawPointer, _ coefficients: UnsafeRawPointer) {
    let tensor: GridTensor = value(at: tensor)
    let terms: AdafactorCoefficients = value(at: coefficients + StepCoefficients.ruleOffset)
    let (grid, memory) = (tensor.grid, tensor.memory)
    let rows = grid.matrices * grid.rows
    let type: ElementType = tensor.run.isDouble ? .fp64 : .fp32
    moveOn(
        tensor.rowState, rows,
        MeanSums(memory.rowSums, step: rows, tiles: grid.columnTiles, of: grid.columns, terms.added),
        terms.weight
    ) { average, row in write(average.lanes, to: memory.rowFactors + row) }
    var matrix = 0
    while matrix < grid.matrices {
        scaleRows(memory.rowFactors + matrix * grid.rows, grid.rows, terms.eps)
        matrix += 1
    }
    // The columns of small matrices, which one tile has, lie one behind the other.
    let together = grid.rowTiles == 1 ? grid.matrices : 1
    let columns = together * grid.columns
    matrix = 0
    while matrix < grid.matrices {
        let first = matrix * grid.columns
        let factors = Operand(base: memory.columnFactors, type: type).advanced(by: first)
        let sums = memory.columnSums + first * grid.rowTiles
        moveOn(
            tensor.columnState.advanced(by: first), columns,
            MeanSums(sums, step: columns, tiles: grid.rowTiles, of: grid.rows, terms.added), terms.weight
        ) { average, column in
            (DoubleLanes(1) / average.squareRoot()).store(type, in: factors.base, at: column)
        }
        matrix += together
    }
}

/// Replaces the averages r of a matrix's rows by sqrt(max(mean, eps) / r). Sixteen at a time, over what is behind them: it
/// is written afterwards, or is nothing.
@inline(__always)
private func scaleRows(_ rows: UnsafeMutablePointer<Double>, _ count: Int, _ eps: Double) {
    var total = 0.0
    var row = 0
    while row < count {
        total += value(at: rows + row)
        row += 1
    }
    let mean = total / Double(count)
    let scale = DoubleLanes((mean < eps ? eps : mean).squareRoot())
    row = 0
    while row + grain <= count {
        write((scale / DoubleLanes(lanes: read(rows + row)).squareRoot()).lanes, to: rows + row)
        row += grain
    }
    if row == count { return }
    var scratch = GrainScratch()
    scratch.withAddress { scratch in
        copy(rows + row, to: scratch, bytes: (count - row) * 8)
        write((scale / DoubleLanes(lanes: read(scratch)).squareRoot()).lanes, to: scratch)
        copy(scratch, to: rows + row, bytes: (count - row) * 8)
    }
}
