// One step, planned in full before anything is written: each parameter is checked and becomes an item of work, then
// the memory of all of them is checked for overlaps, and only then does the work run.
//
// The plan lives in scratch memory of the calling thread that is kept between calls, so a steady loop allocates
// nothing. What a shape or a type may be is ParameterCheck's affair.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// What a step did.
@frozen
public struct StepReport: Sendable {
    /// Parameters left as they were for want of a gradient.
    public var skipped = 0
    /// The norm of all gradients that were looked at, of the loss without its scale; NaN: none was.
    public var gradientNorm = Double.nan
    /// The place of the first parameter whose gradient was found not to be finite; -1: none.
    public var nonfinite = -1
    /// The norm of what the step has changed of the parameters of which it was asked for; NaN: of none.
    public var updateNorm = Double.nan
    /// Whether no step was taken for that.
    public var isDropped = false

    package init(skipped: Int = 0) { self.skipped = skipped }
}

/// A step under construction.
@unsafe package struct StepPlan {
    let record: ThreadRecord
    private let groups: UnsafeMutablePointer<StepGroup>
    private var groupCount = 0
    let spelling: Spelling
    /// Where parameters are moved to; nil: they are stepped.
    let mode: OptimizerMode?
    /// Whether the parameters are shards, whose sums the caller adds up.
    let isSharded: Bool
    var work: WorkList
    var passes: StepPasses
    /// The same of algorithms that make matrices orthogonal, and of masked updates, which take their memory in turns.
    var matrixPasses: StepPasses
    var measure: StepMeasure
    var change: StepChange
    var rowSteps: RowSteps
    var extents: ExtentList
    private let coefficients: UnsafeMutableRawPointer
    let counters: UnsafeMutablePointer<StepCounter>
    let scalars: UnsafeMutablePointer<ScalarSlots>
    /// One for each parameter.
    let stages: UnsafeMutablePointer<Stages>
    private let coded: UnsafeMutablePointer<CodedArrays>
    private var layoutNumbers: UnsafeMutablePointer<Int>
    /// The parameter that is added, its arrays, and its value before and behind the step.
    private let current: UnsafeMutablePointer<ParameterView>
    private var arrays, both: StepArrays
    var count = 0
    var counterCount = 0
    var scalarsCount = 0
    var stagesCount = 0
    var skipped = 0
    /// What the latest coefficients were formed for, and where they are.
    private var latest = unsafe (
        group: -1, step: StepNumber(whole: -1), scalars: UnsafeMutablePointer<ScalarSlots>?.none,
        turn: Surroundings.Turn()
    )
    private var latestCoefficients: UnsafeMutableRawPointer

    /// Arrays that a parameter may have: value, gradient and its rows, state and copy, its step counter and the number that
    /// shows it, and scales.
    static var extentsPerParameter: Int { unsafe 4 + ParameterView.maximumStateCount + 2 + Run.capacity }

    /// An empty plan, in the thread's scratch memory, which is its own until the next.
    ///
    /// - Parameters:
    ///   - parameters: how many parameters will be added at most.
    ///   - groups: how many groups will be added at most.
    ///   - totalRank: the sum of `rankRoom` over the parameters.
    ///   - totalRows: that of `rowsRoom`.
    ///   - isSharded: whether each parameter is a part of one; the plan is then run with a reduction.
    ///   - mode: nil for a step; else the parameters of Schedule-Free groups are moved to that mode's point.
    package static func make(
        parameters: Int, groups: Int, totalRank: Int, totalRows: Int = 0, spelling: Spelling,
        mode: OptimizerMode? = nil, isSharded: Bool = false
    ) throws(MartletError) -> UnsafeMutablePointer<StepPlan> {
        let room = StepRoom(parameters: parameters, groups: groups, totalRank: totalRank, totalRows: totalRows)
        guard let record = ThreadRecord.current, !record.isLent else {
            throw MartletError(
                .busy, "this thread is inside a reduce function; expected no step before that has returned")
        }
        guard let bytes = room.total,
            let memory = unsafe record.scratch(byteCount: bytes)
        else {
            throw MartletError(.memory, "no memory for a step of \(parameters) parameters")
        }
        let plan = unsafe (memory + room.plan).assumingMemoryBound(to: StepPlan.self)
        unsafe plan.initialize(
            to: StepPlan(room, record, memory, parameters, spelling: spelling, mode: mode, isSharded: isSharded))
        return unsafe plan
    }

    private init(
        _ room: StepRoom, _ record: ThreadRecord, _ memory: UnsafeMutableRawPointer, _ parameters: Int,
        spelling: Spelling, mode: OptimizerMode?, isSharded: Bool
    ) {
        unsafe self.record = record
        unsafe self.spelling = spelling
        unsafe self.mode = mode
        unsafe self.isSharded = isSharded
        unsafe self.groups = (memory + room.groups).assumingMemoryBound(to: StepGroup.self)
        unsafe work = WorkList(memory: memory)
        unsafe passes = StepPasses(memory: memory + room.passes, capacity: parameters)
        unsafe matrixPasses = StepPasses(memory: memory + room.matrixPasses, capacity: parameters)
        unsafe measure = StepMeasure(memory: memory + room.measure, capacity: parameters)
        unsafe change = StepChange(memory: memory + room.change, capacity: parameters)
        unsafe extents = ExtentList(
            memory: memory + room.extents, capacity: parameters * StepPlan.extentsPerParameter)
        unsafe coefficients = memory + room.coefficients
        unsafe latestCoefficients = coefficients
        unsafe counters = (memory + room.counters).assumingMemoryBound(to: StepCounter.self)
        unsafe scalars = (memory + room.scalars).assumingMemoryBound(to: ScalarSlots.self)
        unsafe stages = (memory + room.stages).assumingMemoryBound(to: Stages.self)
        unsafe coded = (memory + room.coded).assumingMemoryBound(to: CodedArrays.self)
        unsafe current = (memory + room.current).assumingMemoryBound(to: ParameterView.self)
        unsafe arrays = StepArrays(memory: memory + room.arrays)
        unsafe both = StepArrays(memory: memory + room.both)
        unsafe layoutNumbers = (memory + room.layouts).assumingMemoryBound(to: Int.self)
        unsafe rowSteps = RowSteps(room, memory: memory)
    }

    /// Adds a group, which has been checked; parameters refer to groups by their place.
    @inline(never)
    package mutating func addGroup(_ configuration: Configuration) {
        unsafe (groups + groupCount).initialize(to: StepGroup(configuration))
        unsafe groupCount += 1
    }

    /// Checks one parameter and adds its work. Its group must have been added. The plan is of no use after an error.
    package mutating func add(_ given: ParameterView) throws(MartletError) {
        // In the plan's memory, since it is too many bytes to be copied on a thread's stack from call to call.
        unsafe current.initialize(to: given)
        let parameter = unsafe UnsafePointer(current)
        let index = unsafe count
        unsafe count += 1
        let spelling = unsafe spelling
        func describe(_ role: Role) -> String {
            unsafe spelling.describe(role, parameter: index, name: parameter.pointee.name)
        }
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
        let allSlots = unsafe group.pointee.slots.count
        var check = unsafe ParameterCheck(
            count: parameter.pointee.value.count, writesGradient: group.pointee.surroundings.zeroesGradients)
        try unsafe extents.add(
            check.extent(of: parameter.pointee.value, .value, index, describe), parameter.pointee.name)
        let shape = unsafe ParameterShape(parameter.pointee.value)
        if let way = unsafe group.pointee.lowPrecision {
            try unsafe self.check(way, parameter, group.pointee.slots, describe)
        }
        if unsafe group.pointee.rule(for: shape) == nil, let problem = unsafe group.pointee.configuration.problem(shape)
        {
            throw MartletError(.shape, "\(describe(.value)) \(problem)")
        }
        let elementSlots = unsafe group.pointee.slots.elementCount(for: shape)
        for slot in 0..<allSlots {
            let isOfElements = unsafe slot < elementSlots || group.pointee.slots.ofStages.contains(slot)
            if isOfElements { try unsafe checkType(parameter.pointee.state[slot], slot, group, describe) }
            try unsafe extents.add(
                isOfElements
                    ? check.extent(of: parameter.pointee.state[slot], .state(slot), index, describe)
                    : ParameterCheck.extent(
                        of: parameter.pointee.state[slot], group.pointee.slots[slot], of: shape,
                        scalarAlignment: spelling.scalarAlignment, .state(slot), index, describe),
                parameter.pointee.name)
            if slot < elementSlots,
                let scales = try unsafe check.scales(of: parameter.pointee.state[slot], .state(slot), index, describe)
            {
                unsafe extents.add(scales, parameter.pointee.name)
            }
        }
        let isSparse = unsafe parameter.pointee.rows != nil
        if unsafe isSparse && mode == nil {
            try unsafe addSparse(parameter, index, shape, group, check, describe)
            return
        }
        let isMissing = unsafe isSparse || parameter.pointee.gradient.base == nil && parameter.pointee.value.count > 0
        if unsafe isMissing && mode == nil {
            unsafe skipped += 1
            return
        }
        if !isMissing {
            try unsafe extents.add(
                check.extent(of: parameter.pointee.gradient, .gradient, index, describe), parameter.pointee.name)
        }
        let copies = unsafe parameter.pointee.copy.base != nil
        if copies {
            try unsafe extents.add(
                check.extent(of: parameter.pointee.copy, .copy, index, describe), parameter.pointee.name)
            if unsafe parameter.pointee.copy.type == .fp64 && !check.isDouble {
                throw MartletError(
                    .type,
                    "\(describe(.copy)).dtype is fp64; expected fp32, bf16 or fp16, as no array of the parameter is fp64"
                )
            }
        }
        let counter = try unsafe StepCounter(parameter, describe)
        if let mode = unsafe mode {
            unsafe addCounter(counter, index, parameter.pointee.name, counts: false)
            let wasStepped = unsafe counter.next != StepNumber(whole: 1)
            if unsafe wasStepped && parameter.pointee.value.count > 0 {
                try unsafe addMove(parameter, group, to: mode, check)
            }
            return
        }
        try unsafe formCoefficients(parameter, group, counter.next)
        unsafe addCounter(counter, index, parameter.pointee.name, counts: latest.turn.steps)
        try unsafe addWork(parameter, shape, group, counter.next, check)
    }

    /// The same of a parameter whose gradient is of some rows, from the gradient on.
    @inline(never)
    private mutating func addSparse(
        _ parameter: UnsafePointer<ParameterView>, _ index: Int, _ shape: ParameterShape,
        _ group: UnsafeMutablePointer<StepGroup>,
        _ check: ParameterCheck, _ describe: (Role) -> String
    ) throws(MartletError) {
        if let problem = unsafe group.pointee.problemOfRows(shape, copies: parameter.pointee.copy.base != nil) {
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
        guard let given = unsafe parameter.pointee.rows else { return }
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
        let item = unsafe WorkItem(
            run: run, rule: rule, coefficients: latestCoefficients, mode: group.pointee.mode, layout: layout)
        let isFirst = unsafe counter.next.whole + Int64(counter.next.fraction.rounded(.up)) <= 1
        try unsafe rowSteps.add(
            rows, parameter, index, group, isFirst: isFirst, item, numbers: &layoutNumbers, describe, to: &work)
        // They may have been changed for rows.
        if unsafe item.rule == .adagrad { unsafe latest.group = -1 }
    }

    /// Throws where a slot is stored in few bits that does not take them so.
    private func checkType(
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
    private func check(
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

    private mutating func addCounter(
        _ counter: StepCounter, _ index: Int, _ name: UnsafePointer<CChar>?, counts: Bool
    ) {
        // Parameters that share a counter usually stand together; such a counter is noted once.
        if unsafe counterCount > 0, unsafe counters[counterCount - 1].isSame(as: counter) { return }
        if counts {
            unsafe (counters + counterCount).initialize(to: counter)
            unsafe counterCount += 1
        }
        func note(_ role: Role, _ bytes: (low: UInt, count: Int)) {
            unsafe extents.add(
                Extent(
                    low: bytes.low, high: bytes.low + UInt(bytes.count), isWritten: true, role: role, parameter: index,
                    elementSize: bytes.count, rank: 0, sizes: nil, strides: nil),
                name)
        }
        unsafe note(.step, (UInt(bitPattern: counter.address), 8))
        if let shown = unsafe counter.shown { unsafe note(.shownStep, shown.bytes) }
    }

    private mutating func addWork(
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
        unsafe arrays.start(parameter, gradient: gradient, slots: slots)
        for slot in ofStages { unsafe arrays.add(parameter.pointee.state[slot]) }
        let ownGradient = unsafe accumulation == nil ? Run.gradient : arrays.add(parameter.pointee.gradient)
        let copy = unsafe parameter.pointee.copy.base == nil ? nil : arrays.add(parameter.pointee.copy)
        let old = unsafe latest.turn.measuresChange ? arrays.add(.contiguous(parameter.pointee.value)) : nil
        // What is summed goes by the order of the dimensions, and with it what comes to a mean before that.
        let accumulates = unsafe group.pointee.surroundings.accumulation != nil
        let sorts =
            (rule != nil || !steps) && !(measures && accumulates) && coding?.roundsAtRandom != true && small == 0
        let layout = unsafe check.layout(of: arrays, numbers: &layoutNumbers, sorts: sorts)
        let run = unsafe arrays.run(isDouble: check.isDouble, nowhere: UnsafeMutableRawPointer(counters))
        let coded = unsafe coding != nil || small != 0 ? makeCoded(parameter, coding, small, run, group, step) : nil
        let stages =
            unsafe latest.turn.isAny(copies: copy != nil)
            ? makeStages(
                parameter, group, run, layout, coding == nil ? nil : coded, check, gradient: ownGradient, copy: copy,
                old: old) : nil
        var own = unsafe latestCoefficients
        if steps && (rule == nil || measures) {
            // They change from pass to pass, and with what is found of the gradient.
            unsafe own = unsafe ownCoefficients
            if unsafe own != latestCoefficients {
                unsafe own.copyMemory(from: latestCoefficients, byteCount: StepCoefficients.capacity)
            }
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

    /// Where coefficients of the parameter alone stand.
    private var ownCoefficients: UnsafeMutableRawPointer {
        unsafe coefficients + (count - 1) * StepCoefficients.capacity
    }

    /// Throws where state of few bits does not fit how the parameter is seen.
    @inline(never)
    private func checkSmall(
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
    private func smallSlots(_ parameter: UnsafePointer<ParameterView>, _ slots: Int) -> UInt64 {
        var small: UInt64 = 0
        for slot in 0..<slots where unsafe parameter.pointee.state[slot].small != nil { small |= 1 << UInt64(slot) }
        return small
    }

    /// A parameter's arrays that are stored in another form: its value, state of few bits.
    @inline(never)
    private func makeCoded(
        _ parameter: UnsafePointer<ParameterView>, _ coding: Coding?, _ small: UInt64, _ run: Run,
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
        var rest = small
        while rest != 0 {
            let slot = rest.trailingZeroBitCount
            rest &= rest - 1
            let array = unsafe parameter.pointee.state[slot]
            guard let type = unsafe array.small, let codes = unsafe array.base else { continue }
            unsafe place.pointee.add(
                CodedArray(place: Run.state + slot, coding: Coding(type), stored: codes, beside: array.scales))
        }
        return unsafe UnsafePointer(place)
    }

    /// What is done around the parameter's update in this call. `gradient` and `copy`: the places of the call's gradient and of
    /// the parameter's copy among `arrays`, in which the slots of stages come behind the update's.
    @inline(never)
    private mutating func makeStages(
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

    /// Adds the move of a Schedule-Free parameter between its two points, on the way to its first slot, or the exchange of a
    /// parameter for its average.
    private mutating func addMove(
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

    /// Forms a parameter's coefficients, unless they are those of the one before, and notes what becomes of its scalars.
    private mutating func formCoefficients(
        _ parameter: UnsafePointer<ParameterView>, _ group: UnsafeMutablePointer<StepGroup>, _ step: StepNumber
    ) throws(MartletError) {
        let isSame = unsafe latest.group == parameter.pointee.group && latest.step == step
        if unsafe group.pointee.slots.scalarCount == 0 {
            if !isSame { _ = try unsafe formAnew(parameter, group, step, ScalarSlots()) }
            return
        }
        var own = unsafe ScalarSlots(parameter, group.pointee.slots)
        if isSame, let known = unsafe latest.scalars, unsafe own.isAlike(known.pointee) {
            unsafe own.follow(known.pointee)
        } else {
            unsafe own = try formAnew(parameter, group, step, own)
            unsafe latest.scalars = unsafe scalars + scalarsCount
        }
        unsafe (scalars + scalarsCount).initialize(to: own)
        unsafe scalarsCount += 1
    }

    private mutating func formAnew(
        _ parameter: UnsafePointer<ParameterView>, _ group: UnsafeMutablePointer<StepGroup>, _ step: StepNumber,
        _ scalars: ScalarSlots
    ) throws(MartletError) -> ScalarSlots {
        unsafe latestCoefficients = ownCoefficients
        var request = unsafe CoefficientRequest(group: group, step: step, scalars: scalars, memory: latestCoefficients)
        unsafe FloatingPointMode.exact.call(CoefficientRequest.serve, &request)
        if let scalar = unsafe request.scalars.notANumber {
            let slot = unsafe group.pointee.slots.firstScalar + scalar
            let subject = unsafe spelling.describe(.state(slot), parameter: count - 1, name: parameter.pointee.name)
            throw unsafe MartletError(
                .argument,
                "\(subject) would be nan after the step; expected a state, and numbers of the group, that give "
                    + "\(group.pointee.slots[slot].name) a number")
        }
        if unsafe !request.areFinite {
            throw unsafe group.pointee.configuration.undefined("parameters[\(count - 1)]", step: step)
        }
        unsafe latest = unsafe (parameter.pointee.group, step, nil, request.turn)
        return unsafe request.scalars
    }
}
