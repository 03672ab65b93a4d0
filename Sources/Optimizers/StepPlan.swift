// One step, planned in full before anything is written: each parameter is checked and becomes an item of work, then
// the memory of all of them is checked for overlaps, and only then does the work run.
//
// The plan lives in scratch memory of the calling thread that is kept between calls, so a steady loop allocates
// nothing. What a shape or a type may be is ParameterCheck's affair.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// A step under construction.
@unsafe package struct StepPlan {
    let record: ThreadRecord
    let groups: UnsafeMutablePointer<StepGroup>
    var groupCount = 0
    let spelling: Spelling
    /// Where parameters are moved to; nil: they are stepped.
    let mode: OptimizerMode?
    /// Whether rows catch up, and no step is taken.
    let catchesUp: Bool
    /// Whether the parameters are shards, whose sums the caller adds up.
    let isSharded: Bool
    var work: WorkList
    var passes: StepPasses
    /// The same of algorithms that make matrices orthogonal, and of masked updates, which take their memory in turns.
    var matrixPasses: StepPasses
    var measure: StepMeasure
    var change: StepChange
    var rowSteps: RowSteps
    var deferredSteps: DeferredSteps
    var extents: ExtentList
    let coefficients: UnsafeMutableRawPointer
    let counters: UnsafeMutablePointer<StepCounter>
    let scalars: UnsafeMutablePointer<ScalarSlots>
    /// One for each parameter.
    let stages: UnsafeMutablePointer<Stages>
    let coded: UnsafeMutablePointer<CodedArrays>
    var layoutNumbers: UnsafeMutablePointer<Int>
    /// The parameter that is added, its arrays, and its value before and behind the step.
    private let current: UnsafeMutablePointer<ParameterView>
    var arrays, both: StepArrays
    var count = 0
    var counterCount = 0
    var scalarsCount = 0
    var stagesCount = 0
    var skipped = 0
    /// What the latest coefficients were formed for, and where they are.
    var latest = unsafe (
        group: -1, step: StepNumber(whole: -1), scalars: UnsafeMutablePointer<ScalarSlots>?.none,
        turn: Surroundings.Turn()
    )
    var latestCoefficients: UnsafeMutableRawPointer

    /// Arrays that a parameter may have: value, gradient and its rows, state, copy and backlog, its step counter and the number
    /// that shows it, and scales.
    static var extentsPerParameter: Int { unsafe 5 + ParameterView.maximumStateCount + 2 + Run.capacity }

    /// An empty plan, in the thread's scratch memory, which is its own until the next.
    ///
    /// - Parameters:
    ///   - parameters: how many parameters will be added at most.
    ///   - groups: how many groups will be added at most.
    ///   - totalRank: the sum of `rankRoom` over the parameters.
    ///   - totalRows: that of `rowsRoom`.
    ///   - isSharded: whether each parameter is a part of one; the plan is then run with a reduction.
    ///   - mode: nil for a step; else the parameters of Schedule-Free groups are moved to that mode's point.
    ///   - catchesUp: whether the plan is of no step: the rows that are named, or all, catch up with those that were deferred.
    package static func make(
        parameters: Int, groups: Int, totalRank: Int, totalRows: Int = 0, spelling: Spelling,
        mode: OptimizerMode? = nil, catchesUp: Bool = false, isSharded: Bool = false
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
            to: StepPlan(
                room, record, memory, parameters, spelling: spelling, mode: mode, catchesUp: catchesUp,
                isSharded: isSharded))
        return unsafe plan
    }

    private init(
        _ room: StepRoom, _ record: ThreadRecord, _ memory: UnsafeMutableRawPointer, _ parameters: Int,
        spelling: Spelling, mode: OptimizerMode?, catchesUp: Bool, isSharded: Bool
    ) {
        unsafe self.record = record
        unsafe self.spelling = spelling
        unsafe self.mode = mode
        unsafe self.catchesUp = catchesUp
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
        unsafe deferredSteps = DeferredSteps(room, memory: memory)
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
        let group = try unsafe checkedGroup(parameter, index)
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
        try unsafe addState(parameter, index, shape, group, &check, describe)
        let backlog = try unsafe addBacklog(parameter, index, describe)
        if unsafe catchesUp {
            try unsafe addCatchUp(parameter, index, shape, group, check, backlog, describe)
            return
        }
        let isSparse = unsafe parameter.pointee.rows != nil
        if unsafe isSparse && mode == nil {
            try unsafe addSparse(parameter, index, shape, group, check, backlog, describe)
            return
        }
        let isMissing = unsafe isSparse || parameter.pointee.gradient.base == nil && parameter.pointee.value.count > 0
        if unsafe isMissing && mode == nil {
            unsafe skipped += 1
            return
        }
        try unsafe catchUpWholly(parameter, shape, group, check, backlog, describe)
        if !isMissing {
            try unsafe extents.add(
                check.extent(of: parameter.pointee.gradient, .gradient, index, describe), parameter.pointee.name)
        }
        if unsafe parameter.pointee.copy.base != nil { try unsafe addCopy(parameter, index, &check, describe) }
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

    /// Checks a parameter's state, and notes where it lies.
    @inline(never)
    private mutating func addState(
        _ parameter: UnsafePointer<ParameterView>, _ index: Int, _ shape: ParameterShape,
        _ group: UnsafeMutablePointer<StepGroup>, _ check: inout ParameterCheck, _ describe: (Role) -> String
    ) throws(MartletError) {
        let elementSlots = unsafe group.pointee.slots.elementCount(for: shape)
        for slot in unsafe 0..<group.pointee.slots.count {
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
    }

    /// The same of what a parameter is copied to.
    @inline(never)
    private mutating func addCopy(
        _ parameter: UnsafePointer<ParameterView>, _ index: Int, _ check: inout ParameterCheck,
        _ describe: (Role) -> String
    ) throws(MartletError) {
        try unsafe extents.add(
            check.extent(of: parameter.pointee.copy, .copy, index, describe), parameter.pointee.name)
        if unsafe parameter.pointee.copy.type == .fp64 && !check.isDouble {
            throw MartletError(
                .type,
                "\(describe(.copy)).dtype is fp64; expected fp32, bf16 or fp16, as no array of the parameter is fp64"
            )
        }
    }

    mutating func addCounter(
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
}
