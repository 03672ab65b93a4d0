// One piece of a pass: a tile of a parameter, or all of it where a pass works on what tiles have summed. Blocks of arrays that
// lie apart are gathered for it, and updates that are masked are made of them; which piece runs when is PassList.swift's
// affair.
import MartletKernelInterface
import MartletPlatform

/// One piece of a pass of one item.
@unsafe struct PassPiece {
    let item: UnsafeMutablePointer<PassItem>
    let pass: Pass
    let kernel: PassKernel
    let isa: InstructionSet
    let piece: Int
    /// Whether the pass makes updates in memory of theirs, or masks them.
    let makesUpdates: Bool
    /// This thread's memory for blocks; there where the item goes by blocks or its updates are masked.
    let gathered: UnsafeMutableRawPointer?

    static let run: @convention(c) (UnsafeMutableRawPointer) -> Void = { context in
        unsafe context.assumingMemoryBound(to: PassPiece.self).pointee.run()
    }

    private func run() {
        if unsafe pass.isWhole {
            unsafe kernel(&item.pointee.tensor, item.pointee.coefficients)
            return
        }
        let grid = unsafe item.pointee.tensor.grid
        let memory = unsafe item.pointee.tensor.memory
        let tile = unsafe grid.tile(piece)
        let sums = unsafe memory.sums + GridMemory.sumCount * piece
        unsafe sums.update(repeating: 0, count: GridMemory.sumCount)
        if unsafe pass.takesMatrices {
            unsafe runMatrices(tile.matrices, sums)
            return
        }
        let access = unsafe access
        let columnTile = tile.columns.lowerBound / grid.tileColumns
        let rowTile = tile.rows.lowerBound / grid.tileRows
        let numberSize = unsafe item.pointee.tensor.run.isDouble ? 8 : 4
        for matrix in tile.matrices {
            let row = matrix * grid.rows + tile.rows.lowerBound
            let column = tile.columns.lowerBound
            var part = unsafe GridPart(item.pointee.tensor)
            unsafe part.sums = unsafe sums
            unsafe part.rowSums += columnTile * grid.matrices * grid.rows + row
            unsafe part.columnSums += (matrix * grid.rowTiles + rowTile) * grid.columns + column
            unsafe part.rowFactors += row
            unsafe part.columnFactors +=
                (matrix * grid.columns + tile.rows.lowerBound * part.factorStride + column) * numberSize
            if unsafe pass.sumsRows { unsafe part.rowSums.update(repeating: 0, count: tile.rows.count) }
            if unsafe pass.sumsColumns { unsafe part.columnSums.update(repeating: 0, count: tile.columns.count) }
            let first = row * grid.columns + column
            if let gathered = unsafe gathered, unsafe makesUpdates || item.pointee.goesByBlocks {
                unsafe runBlocks(
                    part, item.pointee.layout, access, in: gathered, first: first, rows: tile.rows.count,
                    columns: tile.columns.count)
            } else {
                unsafe part.run.advance(by: first)
                unsafe part.run.count = tile.columns.count
                unsafe part.rows = tile.rows.count
                unsafe kernel(&part, item.pointee.coefficients)
            }
        }
    }

    /// The item's coded arrays; nil: it has none.
    private var access: CodedAccess? {
        unsafe item.pointee.coded.map { unsafe CodedAccess($0, item.pointee.layout, isa, capacity: Grid.blockCount) }
    }

    /// Hands whole matrices to a pass that takes such: all at once, or a block at a time where arrays lie apart, and are
    /// gathered, or are coded.
    @inline(never)
    private func runMatrices(_ matrices: Range<Int>, _ sums: UnsafeMutablePointer<Double>) {
        let grid = unsafe item.pointee.tensor.grid
        var part = unsafe GridPart(item.pointee.tensor)
        unsafe part.sums = unsafe sums
        unsafe part.rows = grid.rows
        unsafe part.run.count = grid.columns
        unsafe part.blockMatrices = grid.blockMatrices
        unsafe part.rowState = part.rowState.advanced(by: matrices.lowerBound * grid.rows)
        unsafe part.columnState = part.columnState.advanced(by: matrices.lowerBound * grid.columns)
        unsafe part.matrices = matrices.count
        let each = grid.rows * grid.columns
        guard let gathered = unsafe gathered, unsafe item.pointee.goesByBlocks else {
            unsafe part.run.advance(by: matrices.lowerBound * each)
            unsafe kernel(&part, item.pointee.coefficients)
            return
        }
        let (start, layout, access) = unsafe (part.run, item.pointee.layout, access)
        for first in stride(from: matrices.lowerBound, to: matrices.upperBound, by: grid.blockMatrices) {
            unsafe part.matrices = min(grid.blockMatrices, matrices.upperBound - first)
            let count = unsafe part.matrices * each
            unsafe fetch(&part.run, from: start, layout, access, in: gathered, first: first * each, count: count)
            unsafe kernel(&part, item.pointee.coefficients)
            unsafe putBack(start, layout, access, in: gathered, first: first * each, count: count)
            unsafe part.rowState = part.rowState.advanced(by: part.matrices * grid.rows)
            unsafe part.columnState = part.columnState.advanced(by: part.matrices * grid.columns)
        }
    }

    /// Bytes of a gathered block of one array.
    static var blockBytes: Int { Grid.blockCount * 8 }

    /// Lets a run's arrays begin with an element: gathered where they have a layout, as numbers where they are coded.
    private func fetch(
        _ run: inout Run, from start: Run, _ layout: Layout?, _ access: CodedAccess?,
        in gathered: UnsafeMutableRawPointer, first: Int, count: Int
    ) {
        for array in unsafe 0..<run.arrayCount {
            guard let layout = unsafe layout else {
                unsafe run.arrays[array] = unsafe start.arrays[array].advanced(by: first)
                continue
            }
            if let access = unsafe access, unsafe access.has(array) { continue }
            unsafe run.arrays[array].base = gathered + array * PassPiece.blockBytes
            unsafe layout.copy(
                .gather, array: array, start.arrays[array], first: first, count: count, block: run.arrays[array].base)
        }
        unsafe access?.fetch(&run, first: first, count: count, rooms: gathered)
    }

    /// The way back of what the pass writes.
    private func putBack(
        _ start: Run, _ layout: Layout?, _ access: CodedAccess?, in gathered: UnsafeMutableRawPointer, first: Int,
        count: Int
    ) {
        guard unsafe pass.writesElements else { return }
        if let layout = unsafe layout {
            for array in unsafe 0..<start.arrayCount where unsafe array != Run.gradient {
                if let access = unsafe access, unsafe access.has(array) { continue }
                unsafe layout.copy(
                    .scatter, array: array, start.arrays[array], first: first, count: count,
                    block: gathered + array * PassPiece.blockBytes)
            }
        }
        unsafe access?.put(
            first: first, count: count, rooms: gathered, value: pass.writesValue && !makesUpdates)
    }

    /// Runs blocks of several short rows or a part of one, where arrays have a layout gathered, and coded ones as numbers.
    @inline(never)
    private func runBlocks(
        _ start: GridPart, _ layout: Layout?, _ access: CodedAccess?, in gathered: UnsafeMutableRawPointer, first: Int,
        rows: Int, columns: Int
    ) {
        let most = columns <= Grid.mostOfShortRow ? Grid.smallCount : Grid.blockCount
        let rowsAtOnce = unsafe columns == start.rowStride ? max(1, most / columns) : 1
        var row = 0
        while row < rows {
            let height = min(rowsAtOnce, rows - row)
            var column = 0
            while column < columns {
                let width = min(most, columns - column)
                let place = unsafe first + row * start.rowStride + column
                var part = unsafe start
                unsafe fetch(
                    &part.run, from: start.run, layout, access, in: gathered, first: place, count: height * width)
                unsafe part.run.count = width
                unsafe part.rows = height
                unsafe part.rowSums += row
                unsafe part.columnSums += column
                unsafe part.rowFactors += row
                unsafe part.columnFactors += (row * part.factorStride + column) * (part.run.isDouble ? 8 : 4)
                if unsafe makesUpdates {
                    unsafe makeUpdates(part, gradients: gathered + Run.capacity * PassPiece.blockBytes)
                } else {
                    unsafe kernel(&part, item.pointee.coefficients)
                }
                unsafe putBack(start.run, layout, access, in: gathered, first: place, count: height * width)
                column += width
            }
            row += height
        }
    }
}
