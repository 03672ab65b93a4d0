// What recurrent layers do at one step of one sample, once the products with its input and with the state before are there,
// and the gradients of that. Kernels/Recurrence.swift walks over steps. With f the activation and s that of gates, of what
// lies where gates do:
//
// simple  state = f(g)
// LSTM    i = s(i), r = s(r), g = f(g), o = s(o); cell = r before + i g; state = o f(cell). Hochreiter, Schmidhuber: Long
//         short-term memory. Neural Computation 9, 1997; Gers, Schmidhuber, Cummins: Learning to forget, 12, 2000
// GRU     z = s(z), r = s(r), g = f(g + r k) with k what the last gate has of the state; state = z before + (1 - z) g. Cho et
//         al.: Learning phrase representations using RNN encoder-decoder. EMNLP 2014; k by itself as in cuDNN;
//         or, where it resets first, g = f(g + k) with k what the last gate has of r before

import MartletKernelInterface

/// Memory for gradients on their way through a cell: as many units at a time as have room in the first-level cache.
enum CellWork {
    @inline(__always)
    static var most: Int { 1024 }
}

/// What becomes of some numbers of up to four arrays.
enum Mixing {
    /// a + b, a b, and a b + c d.
    case sum, product, products
    /// a (b - c), a - a b, and c + a (b - c).
    case difference, rest, between
}

/// Any array may be `out`. One loop for all: a loop of its own for each would be most of a cell's code.
@inline(never)
func combine(
    _ mixing: Mixing, _ numbers: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafePointer<Float>? = nil, _ d: UnsafePointer<Float>? = nil, to out: UnsafeMutablePointer<Float>
) {
    let (third, fourth) = (c ?? a, d ?? a)
    var index = 0
    while index < numbers {
        let count = min(numbers - index, grain)
        let (a, b) = (load(count, a + index), load(count, b + index))
        let (c, d) = (load(count, third + index), load(count, fourth + index))
        let mixed =
            switch mixing {
            case .sum: a + b
            case .product: a * b
            case .products: multiplyAdd(a * b, c, d)
            case .difference: a * (b - c)
            case .rest: a - a * b
            case .between: multiplyAdd(c, a, b - c)
            }
        store(count, mixed, to: out + index)
        index += grain
    }
}

/// The state behind a step, and what the way back needs. `row` is the step's and sample's.
@inline(never)
@_optimize(size)
func stepForward(_ recurrence: Recurrence, _ row: Int) {
    let (units, slope) = (recurrence.units, recurrence.slope)
    let gates = recurrence.gates + row * recurrence.gateCount
    let kept = recurrence.kept + row * units
    let before = recurrence.states + row * units
    let state = before + recurrence.batch * units
    let last = gates + (recurrence.gateCount - units)
    switch recurrence.cell {
    case .simple: activate(recurrence.activation, slope: slope, gates, state, 0..<units)
    case .lstm:
        let cells = recurrence.cells + row * units
        let cell = cells + recurrence.batch * units
        activate(recurrence.gateActivation, slope: slope, gates, gates, 0..<2 * units)
        activate(recurrence.activation, slope: slope, gates, gates, 2 * units..<3 * units)
        activate(recurrence.gateActivation, slope: slope, gates, gates, 3 * units..<4 * units)
        combine(.products, units, gates, gates + 2 * units, gates + units, cells, to: cell)
        activate(recurrence.activation, slope: slope, cell, kept, 0..<units)
        combine(.product, units, last, kept, to: state)
    case .gru:
        activate(recurrence.gateActivation, slope: slope, gates, gates, 0..<2 * units)
        combine(.product, units, gates + units, kept, to: state)
        combine(.sum, units, last, state, to: last)
        activate(recurrence.activation, slope: slope, last, last, 0..<units)
        combine(.between, units, gates, before, last, to: state)
    case .gruFirst:
        activate(recurrence.activation, slope: slope, last, last, 0..<units)
        combine(.between, units, gates, before, last, to: state)
    }
}

/// The gates that keep and reset, and the state that the last one reads, of a GRU that resets first.
@inline(never)
@_optimize(size)
func reset(_ recurrence: Recurrence, _ row: Int) {
    let units = recurrence.units
    let gates = recurrence.gates + row * recurrence.gateCount
    activate(recurrence.gateActivation, slope: recurrence.slope, gates, gates, 0..<2 * units)
    combine(.product, units, gates + units, recurrence.leftStates + row * units, to: recurrence.kept + row * units)
}

/// The gradients of the gate that resets, from those of the state that is reset, and of the state, in their place.
@inline(never)
@_optimize(size)
func resetBackward(
    _ recurrence: Recurrence, row: Int, _ sample: Int, first: Int, _ count: Int, _ work: UnsafeMutablePointer<Float>
) {
    let units = recurrence.units
    let gate = recurrence.gates + row * recurrence.gateCount + units + first
    let gradient = recurrence.cellGradients + sample * units + first
    combine(.product, count, gradient, recurrence.leftStates + row * units + first, to: work)
    combine(.product, count, gradient, gate, to: gradient)
    goBack(through: recurrence.gateActivation, slope: recurrence.slope, saved: gate, work, gate, 0..<count)
}

/// A step that is not seen: all is as before.
@inline(never)
@_optimize(size)
func skip(_ recurrence: Recurrence, _ row: Int) {
    let units = recurrence.units
    let (state, cell) = (recurrence.states + row * units, recurrence.cells + row * units)
    copy(state, to: state + recurrence.batch * units, bytes: 4 * units)
    if recurrence.cell.remembers { copy(cell, to: cell + recurrence.batch * units, bytes: 4 * units) }
}

/// The gradients of what the gates were applied to, in their place, and of what was before: of the state that which goes past
/// the products, to which these are added. For `count` units from the first one on.
@inline(never)
@_optimize(size)
func stepBackward(
    _ recurrence: Recurrence, row: Int, _ sample: Int, first: Int, _ count: Int, _ work: UnsafeMutablePointer<Float>
) {
    let (units, slope) = (recurrence.units, recurrence.slope)
    let gates = recurrence.gates + row * recurrence.gateCount + first
    let kept = recurrence.kept + row * units + first
    let before = recurrence.states + row * units + first
    let gradient = recurrence.stateGradients + sample * units + first
    let second = work + CellWork.most
    let third = work + 2 * CellWork.most
    let fourth = work + 3 * CellWork.most
    func go(through activation: Activation, _ gate: Int, _ from: UnsafePointer<Float>) {
        let place = gates + gate * units
        goBack(through: activation, slope: slope, saved: place, from, place, 0..<count)
    }
    switch recurrence.cell {
    case .simple:
        goBack(
            through: recurrence.activation, slope: slope, saved: before + recurrence.batch * units, gradient, gates,
            0..<count)
        clear(gradient, bytes: 4 * count)
    case .lstm:
        let cell = recurrence.cellGradients + sample * units + first
        combine(.product, count, gradient, gates + 3 * units, to: work)
        combine(.product, count, gradient, kept, to: fourth)
        goBack(through: recurrence.activation, slope: slope, saved: kept, work, work, 0..<count)
        combine(.sum, count, cell, work, to: cell)
        combine(.product, count, cell, gates + 2 * units, to: work)
        combine(.product, count, cell, recurrence.cells + row * units + first, to: second)
        combine(.product, count, cell, gates, to: third)
        combine(.product, count, cell, gates + units, to: cell)
        go(through: recurrence.gateActivation, 0, work)
        go(through: recurrence.gateActivation, 1, second)
        go(through: recurrence.activation, 2, third)
        go(through: recurrence.gateActivation, 3, fourth)
        clear(gradient, bytes: 4 * count)
    case .gru:
        combine(.difference, count, gradient, before, gates + 2 * units, to: work)
        combine(.rest, count, gradient, gates, to: third)
        go(through: recurrence.activation, 2, third)
        combine(.product, count, gradient, gates, to: gradient)
        combine(.product, count, gates + 2 * units, kept, to: second)
        combine(.product, count, gates + 2 * units, gates + units, to: kept)
        go(through: recurrence.gateActivation, 0, work)
        go(through: recurrence.gateActivation, 1, second)
    case .gruFirst:
        combine(.difference, count, gradient, before, gates + 2 * units, to: work)
        combine(.rest, count, gradient, gates, to: third)
        go(through: recurrence.activation, 2, third)
        combine(.product, count, gradient, gates, to: gradient)
        go(through: recurrence.gateActivation, 0, work)
    }
}
