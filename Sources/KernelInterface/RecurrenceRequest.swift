// The requests for layers that read sequences step by step: all steps of some samples forward, and back. What is the same in
// all steps is no part of them: the products with the inputs, and the gradients of weights. The arithmetic is in
// Kernels/Recurrence.swift.

/// What happens between one step and the next.
package enum RecurrentCell: BitwiseCopyable {
    case lstm

    /// What a step makes of its input and of the state before, for each unit.
    @inline(__always)
    package var gates: Int {
        switch self {
        case .lstm: 4
        }
    }
}

/// The sizes of a recurrent layer, and of the memory that it works in.
package struct RecurrentShape: BitwiseCopyable {
    package let cell: RecurrentCell
    package let steps: Int
    package let features: Int
    package let units: Int

    @inline(__always)
    package init(_ cell: RecurrentCell, steps: Int, features: Int, units: Int) {
        (self.cell, self.steps, self.features, self.units) = (cell, steps, features, units)
    }

    /// Numbers that a step makes for each sample.
    @inline(__always)
    package var gates: Int { cell.gates * units }

    /// Numbers of memory whatever the batch: the recurrent kernel, or its transpose, as panels.
    @inline(__always)
    package var panelCount: Int {
        max(ProductLimits.wholePanels(gates) * units, ProductLimits.wholePanels(units) * gates)
    }

    /// Numbers of memory for each sample.
    package var perSample: Int { steps * (features + gates + 3 * units) + 4 * units }
}

/// A recurrent layer over a batch: its memory. Arrays have a row for each sample, and those of a step lie together.
@unsafe package struct Recurrence: BitwiseCopyable {
    package let shape: RecurrentShape
    package let batch: Int
    package let activation: Activation
    /// That of what lets through or forgets.
    package let gateActivation: Activation
    package let slope: Float
    /// Whether the states of all steps come out, or the last one alone.
    package let givesAll: Bool
    private let base: UnsafeMutablePointer<Float>

    package init(
        _ shape: RecurrentShape, batch: Int, activation: Activation, gateActivation: Activation, slope: Float,
        givesAll: Bool, memory: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.shape, self.batch, base) = unsafe (shape, batch, memory)
        unsafe (self.activation, self.gateActivation, self.slope) = (activation, gateActivation, slope)
        unsafe self.givesAll = givesAll
    }

    /// Rows of all steps.
    @inline(__always)
    package var rows: Int { unsafe shape.steps * batch }

    /// The recurrent kernel as panels of the instruction set's; backward its transpose.
    @inline(__always)
    package var panels: UnsafeMutablePointer<Float> { unsafe base }
    /// What is read at each step.
    @inline(__always)
    package var inputs: UnsafeMutablePointer<Float> { unsafe panels + shape.panelCount }
    /// The products with the inputs, then what the gates let through, then the gradients of what they are applied to.
    @inline(__always)
    package var gates: UnsafeMutablePointer<Float> { unsafe inputs + rows * shape.features }
    /// The states: those before the first step, and those behind each.
    @inline(__always)
    package var states: UnsafeMutablePointer<Float> { unsafe gates + rows * shape.gates }
    /// The same of what a cell remembers.
    @inline(__always)
    package var cells: UnsafeMutablePointer<Float> { unsafe states + (rows + batch) * shape.units }
    /// The activations of what it remembers behind each step.
    @inline(__always)
    package var activeCells: UnsafeMutablePointer<Float> { unsafe cells + (rows + batch) * shape.units }
    /// Gradients on their way back: of the state, and of what the cell remembers.
    @inline(__always)
    package var stateGradients: UnsafeMutablePointer<Float> { unsafe activeCells + rows * shape.units }
    @inline(__always)
    package var cellGradients: UnsafeMutablePointer<Float> { unsafe stateGradients + batch * shape.units }

    /// Where a sample's state behind a step comes out, in an array of all that do; nil where it does not.
    @inline(__always)
    package func output(ofSample sample: Int, step: Int) -> Int? {
        if unsafe givesAll { return unsafe (sample * shape.steps + step) * shape.units }
        return unsafe step == shape.steps - 1 ? sample * shape.units : nil
    }

    fileprivate var nanoseconds: Int {
        unsafe rows * shape.gates * (shape.units / 64 + 1)
    }
}

/// Reads the products with the inputs, and the panels; leaves gates, states, cells, and what comes out.
@unsafe package struct RecurrenceRequest: PieceRequest {
    package static var kernel: Kernel { .recurrence }
    package let recurrence: Recurrence
    package let output: UnsafeMutablePointer<Float>
    /// Runs of samples.
    package let cut: Cut

    package init(_ recurrence: Recurrence, output: UnsafeMutablePointer<Float>, threads: Int) {
        unsafe (self.recurrence, self.output) = unsafe (recurrence, output)
        unsafe cut = unsafe RecurrenceRequest.cut(recurrence, threads: threads)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe recurrence.nanoseconds }

    /// A run for each thread, of as many samples as stay in the fast caches.
    fileprivate static func cut(_ recurrence: Recurrence, threads: Int) -> Cut {
        unsafe Cut(recurrence.batch, evenlyBy: min((recurrence.batch + threads - 1) / threads, 48))
    }
}

/// Reads what the forward pass left, and the gradient of what came out; leaves the gates' gradients.
@unsafe package struct RecurrenceBackwardRequest: PieceRequest {
    package static var kernel: Kernel { .recurrenceBackward }
    package let recurrence: Recurrence
    package let gradient: UnsafePointer<Float>
    package let cut: Cut

    package init(_ recurrence: Recurrence, gradient: UnsafePointer<Float>, threads: Int) {
        unsafe (self.recurrence, self.gradient) = unsafe (recurrence, gradient)
        unsafe cut = unsafe RecurrenceRequest.cut(recurrence, threads: threads)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe recurrence.nanoseconds }
}
