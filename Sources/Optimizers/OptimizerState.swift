// What an optimizer keeps of its parameters: moments and step counters, to be looked at and set.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

extension Optimizer {
    /// Bytes of state that the optimizer owns.
    public var stateBytes: Int { (0..<count).reduce(0) { $0 + parameters[$1].stateBytes } }

    /// A moment of a parameter, contiguous: the optimizer's own memory, good until `reset`, `load` or its end. Every row
    /// catches up first.
    public func state(of parameter: Int, slot: Int) throws(MartletError) -> ArrayView {
        try finish()
        let entry = try entry(parameter)
        guard entry.slots.indices.contains(slot) else {
            throw MartletError(.argument, "slot is \(slot); expected 0 ..< \(entry.slots.count)")
        }
        return unsafe entry.slots[slot].view
    }

    /// Copies values into a moment, from an array of the same count and type.
    public func setState(of parameter: Int, slot: Int, to source: ArrayView) throws(MartletError) {
        let target = try unsafe state(of: parameter, slot: slot)
        guard unsafe source.stored == target.stored else {
            throw unsafe MartletError(
                .type, "array.dtype is \(source.stored.name); expected \(target.stored.name), the slot's")
        }
        var check = unsafe ParameterCheck(count: target.count)
        let extent = try unsafe check.extent(of: source, .gradient, 0) { _ in "array" }
        guard unsafe source.count > 0 else { return }
        if unsafe source.small != nil {
            try unsafe copyCodes(of: source, to: target, check, extent)
            return
        }
        let own = unsafe UInt(bitPattern: target.base)
        guard unsafe extent.high <= own || own + UInt(target.count * target.type.size) <= extent.low else {
            throw MartletError(.overlap, "array overlaps the slot itself; expected memory of its own")
        }
        unsafe Layout.withLayout(of: source) { layout in
            let operand = unsafe Operand(base: source.base!, type: source.type)
            unsafe layout.copy(.gather, array: 0, operand, first: 0, count: source.count, block: target.base!)
        }
    }

    /// Copies codes and scales, none of which are the target's own.
    private func copyCodes(
        of source: ArrayView, to target: ArrayView, _ check: ParameterCheck, _ codes: Extent
    ) throws(MartletError) {
        let scales = try unsafe check.scales(of: source, .gradient, 0) { _ in "array" }
        guard let scales = unsafe scales, let type = unsafe target.small else { return }
        let (ownCodes, ownScales) = unsafe (UInt(bitPattern: target.base), UInt(bitPattern: target.scales))
        let end = unsafe ownScales + UInt(type.scaleCount(target.count) * 4)
        func isOwn(_ given: Extent) -> Bool { unsafe given.low < end && given.high > ownCodes }
        guard unsafe !isOwn(codes) && !isOwn(scales) else {
            throw MartletError(.overlap, "array overlaps the slot itself; expected memory of its own")
        }
        unsafe target.base!.copyMemory(from: source.base!, byteCount: type.byteCount(target.count))
        unsafe target.scales!.copyMemory(from: source.scales!, byteCount: type.scaleCount(target.count) * 4)
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
