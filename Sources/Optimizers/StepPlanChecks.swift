// What a parameter that is added to a step must be, beyond what its arrays are by themselves (ParameterCheck.swift).
import MartletCompute
import MartletKernelInterface
import MartletPlatform

extension StepPlan {
    /// The group of a parameter that is added, which has its slots.
    @inline(never)
    func checkedGroup(_ parameter: UnsafePointer<ParameterView>, _ index: Int) throws(MartletError)
        -> UnsafeMutablePointer<StepGroup>
    {
        guard unsafe parameter.pointee.group >= 0 && parameter.pointee.group < groupCount else {
            throw unsafe MartletError(
                .argument,
                "parameters[\(index)].group is \(parameter.pointee.group); expected 0 ..< \(groupCount), the count of groups"
            )
        }
        let group = unsafe groups + parameter.pointee.group
        guard unsafe !isSharded || group.pointee.takesShards else {
            let algorithm = unsafe group.pointee.configuration.algorithm
            throw MartletError(
                .argument,
                "parameters[\(index)].group is of \(algorithm.name)\(algorithm.takesShards ? " with HYPERBALL" : ""), which "
                    + "sees matrices; expected an algorithm that can step a part of a parameter")
        }
        guard unsafe parameter.pointee.stateCount == group.pointee.slots.count else {
            throw unsafe MartletError(
                .argument,
                "parameters[\(index)].state_count is \(parameter.pointee.stateCount); expected \(group.pointee.slots.count) for "
                    + "\(group.pointee.configuration.algorithm.name)")
        }
        return unsafe group
    }

    /// Throws where a slot is stored in few bits that does not take them so.
    func checkType(
        _ array: ArrayView, _ slot: Int, _ group: UnsafeMutablePointer<StepGroup>, _ describe: (Role) -> String
    ) throws(MartletError) {
        guard unsafe array.small == nil || group.pointee.slots[slot].takes(array.stored) else {
            throw unsafe MartletError(
                .type,
                "\(describe(.state(slot))).dtype is \(array.stored.name); expected \(group.pointee.slots[slot].typeWords) for "
                    + "\(group.pointee.slots[slot].name)")
        }
    }

    /// Throws where a value is of a type that its group's way does not take, or what stands beside it of another one.
    @inline(never)
    func check(
        _ way: LowPrecision, _ parameter: UnsafePointer<ParameterView>, _ slots: Slots, _ describe: (Role) -> String
    ) throws(MartletError) {
        let type = unsafe parameter.pointee.value.type
        if let problem = way.problem(type) { throw MartletError(.type, "\(describe(.value))\(problem)") }
        guard let slot = way.besideSlot(of: type, in: slots) else { return }
        let found = unsafe parameter.pointee.state[slot].type
        if found == type { return }
        throw MartletError(
            .type,
            "\(describe(.state(slot))).dtype is \(found); expected \(type), the value's: it is \(slots[slot].name)")
    }

    /// Throws where state of few bits does not fit how the parameter is seen.
    @inline(never)
    func checkSmall(
        _ parameter: UnsafePointer<ParameterView>, _ shape: ParameterShape, _ group: UnsafeMutablePointer<StepGroup>,
        _ check: ParameterCheck
    ) throws(MartletError) {
        let (spelling, index) = unsafe (spelling, count - 1)
        let seen =
            unsafe group.pointee.rule(for: shape) == nil
            ? group.pointee.configuration.algorithm.shape(shape, latestCoefficients)
            : ParameterShape(count: shape.count)
        try unsafe check.checkSmall(seen) { role in
            unsafe spelling.describe(role, parameter: index, name: parameter.pointee.name)
        }
    }

    /// The slots of elements that are kept in few bits, a bit for each.
    func smallSlots(_ parameter: UnsafePointer<ParameterView>, _ slots: Int) -> UInt64 {
        var small: UInt64 = 0
        for slot in 0..<slots where unsafe parameter.pointee.state[slot].small != nil { small |= 1 << UInt64(slot) }
        return small
    }

    /// The slots of elements that bf16 keeps and values are divided by, where that was chosen: values are wider, or are
    /// themselves not rounded to nearest. Such are rounded at random, since to nearest they cannot move by a hundredth.
    func drawnSlots(
        _ parameter: UnsafePointer<ParameterView>, _ slots: Int, _ group: UnsafeMutablePointer<StepGroup>
    ) -> UInt64 {
        let type = unsafe parameter.pointee.value.type
        if unsafe type == .fp64 || type == .bf16 && group.pointee.lowPrecision == nil { return 0 }
        var drawn: UInt64 = 0
        for slot in 0..<slots
        where unsafe parameter.pointee.state[slot].stored == .bf16 && group.pointee.slots[slot].use == .divisor {
            drawn |= 1 << UInt64(slot)
        }
        return drawn
    }
}
