// What recurrent layers do at one step of one sample, once the products with its input and with the state before are there,
// and the gradients of that. Kernels/Recurrence.swift walks over steps.

import MartletKernelInterface

/// Memory for gradients on their way through a cell: as many units at a time as have room in the first-level cache.
enum CellWork {
    @inline(__always)
    static var most: Int { 1024 }
}

/// Hochreiter, Schmidhuber: Long short-term memory. Neural Computation 9, 1997; with the gate that forgets of Gers,
/// Schmidhuber, Cummins: Learning to forget. 2000. With f the activation and s that of gates, of what gates hold:
/// i = s(i), r = s(r), g = f(g), o = s(o); cell = r before + i g; state = o f(cell).
@inline(never)
func longShortTerm(_ recurrence: Recurrence, _ row: Int) {
    let units = recurrence.shape.units
    let gates = recurrence.gates + row * 4 * units
    let (before, cell) = (recurrence.cells + row * units, recurrence.cells + (row + recurrence.batch) * units)
    let active = recurrence.activeCells + row * units
    let state = recurrence.states + (row + recurrence.batch) * units
    let slope = recurrence.slope
    activate(recurrence.gateActivation, slope: slope, gates, gates, 0..<2 * units)
    activate(recurrence.activation, slope: slope, gates, gates, 2 * units..<3 * units)
    activate(recurrence.gateActivation, slope: slope, gates, gates, 3 * units..<4 * units)
    var unit = 0
    while unit < units {
        let count = min(units - unit, grain)
        let place = gates + unit
        let fresh = load(count, place) * load(count, place + 2 * units)
        store(count, multiplyAdd(fresh, load(count, place + units), load(count, before + unit)), to: cell + unit)
        unit += grain
    }
    activate(recurrence.activation, slope: slope, cell, active, 0..<units)
    unit = 0
    while unit < units {
        let count = min(units - unit, grain)
        store(count, load(count, gates + 3 * units + unit) * load(count, active + unit), to: state + unit)
        unit += grain
    }
}

/// The gradients of what the gates were applied to, in their place, and of the cell before.
@inline(never)
func longShortTermBackward(
    _ recurrence: Recurrence, row: Int, _ sample: Int, _ gradient: UnsafePointer<Float>?, _ columns: Range<Int>,
    _ work: UnsafeMutablePointer<Float>
) {
    let (units, first, count) = (recurrence.shape.units, columns.lowerBound, columns.count)
    let gates = recurrence.gates + row * 4 * units + first
    let before = recurrence.cells + row * units + first
    let active = recurrence.activeCells + row * units + first
    let carried = recurrence.stateGradients + sample * units + first
    let cell = recurrence.cellGradients + sample * units + first
    let slope = recurrence.slope
    let most = CellWork.most
    var unit = 0
    while unit < count {
        let few = min(count - unit, grain)
        var state = load(few, carried + unit)
        if let gradient { state += load(few, gradient + first + unit) }
        store(few, state * load(few, gates + 3 * units + unit), to: work + unit)
        store(few, state * load(few, active + unit), to: work + 3 * most + unit)
        unit += grain
    }
    goBack(through: recurrence.activation, slope: slope, saved: active, work, work, 0..<count)
    unit = 0
    while unit < count {
        let few = min(count - unit, grain)
        let place = gates + unit
        let all = load(few, cell + unit) + load(few, work + unit)
        store(few, all * load(few, place + 2 * units), to: work + unit)
        store(few, all * load(few, before + unit), to: work + most + unit)
        store(few, all * load(few, place), to: work + 2 * most + unit)
        store(few, all * load(few, place + units), to: cell + unit)
        unit += grain
    }
    for gate in 0..<4 {
        let place = gates + gate * units
        goBack(
            through: gate == 2 ? recurrence.activation : recurrence.gateActivation, slope: slope, saved: place,
            work + gate * most, place, 0..<count)
    }
}
