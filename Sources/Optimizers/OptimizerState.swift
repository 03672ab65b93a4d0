// What an optimizer keeps of its parameters: moments and step counters, to be looked at and set.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

extension Optimizer {
    /// Bytes of state that the optimizer owns.
    public var stateBytes: Int { (0..<count).reduce(0) { $0 + parameters[$1].stateBytes } }

    /// A moment of a parameter, contiguous: the optimizer's own memory, good until `reset`, `load` or its end.
    public func state(of parameter: Int, slot: Int) throws(MartletError) -> ArrayView {
        let entry = try entry(parameter)
        guard entry.slots.indices.contains(slot) else {
            throw MartletError(.argument, "slot is \(slot); expected 0 ..< \(entry.slots.count)")
        }
        return unsafe entry.slots[slot].view
    }

    /// Copies values into a moment, from an array of the same count and type.
    public func setState(of parameter: Int, slot: Int, to source: ArrayView) throws(MartletError) {
        let target = try unsafe state(of: parameter, slot: slot)
        guard unsafe source.type == target.type else {
            throw unsafe MartletError(.type, "array.dtype is \(source.type); expected \(target.type), the slot's")
        }
        var check = unsafe ParameterCheck(count: target.count)
        let extent = try unsafe check.extent(of: source, .gradient, 0) { _ in "array" }
        guard unsafe source.count > 0 else { return }
        let own = unsafe UInt(bitPattern: target.base)
        guard unsafe extent.high <= own || own + UInt(target.count * target.type.size) <= extent.low else {
            throw MartletError(.overlap, "array overlaps the slot itself; expected memory of its own")
        }
        unsafe Layout.withLayout(of: source) { layout in
            let operand = unsafe Operand(base: source.base!, type: source.type)
            unsafe layout.copy(.gather, array: 0, operand, first: 0, count: source.count, block: target.base!)
        }
    }

    /// Steps that a parameter has taken.
    public func stepCount(of parameter: Int) throws(MartletError) -> Int64 {
        try entry(parameter).step
    }

    /// Sets the steps that a parameter has taken, 0 or more.
    public func setStepCount(of parameter: Int, to count: Int64) throws(MartletError) {
        let entry = try entry(parameter)
        guard count >= 0 else { throw MartletError(.argument, "step is \(count); expected 0 or more") }
        entry.step = count
    }

    private func entry(_ parameter: Int) throws(MartletError) -> ParameterEntry {
        guard parameter >= 0 && parameter < count else {
            throw MartletError(.argument, "parameter is \(parameter); expected 0 ..< \(count)")
        }
        return parameters[parameter]
    }
}
