// What a checked parameter becomes: an item of work, a part of passes, steps of rows, or a move.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

extension StepPlan {
    mutating func addWork(
        _ parameter: UnsafePointer<ParameterView>, _ shape: ParameterShape, _ group: UnsafeMutablePointer<StepGroup>,
        _ step: StepNumber, _ check: ParameterCheck
    ) throws(MartletError) {
        let (rule, mode) = unsafe (group.pointee.rule(for: shape), group.pointee.mode)
        let steps = unsafe latest.turn.steps
        // A shard without elements has its part in what is added up.
        let clipping = unsafe group.pointee.clipping
        let measures = steps ? clipping.measures : clipping.skipsNonfinite
        if unsafe parameter.pointee.value.count == 0 {
            if unsafe isSharded && measures {
                unsafe measure.addEmpty(count - 1, clipping, steps ? ownCoefficients : nil)
            }
            if unsafe isSharded && latest.turn.measuresChange { unsafe change.addEmpty(count - 1) }
            if unsafe !isSharded || rule != nil || !steps { return }
        }
        // What is stepped by is the gradient, or the mean that it has come to.
        let accumulation = unsafe steps ? group.pointee.surroundings.accumulation : nil
        let ofStages = unsafe group.pointee.slots.ofStages
        let gradient =
            unsafe accumulation == nil
            ? parameter.pointee.gradient
            : parameter.pointee.state[ofStages.lowerBound + (accumulation?.slot ?? 0)]
        let slots = unsafe steps ? group.pointee.slots.elementCount(for: shape) : 0
        let coding = unsafe group.pointee.lowPrecision?.coding(of: parameter.pointee.value.type)
        let small = unsafe smallSlots(parameter, slots)
        if small != 0 { try unsafe checkSmall(parameter, shape, group, check) }
        let inBlocks = unsafe small | (check.isDouble ? 0 : drawnSlots(parameter, slots, group))
        unsafe arrays.start(parameter, gradient: gradient, slots: slots)
        for slot in ofStages { unsafe arrays.add(parameter.pointee.state[slot]) }
        let ownGradient = unsafe accumulation == nil ? Run.gradient : arrays.add(parameter.pointee.gradient)
        let copy = unsafe parameter.pointee.copy.base == nil ? nil : arrays.add(parameter.pointee.copy)
        let old =
            unsafe latest.turn.measuresChange && parameter.pointee.value.count > 0
            ? arrays.add(.contiguous(parameter.pointee.value)) : nil
        // What is summed goes by the order of the dimensions, and with it what comes to a mean before that.
        let accumulates = unsafe group.pointee.surroundings.accumulation != nil
        let sorts =
            (rule != nil || !steps) && !(measures && accumulates) && coding?.roundsAtRandom != true && inBlocks == 0
        let layout = unsafe check.layout(of: arrays, numbers: &layoutNumbers, sorts: sorts)
        let run = unsafe arrays.run(isDouble: check.isDouble, nowhere: UnsafeMutableRawPointer(counters))
        let coded =
            unsafe coding != nil || inBlocks != 0 ? makeCoded(parameter, coding, inBlocks, run, group, step) : nil
        let stages =
            unsafe latest.turn.isAny(copies: copy != nil)
            ? makeStages(
                parameter, group, run, layout, coding == nil ? nil : coded, check, gradient: ownGradient, copy: copy,
                old: old) : nil
        var own = unsafe latestCoefficients
        if steps && (rule == nil || measures) {
            // They change from pass to pass, and with what is found of the gradient.
            unsafe own = unsafe copiedCoefficients
        }
        if unsafe measures && parameter.pointee.value.count > 0 {
            let order =
                unsafe sorts
                ? check.layout(of: arrays, count: arrays.updated, numbers: &layoutNumbers, sorts: false) : layout
            unsafe measure.add(run, order, count - 1, clipping, steps ? own : nil, stages)
        }
        if rule != nil || !steps {
            unsafe work.add(
                WorkItem(
                    run: run, rule: steps ? rule : nil, coefficients: own, mode: mode, layout: layout, stages: stages,
                    coded: coded))
            return
        }
        let algorithm = unsafe group.pointee.configuration.algorithm
        let ownScalars = unsafe group.pointee.slots.scalarCount > 0 ? scalars + (scalarsCount - 1) : nil
        let change = unsafe group.pointee.change(for: shape)
        let takesTurns = algorithm.takesMatricesAlone || change.isAny && algorithm.sharedScalars == 0
        if unsafe takesTurns && !isSharded {
            unsafe matrixPasses.add(
                parameter, count - 1, shape, group, run, own, ownScalars, layout, change, stages, coded)
        } else {
            unsafe passes.add(
                parameter, count - 1, shape, group, run, own, ownScalars, layout, change, stages, coded)
        }
    }

    /// The same of a parameter whose gradient is of some rows, from the gradient on.
    @inline(never)
    mutating func addSparse(
        _ parameter: UnsafePointer<ParameterView>, _ index: Int, _ shape: ParameterShape,
        _ group: UnsafeMutablePointer<StepGroup>,
        _ check: ParameterCheck, _ backlog: Backlog?, _ describe: (Role) -> String
    ) throws(MartletError) {
        guard let given = unsafe parameter.pointee.rows else { return }
        let problem = unsafe group.pointee.problemOfRows(
            shape, copies: parameter.pointee.copy.base != nil, areInPlace: given.areInPlace)
        if let problem {
            throw MartletError(
                .unsupported,
                "\(describe(.gradient)) is of rows, and \(problem); expected one of all elements, or a group that steps "
                    + "each element by itself")
        }
        if unsafe group.pointee.lowPrecision?.coding(of: parameter.pointee.value.type) != nil
            || smallSlots(parameter, group.pointee.slots.elementCount(for: shape)) != 0
        {
            throw MartletError(
                .unsupported,
                "\(describe(.gradient)) is of rows, and the value is rounded by low precision or the state in few bits; "
                    + "expected one of all elements, or neither")
        }
        let rows = try unsafe SparseRows(given, of: parameter.pointee.value, describe)
        let (gradient, isDouble) = try unsafe rows.extent(
            of: parameter.pointee.gradient, value: parameter.pointee.value, index, describe)
        unsafe extents.add(gradient, parameter.pointee.name)
        unsafe extents.add(rows.extent(parameter: index), parameter.pointee.name)
        let counter = try unsafe StepCounter(parameter, describe)
        unsafe addCounter(counter, index, parameter.pointee.name, counts: true)
        try unsafe formCoefficients(parameter, group, counter.next)
        guard unsafe parameter.pointee.value.count > 0, let rule = unsafe group.pointee.rule(for: shape) else { return }
        // The gradient lies otherwise.
        unsafe arrays.start(
            parameter, gradient: parameter.pointee.value, slots: group.pointee.slots.elementCount(for: shape))
        let layout = unsafe check.layout(of: arrays, numbers: &layoutNumbers, sorts: false)
        let run = unsafe arrays.run(
            isDouble: check.isDouble || isDouble, nowhere: UnsafeMutableRawPointer(counters))
        let measures = unsafe group.pointee.clipping.measures
        let item = unsafe WorkItem(
            run: run, rule: rule, coefficients: measures ? copiedCoefficients : latestCoefficients,
            mode: group.pointee.mode, layout: layout)
        if unsafe group.pointee.configuration.flags.contains(.deferRows) {
            guard let backlog = unsafe backlog else { throw unsafe noBacklog(describe) }
            if unsafe !run.isDouble && drawnSlots(parameter, run.arrayCount - Run.state, group) != 0 {
                throw MartletError(
                    .unsupported,
                    "\(describe(.gradient)) is of rows that catch up to the bits of steps of all elements, and those round what "
                        + "divides in bf16 state at random; expected state of the value's type, or fp32")
            }
            try unsafe addDeferred(rows, parameter, index, shape, group, check, backlog, item, describe)
            if measures { unsafe addMeasure(parameter, group, check, ownCoefficients) }
            return
        }
        try unsafe catchUpWholly(parameter, shape, group, check, backlog, describe)
        let isFirst = unsafe counter.next.whole + Int64(counter.next.fraction.rounded(.up)) <= 1
        let used = try unsafe rowSteps.add(
            rows, parameter, index, group, isFirst: isFirst, item, numbers: &layoutNumbers, describe, to: &work)
        // They may have been changed for rows.
        if unsafe item.rule == .adagrad { unsafe latest.group = -1 }
        if measures, let used = unsafe used {
            unsafe addMeasure(parameter, group, check, UnsafeMutableRawPointer(mutating: used))
        }
    }

    /// Looks at a gradient that has all rows, whichever are stepped: the others, zeros, add nothing to its norm.
    private mutating func addMeasure(
        _ parameter: UnsafePointer<ParameterView>, _ group: UnsafeMutablePointer<StepGroup>, _ check: ParameterCheck,
        _ own: UnsafeMutableRawPointer
    ) {
        unsafe arrays.start(parameter, gradient: parameter.pointee.gradient, slots: 0)
        let layout = unsafe check.layout(of: arrays, numbers: &layoutNumbers, sorts: false)
        let run = unsafe arrays.run(isDouble: check.isDouble, nowhere: UnsafeMutableRawPointer(counters))
        unsafe measure.add(run, layout, count - 1, group.pointee.clipping, own, nil)
    }

    /// The latest coefficients where they are the parameter's alone, since what is found of the gradient changes them.
    private var copiedCoefficients: UnsafeMutableRawPointer {
        let own = unsafe ownCoefficients
        if unsafe own != latestCoefficients {
            unsafe own.copyMemory(from: latestCoefficients, byteCount: StepCoefficients.capacity)
        }
        return unsafe own
    }

    /// Adds the move of a Schedule-Free parameter between its two points, on the way to its first slot, or the exchange of a
    /// parameter for its average.
    mutating func addMove(
        _ parameter: UnsafePointer<ParameterView>, _ group: UnsafeMutablePointer<StepGroup>, to mode: OptimizerMode,
        _ check: ParameterCheck
    ) throws(MartletError) {
        var weight = 0.0
        let target: Int
        let average = unsafe group.pointee.surroundings.average
        if let average {
            let scalars = unsafe ScalarSlots(parameter, group.pointee.slots)
            if unsafe !average.hasBegun(scalars) { return }
            target = unsafe group.pointee.slots.ofStages.lowerBound + average.slot
        } else if let way = try unsafe group.pointee.configuration.weight(to: mode) {
            (weight, target) = (way, 0)
        } else {
            return
        }
        unsafe arrays.start(parameter.pointee.value, gradient: parameter.pointee.state[target])
        // What stands beside a value is found among them.
        for slot in unsafe group.pointee.slots.ofStages { unsafe arrays.add(parameter.pointee.state[slot]) }
        let layout = unsafe check.layout(of: arrays, numbers: &layoutNumbers)
        let run = unsafe arrays.run(isDouble: check.isDouble, nowhere: UnsafeMutableRawPointer(counters))
        // There and back, what is rounded at random would go astray.
        let coding = unsafe group.pointee.lowPrecision?.coding(of: parameter.pointee.value.type)
        let coded = unsafe coding.flatMap { coding in
            unsafe coding.roundsAtRandom ? nil : makeCoded(parameter, coding, 0, run, group, StepNumber(whole: 0))
        }
        let place = unsafe stages + stagesCount
        unsafe stagesCount += 1
        unsafe place.initialize(to: Stages(run, mode: .exact, layout: layout, coded: coded))
        let value = unsafe place.pointee.add(run.arrays[Run.value], place: Run.value)
        let other = unsafe place.pointee.add(run.arrays[Run.gradient], place: Run.gradient)
        unsafe place.pointee.add(
            average != nil
                ? .swap(.before, value, other) : .interpolation(.before, value, towards: other, weight: weight))
        unsafe work.add(
            WorkItem(
                run: run, rule: nil, coefficients: coefficients, mode: .exact, layout: layout,
                stages: UnsafePointer(place)))
    }

    /// Where coefficients of the parameter alone stand.
    var ownCoefficients: UnsafeMutableRawPointer {
        unsafe coefficients + (count - 1) * StepCoefficients.capacity
    }
}
