// Sequences read step by step: each step gives a state, of what it reads and of the state before. The products of all steps'
// inputs are one product, and so are the gradients of weights; what steps do one after another is the kernels'.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class Recurrent: Operation {
    private let layer: Layer
    private let shape: RecurrentShape
    private let kernel: Shape
    private let recurrentKernel: Shape
    private let bias: Shape
    private let givesAll: Bool
    private let isReversed: Bool
    private let hasBias: Bool
    private let stream: UInt64
    /// Whether the last states are further rows of what comes out.
    private let givesStates: Bool
    /// Whether its first states are inputs, and the last one is a mask.
    private let readsStates: Bool
    private let isMasked: Bool
    /// What it keeps of each state for the next batch; nil: nothing.
    private let keeps: Shape?
    /// Of a model of one step.
    private let recalled: RecalledStates?

    /// - Parameter inputs: the sequence's shape, those of the states before its first step, where they are not zeros, and that
    ///   of its mask, where it has one.
    init(
        _ cell: RecurrentCell, _ layer: Layer, inputs: [Shape], isMasked: Bool, stream: Int, along course: Course?,
        _ subject: String
    ) throws(MartletError) {
        let input = inputs[0]
        guard input.rank == 2 else {
            throw MartletError(.shape, "\(subject)'s input is \(input); expected (steps, features)")
        }
        self.layer = layer
        shape = RecurrentShape(
            cell, steps: input[0], features: input[1], units: layer.units, dropsInputs: layer.rate > 0,
            dropsStates: layer.recurrentRate > 0)
        self.stream = UInt64(stream)
        kernel = try Shape([input[1], shape.gates], "\(subject)'s kernel")
        recurrentKernel = try Shape([layer.units, shape.gates], "\(subject)'s recurrent kernel")
        bias = try Shape((cell.isSplit ? [2] : []) + [shape.gates], "\(subject)'s bias")
        givesAll = layer.flags.contains(.returnSequences)
        isReversed = layer.flags.contains(.goBackwards)
        hasBias = !layer.flags.contains(.noBias)
        givesStates = layer.flags.contains(.returnState)
        self.isMasked = isMasked
        keeps = layer.flags.contains(.stateful) ? try Shape([layer.groups, layer.units], "\(subject)'s states") : nil
        recalled = try RecalledStates(shape, course)
        let first = inputs.dropFirst().dropLast(isMasked ? 1 : 0)
        readsStates = !first.isEmpty
        for (place, shape) in zip(first.indices, first) where shape.elementCount != layer.units {
            throw MartletError(
                .shape,
                "\(subject)'s inputs[\(place)] is \(shape); expected (\(layer.units),): it begins with a number for each of "
                    + "its units")
        }
        guard first.isEmpty || first.count == cell.states else {
            throw MartletError(
                .argument,
                "inputs has \(1 + first.count) nodes; expected 1, or \(1 + cell.states) with the states that \(subject) "
                    + "begins with")
        }
        let rows = (givesAll ? input[0] : 1) + (givesStates ? cell.states - (givesAll ? 0 : 1) : 0)
        super.init(
            inputs: inputs,
            output: try Shape((givesAll || givesStates ? [rows] : []) + [layer.units], "\(subject)'s states"))
    }

    override var parameters: [ArrayDescription] {
        let first = ArrayDescription(
            name: "kernel", shape: kernel, initializer: layer.kernelInitializer, value: layer.kernelValue,
            fanIn: kernel[0], fanOut: kernel[1])
        let second = ArrayDescription(
            name: "recurrent_kernel", shape: recurrentKernel, initializer: layer.recurrentInitializer,
            value: layer.recurrentValue, fanIn: recurrentKernel[0], fanOut: recurrentKernel[1])
        var third = ArrayDescription(
            name: "bias", shape: bias, initializer: layer.biasInitializer, value: layer.biasValue, fanIn: bias[0],
            fanOut: bias.last)
        // Those of the gate that forgets, the second.
        if layer.flags.contains(.unitForgetBias) { third.ones = shape.units..<2 * shape.units }
        return hasBias ? [first, second, third] : [first, second]
    }

    override var statistics: [ArrayDescription] {
        guard let keeps else { return [] }
        let names: [StaticString] = ["state", "memory"]
        return names.prefix(shape.cell.states).map { ArrayDescription(name: $0, shape: keeps) }
    }

    override func savedCount(batch: Int) -> Int { shape.fixedCount + batch * shape.perSample }

    /// The recurrent kernel, and the bias behind it, or their gradients.
    private func second(_ parameters: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
        unsafe parameters + kernel.elementCount
    }
    private func third(_ parameters: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float>? {
        unsafe hasBias ? second(parameters) + recurrentKernel.elementCount : nil
    }

    /// What a pass reads: of a model of one step some of each sequence.
    private func sizes(_ pass: ForwardPass) -> (shape: RecurrentShape, batch: Int) {
        guard let course = recalled?.course else { return unsafe (shape, pass.batch) }
        return unsafe (shape.of(steps: pass.batch / course.sequences), course.sequences)
    }

    private func recurrence(_ pass: ForwardPass) -> Recurrence {
        let bias = unsafe third(pass.parameters)
        let (shape, batch) = unsafe sizes(pass)
        return unsafe Recurrence(
            shape, batch: batch, activation: layer.activation, gateActivation: layer.recurrentActivation,
            slope: Float(layer.slope), givesAll: givesAll, turnsOutput: layer.flags.contains(.inputOrder),
            outputRows: recalled == nil ? output.elementCount / shape.units : shape.steps, isMasked: isMasked,
            hidesOutput: layer.flags.contains(.zeroHidden), isTraining: pass.isTraining,
            memory: pass.saved,
            stateBias: shape.cell.isSplit ? bias.map { unsafe UnsafePointer($0 + shape.gates + shape.joined) } : nil)
    }

    override var lackOfCalls: String {
        "is stateful: it keeps its states from batch to batch, and a file of C keeps nothing between calls; expected the same "
            + "layer that is not, over all steps at once, or with states that it is given and gives"
    }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        if keeps != nil { return nil }
        let (gates, joined, units, isSplit) = (shape.gates, shape.joined, shape.units, shape.cell.isSplit)
        let second = unsafe parameters + kernel.elementCount
        let third = unsafe hasBias ? second + recurrentKernel.elementCount : nil
        let bias = CArray(gates + units) { place in
            guard let third = unsafe third else { return 0 }
            // Of a GRU's two those of gates that are joined are added up, and what is new has one of its own.
            if place >= gates { return isSplit ? unsafe third[joined + place] : 0 }
            return unsafe third[place] + (place < joined && isSplit ? third[gates + place] : 0)
        }
        let numbers = [
            shape.steps, shape.features, units, gates / units, Int(layer.activation.rawValue),
            Int(layer.recurrentActivation.rawValue), givesAll ? 1 : 0, isReversed ? 1 : 0,
            layer.flags.contains(.inputOrder) ? 1 : 0, layer.flags.contains(.zeroHidden) ? 1 : 0,
            shape.cell.resetsFirst ? 1 : 0, givesStates ? 1 : 0,
        ]
        let kernels = unsafe [
            CArray(parameters, kernel.elementCount), CArray(second, recurrentKernel.elementCount),
        ]
        let arrays = kernels + [bias, CArray([Float(layer.slope)])]
        let first = (0..<2).map { readsStates && $0 < shape.cell.states ? 1 + $0 : nil }
        let reads = [0, isMasked ? inputs.count - 1 : nil] + first
        return [CCall(.recur, reads: reads, numbers, arrays, room: 3 * units + gates)]
    }

    override func forward(_ pass: ForwardPass) {
        let recurrence = unsafe recurrence(pass)
        let (shape, batch) = unsafe sizes(pass)
        forEachRun(of: batch, shape.steps) { count, inOrder, step, inSteps, stride in
            unsafe pass.execution.run(
                RowCopyRequest(
                    rows: count, width: shape.features, from: pass.input + inOrder, fromStride: step,
                    to: recurrence.inputs + inSteps, toStride: stride))
        }
        if unsafe pass.isTraining { unsafe drop(pass, recurrence) }
        let stateCount = unsafe recurrence.stateCount
        let kept = unsafe recalled.map { unsafe $0.floats } ?? (keeps == nil ? nil : pass.statistics)
        for state in 0..<shape.cell.states {
            let before = unsafe recurrence.before(state)
            if readsStates {
                unsafe before.update(from: pass.input(1 + state), count: stateCount)
            } else if let kept = unsafe kept, recalled?.course.done != 0 {
                unsafe before.update(from: kept + state * stateCount, count: stateCount)
            } else {
                unsafe before.update(repeating: 0, count: stateCount)
            }
        }
        if isMasked {
            let mask = unsafe pass.input(inputs.count - 1)
            for sample in 0..<batch {
                for step in 0..<shape.steps {
                    let place = sample * shape.steps + (isReversed ? shape.steps - 1 - step : step)
                    unsafe recurrence.mask[step * batch + sample] = unsafe mask[place]
                }
            }
        }
        if let bias = unsafe third(pass.parameters) {
            for gate in 0..<shape.gates { unsafe recurrence.bias[gate] = unsafe bias[gate] }
            // Of a GRU's two those of gates that are joined are added up.
            if shape.cell.isSplit {
                for gate in 0..<shape.joined { unsafe recurrence.bias[gate] += unsafe bias[shape.gates + gate] }
            }
        }
        unsafe pass.execution.multiply(
            MatrixProduct(
                rows: recurrence.rows, inner: shape.features, columns: shape.gates,
                left: Factor(base: recurrence.inputs, rowStride: shape.features, columnStride: 1),
                right: Factor(base: pass.parameters, rowStride: shape.gates, columnStride: 1), out: recurrence.gates,
                outStride: shape.gates, bias: hasBias ? UnsafePointer(recurrence.bias) : nil))
        unsafe pass.execution.recur(recurrence, weights: second(pass.parameters), output: pass.output)
        if let kept = unsafe kept {
            for state in 0..<shape.cell.states {
                unsafe (kept + state * stateCount).update(from: recurrence.behind(state), count: stateCount)
            }
        }
        unsafe forEachState(pass, pass.output) { state, place, stride in
            unsafe pass.execution.run(
                RowCopyRequest(
                    rows: pass.batch, width: shape.units, from: recurrence.behind(state), fromStride: shape.units,
                    to: place, toStride: stride))
        }
    }

    /// Draws what is dropped, of each sample the same at all steps, and drops it of what is read.
    private func drop(_ pass: ForwardPass, _ recurrence: Recurrence) {
        let key = unsafe pass.key(stream)
        if shape.dropsInputs {
            unsafe draw(pass, layer.rate, key, recurrence.inputFactors, count: pass.batch * shape.features)
            unsafe dropInputs(pass, recurrence)
        }
        if shape.dropsStates {
            // Another key, by the first digits of the root of 2.
            unsafe draw(
                pass, layer.recurrentRate, key &+ 0x6A09_E667_F3BC_C908, recurrence.stateFactors,
                count: recurrence.stateCount)
        }
    }

    private func draw(
        _ pass: ForwardPass, _ rate: Double, _ key: UInt64, _ factors: UnsafeMutablePointer<Float>, count: Int
    ) {
        unsafe factors.update(repeating: 1, count: count)
        unsafe pass.execution.run(
            DropoutRequest(count: count, rate: Float(rate), key: key, step: pass.step, x: factors, y: factors))
    }

    /// Multiplies what is read at each step, or its gradient.
    private func dropInputs(_ pass: ForwardPass, _ recurrence: Recurrence) {
        let count = unsafe pass.batch * shape.features
        for step in 0..<shape.steps {
            let place = unsafe recurrence.inputs + step * count
            unsafe pass.execution.run(
                CombinationRequest(.product, count: count, place, recurrence.inputFactors, out: place))
        }
    }

    /// Calls `body` with each state that is a row of the output by itself: where the first sample's lies in an array like the
    /// output, and how far the next is. The state is the only row, or the first, where the steps' are not given.
    private func forEachState(
        _ pass: ForwardPass, _ base: UnsafeMutablePointer<Float>,
        _ body: (_ state: Int, _ place: UnsafeMutablePointer<Float>, _ stride: Int) -> Void
    ) {
        guard givesStates else { return }
        let first = givesAll ? shape.steps : 0
        for state in (givesAll ? 0 : 1)..<shape.cell.states {
            unsafe body(state, base + (first + state) * shape.units, output.elementCount)
        }
    }

    override func backward(_ pass: BackwardPass) {
        let forward = unsafe pass.forward
        let execution = unsafe forward.execution
        let recurrence = unsafe recurrence(forward)
        let stateCount = unsafe forward.batch * shape.units
        for state in 0..<shape.cell.states {
            unsafe recurrence.gradient(state).update(repeating: 0, count: stateCount)
        }
        unsafe forEachState(forward, pass.gradient) { state, place, stride in
            unsafe execution.run(
                RowCopyRequest(
                    rows: forward.batch, width: shape.units, from: place, fromStride: stride,
                    to: recurrence.gradient(state), toStride: shape.units))
        }
        unsafe execution.recurBack(
            recurrence, weights: second(forward.parameters), gradient: pass.gradient, givesFirst: readsStates)
        if readsStates {
            for state in 0..<shape.cell.states {
                guard let out = unsafe pass.inputGradient(1 + state) else { continue }
                unsafe out.update(from: recurrence.gradient(state), count: stateCount)
            }
        }
        if let out = unsafe pass.parameterGradients { unsafe addUp(execution, recurrence, to: out) }
        guard let out = unsafe pass.inputGradient else { return }
        unsafe execution.multiply(
            MatrixProduct(
                rows: recurrence.rows, inner: shape.gates, columns: shape.features,
                left: Factor(base: recurrence.gates, rowStride: shape.gates, columnStride: 1),
                right: Factor(base: forward.parameters, rowStride: 1, columnStride: shape.gates),
                out: recurrence.inputs, outStride: shape.features))
        if unsafe forward.isTraining && shape.dropsInputs { unsafe dropInputs(forward, recurrence) }
        unsafe forEachRun(of: forward.batch, shape.steps) { count, inOrder, step, inSteps, stride in
            unsafe execution.run(
                RowCopyRequest(
                    rows: count, width: shape.features, from: recurrence.inputs + inSteps, fromStride: stride,
                    to: out + inOrder, toStride: step))
        }
    }

    /// The gradients of weights: what they were applied to at all steps, times the gates' gradients.
    private func addUp(_ execution: Execution, _ recurrence: Recurrence, to out: UnsafeMutablePointer<Float>) {
        let (all, joined, units) = (shape.gates, shape.joined, shape.units)
        func multiply(
            _ read: UnsafeMutablePointer<Float>, _ width: Int, _ gradient: UnsafeMutablePointer<Float>, _ row: Int,
            _ columns: Int, to out: UnsafeMutablePointer<Float>
        ) {
            unsafe execution.multiply(
                MatrixProduct(
                    rows: width, inner: recurrence.rows, columns: columns,
                    left: Factor(base: read, rowStride: 1, columnStride: width),
                    right: Factor(base: gradient, rowStride: row, columnStride: 1), out: out, outStride: all))
        }
        unsafe multiply(recurrence.inputs, shape.features, recurrence.gates, all, all, to: out)
        unsafe multiply(recurrence.leftStates, units, recurrence.gates, all, joined, to: second(out))
        let bias = unsafe third(out)
        if let bias = unsafe bias {
            unsafe execution.columnSums(rows: recurrence.rows, columns: all, x: recurrence.gates, out: bias)
        }
        if shape.cell.resetsFirst {
            unsafe multiply(recurrence.kept, units, recurrence.gates + joined, all, units, to: second(out) + joined)
        }
        if !shape.cell.isSplit { return }
        unsafe multiply(recurrence.leftStates, units, recurrence.kept, units, units, to: second(out) + joined)
        if let bias = unsafe bias {
            unsafe (bias + all).update(from: bias, count: joined)
            unsafe execution.columnSums(
                rows: recurrence.rows, columns: units, x: recurrence.kept, out: bias + all + joined)
        }
    }

    /// Calls `body` with runs of rows, by how many they are, where each begins and how far its rows are apart: in samples'
    /// order, sample by sample, and in that of steps. The fewer of samples and steps are the runs.
    private func forEachRun(
        of batch: Int, _ steps: Int,
        _ body: (_ count: Int, _ inOrder: Int, _ step: Int, _ inSteps: Int, _ stride: Int) -> Void
    ) {
        let width = shape.features
        func place(_ step: Int) -> Int { (isReversed ? steps - 1 - step : step) * width }
        if batch < steps {
            for sample in 0..<batch {
                let first = sample * steps * width + place(0)
                body(steps, first, isReversed ? -width : width, sample * width, batch * width)
            }
        } else {
            for step in 0..<steps { body(batch, place(step), steps * width, step * batch * width, width) }
        }
    }
}
