// Schedule-Free parameters at either of two points: y, where gradients are taken, and x, the average that training is for:
//   x = y + (1 - 1 / beta1) (z - y),  y = x + (1 - beta1) (z - x),  with momentum for beta1 in gradient descent
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// What an optimizer's parameters are ready for; the raw values are those of martlet.h.
@frozen
public enum OptimizerMode: Int32, Sendable {
    /// To be trained.
    case training = 0
    /// To be evaluated, saved and used.
    case evaluation = 1
}

extension Configuration {
    /// Where between z and x gradients are taken; nil where there is one point alone.
    package var interpolation: Double? {
        guard algorithm.hasEvaluationPoint else { return nil }
        return self[readsMomentum ? .momentum : .beta1]
    }

    private var readsMomentum: Bool { algorithm.defaultValue(.momentum) != nil }

    /// Throws where the trained point cannot be told from what is kept.
    package func checkEvaluationPoint(_ subject: StaticString) throws(MartletError) {
        guard interpolation == 0 else { return }
        throw MartletError(
            .argument,
            "\(subject) of \(algorithm.name) has a \(readsMomentum ? "momentum" : "beta1") of 0; expected more: its average "
                + "is not kept")
    }
}

extension Optimizer {
    /// Moves the parameters of Schedule-Free groups from one point to the other; others stay as they are, and so do those
    /// that were never stepped. Nothing happens where the mode is the present one. Throws `.memory` and `.argument` before
    /// anything has changed.
    public func setMode(_ mode: OptimizerMode) throws(MartletError) {
        if mode == self.mode { return }
        let threads = try Settings.threads
        let isa = try Settings.chosenISA ?? InstructionSet.best
        for index in 0..<configurations.count { _ = try weight(of: configurations[index], to: mode) }
        guard let record = ThreadRecord.current else {
            throw MartletError(.memory, "no memory for the calling thread")
        }
        var bytes = unsafe WorkList.bytesPerItem
        for index in 0..<count {
            let rank = parameters[index].sizes.count
            bytes = unsafe max(
                bytes, WorkList.bytesPerItem + 8 * Layout.numberCount(rank: rank, arrayCount: Run.capacity))
        }
        guard let memory = unsafe record.scratch(byteCount: bytes) else {
            throw MartletError(.memory, "no memory to move \(count) parameters")
        }
        for index in 0..<count where parameters[index].step > 0 {
            let entry = parameters[index]
            guard let weight = try weight(of: configurations[entry.group], to: mode) else { continue }
            try unsafe move(entry, weight, isa, threads, memory)
        }
        self.mode = mode
    }

    /// How far the way to z is; nil where a group's parameters do not move.
    private func weight(of configuration: Configuration, to mode: OptimizerMode) throws(MartletError) -> Double? {
        guard let beta = configuration.interpolation else { return nil }
        if mode == .training { return 1 - beta }
        try configuration.checkEvaluationPoint("a group")
        return 1 - 1 / beta
    }

    private func move(
        _ entry: ParameterEntry, _ weight: Double, _ isa: InstructionSet, _ threads: Int,
        _ memory: UnsafeMutableRawPointer
    ) throws(MartletError) {
        let parameter = unsafe entry.view(gradient: entry.slots[0].view)
        if unsafe parameter.value.count == 0 { return }
        var check = unsafe ParameterCheck(count: parameter.value.count)
        _ = try unsafe check.extent(of: parameter.value, .value, 0) { _ in "value" }
        _ = try unsafe check.extent(of: parameter.gradient, .gradient, 0) { _ in "z" }
        let value = unsafe Operand(base: parameter.value.base!, type: parameter.value.type)
        var arrays = unsafe InlineArray<6, Operand>(repeating: value)
        unsafe arrays[Run.gradient] = Operand(base: parameter.gradient.base!, type: parameter.gradient.type)
        var numbers = unsafe (memory + WorkList.bytesPerItem).assumingMemoryBound(to: Int.self)
        let layout = unsafe check.layout(of: parameter, slots: 0, numbers: &numbers)
        var coefficients = InterpolationCoefficients()
        coefficients.weight = weight
        unsafe withUnsafeTemporaryAllocation(byteCount: StepCoefficients.capacity, alignment: 64) { room in
            let start = room.baseAddress!
            unsafe start.storeBytes(of: RunTerms(), as: RunTerms.self)
            unsafe (start + StepCoefficients.ruleOffset).storeBytes(
                of: coefficients, as: InterpolationCoefficients.self)
            var work = unsafe WorkList(memory: memory)
            unsafe work.add(
                WorkItem(
                    run: Run(
                        arrays: arrays, arrayCount: Run.state, count: parameter.value.count, isDouble: check.isDouble),
                    rule: .interpolation, coefficients: start, mode: .exact, layout: layout))
            _ = unsafe work.run(isa: isa, threads: threads, leastPiece: Settings.chunk)
        }
    }
}
