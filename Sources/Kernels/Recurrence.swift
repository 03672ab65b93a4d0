// Recurrent layers, a run of samples at a time: all steps, one after another, forward and back. Samples know nothing of one
// another, so threads need not meet between steps. What a step does with its products is in RecurrentCells.swift.

import MartletKernelInterface

/// All steps of one piece's samples.
@inline(never)
func recurrence(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: RecurrenceRequest = value(at: request)
    let (recurrence, samples) = (request.recurrence, request.cut.range(piece))
    let (units, gates) = (recurrence.shape.units, recurrence.shape.gates)
    BlockScratch.prepare(scratch)
    clearNumbers(recurrence.states + samples.lowerBound * units, count: samples.count * units)
    clearNumbers(recurrence.cells + samples.lowerBound * units, count: samples.count * units)
    for step in 0..<recurrence.shape.steps {
        let first = step * recurrence.batch + samples.lowerBound
        multiply(
            rows: samples.count, inner: units, columns: gates, recurrence.states + first * units, recurrence.panels,
            accumulates: true, recurrence.gates + first * gates, scratch)
        for sample in samples {
            let row = step * recurrence.batch + sample
            switch recurrence.shape.cell {
            case .lstm: longShortTerm(recurrence, row)
            }
            guard let place = recurrence.output(ofSample: sample, step: step) else { continue }
            copyNumbers(
                recurrence.states + (row + recurrence.batch) * units, to: request.output + place, count: units)
        }
    }
}

/// The same back, from the last step to the first.
@inline(never)
func recurrenceBackward(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: RecurrenceBackwardRequest = value(at: request)
    let (recurrence, samples) = (request.recurrence, request.cut.range(piece))
    let (units, gates) = (recurrence.shape.units, recurrence.shape.gates)
    BlockScratch.prepare(scratch)
    let work = (scratch + PieceMemory.left).assumingMemoryBound(to: Float.self)
    let carried = recurrence.stateGradients + samples.lowerBound * units
    clearNumbers(carried, count: samples.count * units)
    clearNumbers(recurrence.cellGradients + samples.lowerBound * units, count: samples.count * units)
    var step = recurrence.shape.steps - 1
    while true {
        for sample in samples {
            let gradient = recurrence.output(ofSample: sample, step: step).map { request.gradient + $0 }
            var start = 0
            while start < units {
                let columns = start..<min(start + CellWork.most, units)
                switch recurrence.shape.cell {
                case .lstm:
                    longShortTermBackward(
                        recurrence, row: step * recurrence.batch + sample, sample, gradient, columns, work)
                }
                start = columns.upperBound
            }
        }
        if step == 0 { return }
        multiply(
            rows: samples.count, inner: gates, columns: units,
            recurrence.gates + (step * recurrence.batch + samples.lowerBound) * gates, recurrence.panels,
            accumulates: false, carried, scratch)
        step -= 1
    }
}

/// out = left · right, or out += it, of rows that lie together and a right factor in panels.
@inline(never)
private func multiply(
    rows: Int, inner: Int, columns: Int, _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, accumulates: Bool,
    _ out: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutableRawPointer
) {
    let blocks = ProductLimits.blocks(of: inner)
    let panels = RightPanels(columns: columns, inner: inner)
    for index in 0..<blocks.pieces {
        let part = blocks.range(index)
        withAddress(of: Segment(left: 0, right: 0, count: part.count)) { segment in
            let block = TileBlock(
                segments: segment, segmentCount: 1, leftRow: inner * 4, leftStep: 4, rightStep: panels.rowStride,
                outRow: columns * 4, startRow: 0, floor: -.infinity)
            var column = 0
            while column < columns {
                let place = out + column
                multiplyBlock(
                    block, rows: rows, columns: min(columns - column, ProductLimits.columns),
                    left: left + part.lowerBound,
                    right: UnsafeRawPointer(right) + panels.offset(column: column) + part.lowerBound * panels.rowStride,
                    panelStride: panels.panelStride,
                    start: accumulates || index > 0
                        ? BlockStart(base: place, row: columns * 4) : BlockStart(base: nil, row: 0),
                    out: place, scratch: scratch)
                column += ProductLimits.columns
            }
        }
    }
}
