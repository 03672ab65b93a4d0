// Recurrent layers, a run of samples at a time: all steps, one after another, forward and back. Samples know nothing of one
// another, so threads need not meet between steps. What a step does with its products is in RecurrentCells.swift.

import MartletKernelInterface

/// All steps of one piece's samples, forward or back.
@inline(never)
func recurrence(_ request: UnsafeRawPointer, _ piece: Int, _ scratch: UnsafeMutableRawPointer) {
    let request: RecurrenceRequest = value(at: request)
    BlockScratch.prepare(scratch)
    if request.isBackward {
        goBack(request, request.cut.range(piece), scratch)
    } else {
        goForward(request, request.cut.range(piece), scratch)
    }
}

@inline(never)
@_optimize(size)
private func goForward(_ request: RecurrenceRequest, _ samples: Range<Int>, _ scratch: UnsafeMutableRawPointer) {
    let recurrence = request.recurrence
    let units = recurrence.units
    for step in 0..<recurrence.steps {
        if !request.isWhole { addState(recurrence, step, samples, scratch) }
        if recurrence.cell.resetsFirst { addReset(recurrence, step, samples, scratch) }
        for sample in samples {
            let row = step * recurrence.batch + sample
            let isHidden = recurrence.isHidden(row)
            isHidden ? skip(recurrence, row) : stepForward(recurrence, row)
            guard let place = recurrence.output(ofSample: sample, step: step) else { continue }
            if isHidden && recurrence.hidesOutput {
                clear(request.output + place, bytes: 4 * units)
                continue
            }
            copy(recurrence.states + (row + recurrence.batch) * units, to: request.output + place, bytes: 4 * units)
        }
    }
}

/// The products of a step's state with the recurrent kernel.
@inline(never)
@_optimize(size)
private func addState(
    _ recurrence: Recurrence, _ step: Int, _ samples: Range<Int>, _ scratch: UnsafeMutableRawPointer
) {
    let units = recurrence.units
    let first = step * recurrence.batch + samples.lowerBound
    let left = recurrence.leftStates + first * units
    if recurrence.dropsStates {
        combine(
            .product, samples.count * units, recurrence.states + first * units,
            recurrence.stateFactors + samples.lowerBound * units, to: left)
    }
    let state = PanelProduct(rows: samples.count, inner: units, left: left, leftRow: units)
    let gates = recurrence.gates + first * recurrence.gateCount
    state.add(
        recurrence.panels, columns: recurrence.joinedCount, to: gates, row: recurrence.gateCount,
        start: BlockStart(base: gates, row: recurrence.gateCount * 4), scratch)
    if recurrence.cell.isSplit {
        state.add(
            recurrence.otherPanels, columns: units, to: recurrence.kept + first * units, row: units,
            start: BlockStart(base: recurrence.stateBias, row: 0), scratch)
    }
}

/// The products of the state that is reset, once it is.
@inline(never)
@_optimize(size)
private func addReset(
    _ recurrence: Recurrence, _ step: Int, _ samples: Range<Int>, _ scratch: UnsafeMutableRawPointer
) {
    let units = recurrence.units
    let first = step * recurrence.batch + samples.lowerBound
    for row in first..<first + samples.count { reset(recurrence, row) }
    let last = recurrence.gates + first * recurrence.gateCount + 2 * units
    PanelProduct(rows: samples.count, inner: units, left: recurrence.kept + first * units, leftRow: units).add(
        recurrence.otherPanels, columns: units, to: last, row: recurrence.gateCount,
        start: BlockStart(base: last, row: recurrence.gateCount * 4), scratch)
}

/// The gradients of the state that is reset, and of the gate that does it.
@inline(never)
@_optimize(size)
private func goBackThroughReset(
    _ recurrence: Recurrence, _ step: Int, _ samples: Range<Int>, _ work: UnsafeMutablePointer<Float>,
    _ scratch: UnsafeMutableRawPointer
) {
    let units = recurrence.units
    let first = step * recurrence.batch + samples.lowerBound
    let gradients = recurrence.cellGradients + samples.lowerBound * units
    PanelProduct(
        rows: samples.count, inner: units, left: recurrence.gates + first * recurrence.gateCount + 2 * units,
        leftRow: recurrence.gateCount
    ).add(
        recurrence.otherPanels, columns: units, to: gradients, row: units, start: BlockStart(base: nil, row: 0), scratch
    )
    for sample in samples {
        let row = step * recurrence.batch + sample
        if recurrence.isHidden(row) { continue }
        inParts(of: units) { resetBackward(recurrence, row: row, sample, first: $0, $1, work) }
    }
}

/// Calls `body` with where a part of some units begins, and how many they are: as many as there is memory for at once.
@inline(__always)
private func inParts(of units: Int, _ body: (Int, Int) -> Void) {
    var first = 0
    while first < units {
        let count = min(units - first, CellWork.most)
        body(first, count)
        first += count
    }
}

/// From the last step to the first.
@inline(never)
@_optimize(size)
private func goBack(_ request: RecurrenceRequest, _ samples: Range<Int>, _ scratch: UnsafeMutableRawPointer) {
    let recurrence = request.recurrence
    let (units, gateCount) = (recurrence.units, recurrence.gateCount)
    let work = (scratch + PieceMemory.left).assumingMemoryBound(to: Float.self)
    let carried = recurrence.stateGradients + samples.lowerBound * units
    var step = recurrence.steps - 1
    while true {
        for sample in samples {
            let own = recurrence.stateGradients + sample * units
            let row = step * recurrence.batch + sample
            let isHidden = recurrence.isHidden(row)
            if let place = recurrence.output(ofSample: sample, step: step), !(isHidden && recurrence.hidesOutput) {
                combine(.sum, units, own, request.output + place, to: own)
            }
            if isHidden {
                clear(recurrence.gates + row * gateCount, bytes: 4 * gateCount)
                if recurrence.cell.isSplit { clear(recurrence.kept + row * units, bytes: 4 * units) }
                continue
            }
            inParts(of: units) { stepBackward(recurrence, row: row, sample, first: $0, $1, work) }
        }
        if recurrence.cell.resetsFirst { goBackThroughReset(recurrence, step, samples, work, scratch) }
        if step == 0 && !request.isWhole { return }
        let first = step * recurrence.batch + samples.lowerBound
        let start = BlockStart(base: carried, row: units * 4)
        let (count, passed) = (samples.count * units, recurrence.passed + samples.lowerBound * units)
        if recurrence.dropsStates {
            copy(carried, to: passed, bytes: 4 * count)
            clear(carried, bytes: 4 * count)
        }
        if recurrence.cell.resetsFirst {
            combine(.sum, count, carried, recurrence.cellGradients + samples.lowerBound * units, to: carried)
        }
        PanelProduct(
            rows: samples.count, inner: recurrence.joinedCount, left: recurrence.gates + first * gateCount,
            leftRow: gateCount
        ).add(recurrence.panels, columns: units, to: carried, row: units, start: start, scratch)
        if recurrence.cell.isSplit {
            PanelProduct(rows: samples.count, inner: units, left: recurrence.kept + first * units, leftRow: units)
                .add(recurrence.otherPanels, columns: units, to: carried, row: units, start: start, scratch)
        }
        if recurrence.dropsStates {
            combine(.product, count, carried, recurrence.stateFactors + samples.lowerBound * units, to: carried)
            combine(.sum, count, carried, passed, to: carried)
        }
        if step == 0 { return }
        step -= 1
    }
}

/// The left factor of a product whose right one lies in panels.
private struct PanelProduct {
    let rows: Int
    let inner: Int
    let left: UnsafePointer<Float>
    /// From row to row.
    let leftRow: Int

    /// out = start + left · right.
    @inline(never)
    @_optimize(size)
    func add(
        _ right: UnsafePointer<Float>, columns: Int, to out: UnsafeMutablePointer<Float>, row: Int, start: BlockStart,
        _ scratch: UnsafeMutableRawPointer
    ) {
        let blocks = ProductLimits.blocks(of: inner)
        let panels = RightPanels(columns: columns, inner: inner)
        for index in 0..<blocks.pieces {
            let part = blocks.range(index)
            withAddress(of: Segment(left: 0, right: 0, count: part.count)) { segment in
                let block = TileBlock(
                    segments: segment, segmentCount: 1, leftRow: leftRow * 4, leftStep: 4, rightStep: panels.rowStride,
                    outRow: row * 4, startRow: 0, floor: -.infinity)
                var column = 0
                while column < columns {
                    let start =
                        index == 0 ? start.at(row: 0, column: column) : BlockStart(base: out + column, row: row * 4)
                    multiplyBlock(
                        block, rows: rows, columns: min(columns - column, ProductLimits.columns),
                        left: left + part.lowerBound,
                        right: UnsafeRawPointer(right) + panels.offset(column: column) + part.lowerBound
                            * panels.rowStride,
                        panelStride: panels.panelStride, start: start, out: out + column, scratch: scratch)
                    column += ProductLimits.columns
                }
            }
        }
    }
}
