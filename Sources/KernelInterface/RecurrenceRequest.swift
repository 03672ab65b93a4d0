// The request for layers that read sequences step by step: all steps of some samples forward, and back. What is the same in
// all steps is no part of them: the products with the inputs, and the gradients of weights. The arithmetic is in
// Kernels/Recurrence.swift.

/// What happens between one step and the next. gruFirst: a GRU that resets the state before it is multiplied.
package enum RecurrentCell: BitwiseCopyable {
    case simple, lstm, gru, gruFirst

    /// LSTM; GRU; the other GRU. Kernels compare no enum, which would call for a witness of it.
    @inline(__always)
    package var remembers: Bool {
        switch self {
        case .lstm: true
        case .simple, .gru, .gruFirst: false
        }
    }
    @inline(__always)
    package var isSplit: Bool {
        switch self {
        case .gru: true
        case .simple, .lstm, .gruFirst: false
        }
    }
    @inline(__always)
    package var resetsFirst: Bool {
        switch self {
        case .gruFirst: true
        case .simple, .lstm, .gru: false
        }
    }

    /// How many numbers a step makes of its input and of the state before, for each unit.
    package var gates: Int {
        switch self {
        case .simple: 1
        case .lstm: 4
        case .gru, .gruFirst: 3
        }
    }

    /// The first of these that are sums of both. A GRU's last has what it makes of the state by itself, or reads another one.
    package var joined: Int { gates == 3 ? 2 : gates }
    /// How many numbers it remembers beside the state, and keeps for the way back, for each unit.
    package var memories: Int { self == .lstm ? 1 : 0 }
    /// Arrays of a number for each unit that a step hands to the next.
    package var states: Int { 1 + memories }
    package var keeps: Int { self == .simple ? 0 : 1 }
    /// Numbers of `cellGradients`, for each unit.
    fileprivate var carries: Int { self == .gruFirst ? 1 : memories }
}

/// The sizes of a recurrent layer, and of the memory that it works in.
package struct RecurrentShape: BitwiseCopyable {
    package let cell: RecurrentCell
    package let steps: Int
    package let features: Int
    package let units: Int
    /// Whether training drops some of what is read, and of the states.
    package let dropsInputs: Bool
    package let dropsStates: Bool

    package init(
        _ cell: RecurrentCell, steps: Int, features: Int, units: Int, dropsInputs: Bool, dropsStates: Bool
    ) {
        (self.cell, self.steps, self.features, self.units) = (cell, steps, features, units)
        (self.dropsInputs, self.dropsStates) = (dropsInputs, dropsStates)
    }

    /// The same of so many steps.
    package func of(steps: Int) -> RecurrentShape {
        RecurrentShape(
            cell, steps: steps, features: features, units: units, dropsInputs: dropsInputs, dropsStates: dropsStates)
    }

    /// Numbers that a step makes for each sample.
    package var gates: Int { cell.gates * units }
    package var joined: Int { cell.joined * units }

    /// Numbers of memory whatever the batch: the recurrent kernel, or its transpose, as panels of those of its columns that
    /// are joined, and then of the others; and a bias.
    package var fixedCount: Int { joinedPanels + panels(of: gates - joined) + (gates + 15) & ~15 }
    fileprivate var joinedPanels: Int { panels(of: joined) }
    private func panels(of columns: Int) -> Int {
        max(ProductLimits.wholePanels(columns) * units, ProductLimits.wholePanels(units) * columns)
    }

    /// Numbers of memory for each sample.
    package var perSample: Int {
        steps * (features + gates + (1 + cell.memories + cell.keeps) * units + 1)
            + (2 + cell.memories + cell.carries) * units
            + (dropsInputs ? features : 0) + (dropsStates ? (2 + steps) * units : 0)
    }
}

/// A recurrent layer over a batch: its memory. Arrays have a row for each sample, and those of a step lie together.
@unsafe package struct Recurrence: BitwiseCopyable {
    package let cell: RecurrentCell
    package let batch: Int
    package let steps: Int
    package let units: Int
    package let gateCount: Int
    package let joinedCount: Int
    package let activation: Activation
    /// That of what lets through or forgets.
    package let gateActivation: Activation
    package let slope: Float
    /// Whether the states of all steps come out, or the last one alone; and of all, whether the last one comes first.
    package let givesAll: Bool
    package let turnsOutput: Bool
    /// From one sample's output to the next, in rows of as many numbers as there are units.
    package let outputRows: Int
    /// The recurrent kernel as panels of the instruction set's, backward its transpose: the columns that are joined, and
    /// the others.
    package let panels: UnsafeMutablePointer<Float>
    package let otherPanels: UnsafeMutablePointer<Float>
    /// What is added to the products with the inputs, where it is a sum.
    package let bias: UnsafeMutablePointer<Float>
    /// What is read at each step.
    package let inputs: UnsafeMutablePointer<Float>
    /// The products with the inputs, then what the gates let through, then the gradients of what they are applied to.
    package let gates: UnsafeMutablePointer<Float>
    /// The states: those before the first step, and those behind each.
    package let states: UnsafeMutablePointer<Float>
    /// LSTM: the same of what it remembers.
    package let cells: UnsafeMutablePointer<Float>
    /// LSTM: the activations of what it remembers behind each step. GRU: what the last gate has of the state, then the
    /// gradients of that; the other one: the state that is reset.
    package let kept: UnsafeMutablePointer<Float>
    /// Gradients on their way back: of the state, and of what is remembered, or of the state that is reset.
    package let stateGradients: UnsafeMutablePointer<Float>
    package let cellGradients: UnsafeMutablePointer<Float>
    /// Which steps are seen, 1, and which change nothing, 0, where that is used.
    package let mask: UnsafeMutablePointer<Float>
    package let isMasked: Bool
    /// What is read, and the states, are multiplied by before they are multiplied with kernels, the same at all steps; then
    /// what is left of the states. Whether there is such of states.
    package let inputFactors: UnsafeMutablePointer<Float>
    package let stateFactors: UnsafeMutablePointer<Float>
    package let leftStates: UnsafeMutablePointer<Float>
    package let dropsStates: Bool
    /// On the way back: gradients of states that go past the products.
    package let passed: UnsafeMutablePointer<Float>
    /// Whether zeros come out of steps that are not seen, and not the state, which stays.
    package let hidesOutput: Bool
    /// GRU: what is added to what the last gate has of the state.
    package let stateBias: UnsafePointer<Float>?

    package init(
        _ shape: RecurrentShape, batch: Int, activation: Activation, gateActivation: Activation, slope: Float,
        givesAll: Bool, turnsOutput: Bool, outputRows: Int, isMasked: Bool, hidesOutput: Bool, isTraining: Bool,
        memory: UnsafeMutablePointer<Float>,
        stateBias: UnsafePointer<Float>?
    ) {
        unsafe (cell, steps, units, self.batch) = (shape.cell, shape.steps, shape.units, batch)
        unsafe (gateCount, joinedCount) = (shape.gates, shape.joined)
        unsafe (self.activation, self.gateActivation, self.slope) = (activation, gateActivation, slope)
        unsafe (self.givesAll, self.turnsOutput, self.outputRows) = (givesAll, turnsOutput, outputRows)
        unsafe (self.isMasked, self.hidesOutput, self.stateBias) = unsafe (isMasked, hidesOutput, stateBias)
        let rows = shape.steps * batch
        unsafe panels = unsafe memory
        unsafe otherPanels = unsafe panels + shape.joinedPanels
        unsafe inputs = unsafe panels + shape.fixedCount
        unsafe bias = unsafe inputs - (shape.gates + 15) & ~15
        unsafe gates = unsafe inputs + rows * shape.features
        unsafe states = unsafe gates + rows * shape.gates
        unsafe cells = unsafe states + (rows + batch) * shape.units
        unsafe kept = unsafe cells + shape.cell.memories * (rows + batch) * shape.units
        unsafe stateGradients = unsafe kept + shape.cell.keeps * rows * shape.units
        unsafe cellGradients = unsafe stateGradients + batch * shape.units
        unsafe mask = unsafe cellGradients + shape.cell.carries * batch * shape.units
        unsafe inputFactors = unsafe mask + rows
        unsafe stateFactors = unsafe inputFactors + (shape.dropsInputs ? batch * shape.features : 0)
        unsafe dropsStates = isTraining && shape.dropsStates
        unsafe passed = unsafe stateFactors + (shape.dropsStates ? batch * shape.units : 0)
        unsafe leftStates = unsafe shape.dropsStates && isTraining ? passed + batch * shape.units : states
    }

    /// Numbers of a sample of all steps of the batch.
    package var stateCount: Int { unsafe batch * units }

    /// Rows of all steps.
    package var rows: Int { unsafe steps * batch }

    /// The state, or what is remembered, before the first step, and behind the last one; and the gradient of it on its way.
    package func before(_ state: Int) -> UnsafeMutablePointer<Float> { unsafe state == 0 ? states : cells }
    package func behind(_ state: Int) -> UnsafeMutablePointer<Float> { unsafe before(state) + rows * units }
    package func gradient(_ state: Int) -> UnsafeMutablePointer<Float> {
        unsafe state == 0 ? stateGradients : cellGradients
    }

    /// Where a sample's state behind a step comes out, in an array of all that do; nil where it does not.
    @inline(__always)
    package func output(ofSample sample: Int, step: Int) -> Int? {
        if unsafe givesAll { return unsafe (sample * outputRows + (turnsOutput ? steps - 1 - step : step)) * units }
        return unsafe step == steps - 1 ? sample * outputRows * units : nil
    }

    /// Whether a step of a sample, by its row, changes nothing.
    @inline(__always)
    package func isHidden(_ row: Int) -> Bool { unsafe isMasked && mask[row] == 0 }
}

/// Forward: reads the products with the inputs, the panels, and the states before the first step; leaves gates, states, what
/// is kept, and what comes out. Backward: reads these, the gradients of the last states, and that of what came out; leaves the
/// gates' gradients, and those of the first states.
@unsafe package struct RecurrenceRequest: PieceRequest {
    package static var kernel: Kernel { .recurrence }
    package let recurrence: Recurrence
    package let isBackward: Bool
    /// Forward: whether the products with the state are there as well, of one step. Backward: whether the gradients of the
    /// first states are wanted.
    package let isWhole: Bool
    /// What comes out, or its gradient, which is only read.
    package let output: UnsafeMutablePointer<Float>
    /// Runs of samples.
    package let cut: Cut

    package init(
        _ recurrence: Recurrence, isBackward: Bool, isWhole: Bool, output: UnsafeMutablePointer<Float>, threads: Int
    ) {
        unsafe (self.recurrence, self.output) = unsafe (recurrence, output)
        unsafe (self.isBackward, self.isWhole) = (isBackward, isWhole)
        // One for each thread, of as many as stay in the fast caches.
        unsafe cut = unsafe Cut(
            recurrence.batch, evenlyBy: min((recurrence.batch + threads - 1) / threads, 48))
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int {
        unsafe recurrence.rows * recurrence.gateCount * (recurrence.units / 64 + 1)
    }
}
