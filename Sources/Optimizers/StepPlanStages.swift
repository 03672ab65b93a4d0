// What is made of a parameter beside its update: arrays in another form, and what is done around the update.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

extension StepPlan {
    /// A parameter's arrays that are stored in another form: its value, state of few bits.
    @inline(never)
    func makeCoded(
        _ parameter: UnsafePointer<ParameterView>, _ coding: Coding?, _ slots: UInt64, _ run: Run,
        _ group: UnsafeMutablePointer<StepGroup>, _ step: StepNumber
    ) -> UnsafePointer<CodedArrays> {
        let place = unsafe coded + (count - 1)
        let seed = unsafe RoundingSeed(
            seed: group.pointee.configuration.seed, step: UInt64(bitPattern: Int64(step.whole)),
            parameter: parameter.pointee.key)
        unsafe place.initialize(to: CodedArrays(run, seed: seed, offset: parameter.pointee.offset))
        if let coding {
            // What stands beside it is the last of the slots behind the update's.
            let slot = unsafe group.pointee.lowPrecision?.besideSlot(
                of: parameter.pointee.value.type, in: group.pointee.slots)
            let number = unsafe run.arrayCount + group.pointee.slots.ofStages.count - 1
            unsafe place.pointee.add(
                CodedArray(
                    place: Run.value, coding: coding, stored: run.arrays[Run.value].base,
                    beside: slot.flatMap { unsafe parameter.pointee.state[$0].base }, besideNumber: number))
        }
        var rest = slots
        while rest != 0 {
            let slot = rest.trailingZeroBitCount
            rest &= rest - 1
            let array = unsafe parameter.pointee.state[slot]
            guard let stored = unsafe array.base else { continue }
            let coding = unsafe array.small.map { Coding($0) } ?? .drawnBF16
            unsafe place.pointee.add(
                CodedArray(place: Run.state + slot, coding: coding, stored: stored, beside: array.scales))
        }
        return unsafe UnsafePointer(place)
    }

    /// What is done around the parameter's update in this call. `gradient` and `copy`: the places of the call's gradient and of
    /// the parameter's copy among `arrays`, in which the slots of stages come behind the update's.
    @inline(never)
    mutating func makeStages(
        _ parameter: UnsafePointer<ParameterView>, _ group: UnsafeMutablePointer<StepGroup>, _ run: Run,
        _ layout: Layout?,
        _ coded: UnsafePointer<CodedArrays>?, _ check: ParameterCheck, gradient: Int, copy: Int?, old: Int?
    ) -> UnsafePointer<Stages> {
        let place = unsafe stages + stagesCount
        unsafe stagesCount += 1
        unsafe place.initialize(to: Stages(run, mode: group.pointee.mode, layout: layout, coded: coded))
        func add(_ index: Int) -> Int {
            unsafe place.pointee.add(arrays.operand(index, nowhere: UnsafeMutableRawPointer(counters)), place: index)
        }
        let value = unsafe add(Run.value)
        for slot in unsafe 0..<group.pointee.slots.stageCount { _ = unsafe add(arrays.updated + slot) }
        let known = StageArrays(
            value: value, gradient: add(gradient), firstSlot: value + 1, copy: copy.map(add), old: old.map(add))
        unsafe latest.turn.add(to: &place.pointee, known, measures: group.pointee.clipping.measures)
        if let array = known.old {
            unsafe both.start(parameter.pointee.value, gradient: .contiguous(parameter.pointee.value))
            unsafe change.add(
                both.run(isDouble: check.isDouble, nowhere: UnsafeMutableRawPointer(counters)),
                check.layout(of: both, numbers: &layoutNumbers, sorts: false), count - 1, place, array: array)
        }
        if let accumulation = unsafe group.pointee.surroundings.accumulation {
            let scalar = unsafe parameter.pointee.state[group.pointee.slots.firstScalar + accumulation.scalar]
            if let base = unsafe scalar.base {
                unsafe place.pointee.counter = unsafe Operand(base: base, type: scalar.type)
            }
        }
        return unsafe UnsafePointer(place)
    }
}
