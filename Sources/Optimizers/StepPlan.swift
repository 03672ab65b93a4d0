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

    package init(skipped: Int = 0) { self.skipped = skipped }
}

/// A step under construction.
@unsafe package struct StepPlan {
    private let record: ThreadRecord
    private let groups: UnsafeMutablePointer<StepGroup>
    private var groupCount = 0
    private let spelling: Spelling
    /// Where parameters are moved to; nil: they are stepped.
    private let mode: OptimizerMode?
    /// Whether the parameters are shards, whose sums the caller adds up.
    private let isSharded: Bool
    private var work: WorkList
    private var passes: StepPasses
    /// The same of algorithms that make matrices orthogonal, and of masked updates, which take their memory in turns.
    private var matrixPasses: StepPasses
    private var extents: ExtentList
    private let coefficients: UnsafeMutableRawPointer
    private let counters: UnsafeMutablePointer<StepCounter>
    private let scalars: UnsafeMutablePointer<ScalarSlots>
    /// One for each parameter.
    private let stages: UnsafeMutablePointer<Stages>
    private let coded: UnsafeMutablePointer<CodedArrays>
    private var layoutNumbers: UnsafeMutablePointer<Int>
    private var count = 0
    private var counterCount = 0
    private var scalarsCount = 0
    private var skipped = 0
    /// What the latest coefficients were formed for, and where they are.
    private var latest = unsafe (
        group: -1, step: StepNumber(whole: -1), scalars: UnsafeMutablePointer<ScalarSlots>?.none, turn: Lookahead.Turn()
    )
    private var latestCoefficients: UnsafeMutableRawPointer

    /// Arrays that a parameter may have: value, gradient and state, its step counter and the number that shows it, and scales.
    static var extentsPerParameter: Int { unsafe 2 + ParameterView.maximumStateCount + 2 + Run.capacity }

    /// An empty plan.
    ///
    /// - Parameters:
    ///   - parameters: how many parameters will be added at most.
    ///   - groups: how many groups will be added at most.
    ///   - totalRank: the sum of `rankRoom` over the parameters.
    ///   - isSharded: whether each parameter is a part of one; the plan is then run with a reduction.
    ///   - mode: nil for a step; else the parameters of Schedule-Free groups are moved to that mode's point.
    package init(
        parameters: Int, groups: Int, totalRank: Int, spelling: Spelling, mode: OptimizerMode? = nil,
        isSharded: Bool = false
    ) throws(MartletError) {
        let room = StepRoom(parameters: parameters, groups: groups, totalRank: totalRank)
        guard let record = ThreadRecord.current, !record.isLent else {
            throw MartletError(
                .busy, "this thread is inside a reduce function; expected no step before that has returned")
        }
        guard let bytes = room.total,
            let memory = unsafe record.scratch(byteCount: bytes)
        else {
            throw MartletError(.memory, "no memory for a step of \(parameters) parameters")
        }
        unsafe self.record = record
        unsafe self.spelling = spelling
        unsafe self.mode = mode
        unsafe self.isSharded = isSharded
        unsafe self.groups = (memory + room.groups).assumingMemoryBound(to: StepGroup.self)
        unsafe work = WorkList(memory: memory)
        unsafe passes = StepPasses(memory: memory + room.passes, capacity: parameters)
        unsafe matrixPasses = StepPasses(memory: memory + room.matrixPasses, capacity: parameters)
        unsafe extents = ExtentList(
            memory: memory + room.extents, capacity: parameters * StepPlan.extentsPerParameter)
        unsafe coefficients = memory + room.coefficients
        unsafe latestCoefficients = coefficients
        unsafe counters = (memory + room.counters).assumingMemoryBound(to: StepCounter.self)
        unsafe scalars = (memory + room.scalars).assumingMemoryBound(to: ScalarSlots.self)
        unsafe stages = (memory + room.stages).assumingMemoryBound(to: Stages.self)
        unsafe coded = (memory + room.coded).assumingMemoryBound(to: CodedArrays.self)
        unsafe layoutNumbers = (memory + room.layouts).assumingMemoryBound(to: Int.self)
    }

    /// Adds a group, which has been checked; parameters refer to groups by their place.
    @inline(never)
    package mutating func addGroup(_ configuration: Configuration) {
        unsafe (groups + groupCount).initialize(to: StepGroup(configuration))
        unsafe groupCount += 1
    }

    /// Checks one parameter and adds its work. Its group must have been added. The plan is of no use after an error.
    package mutating func add(_ parameter: ParameterView) throws(MartletError) {
        let index = unsafe count
        unsafe count += 1
        let spelling = unsafe spelling
        func describe(_ role: Role) -> String {
            unsafe spelling.describe(role, parameter: index, name: parameter.name)
        }
        guard unsafe parameter.group >= 0 && parameter.group < groupCount else {
            throw unsafe MartletError(
                .argument,
                "parameters[\(index)].group is \(parameter.group); expected 0 ..< \(groupCount), the count of groups"
            )
        }
        let group = unsafe groups + parameter.group
        guard unsafe !isSharded || group.pointee.takesShards else {
            let algorithm = unsafe group.pointee.configuration.algorithm
            throw MartletError(
                .argument,
                "parameters[\(index)].group is of \(algorithm.name)\(algorithm.takesShards ? " with HYPERBALL" : ""), which "
                    + "sees matrices; expected an algorithm that can step a part of a parameter")
        }
        guard unsafe parameter.stateCount == group.pointee.slots.count else {
            throw unsafe MartletError(
                .argument,
                "parameters[\(index)].state_count is \(parameter.stateCount); expected \(group.pointee.slots.count) for "
                    + "\(group.pointee.configuration.algorithm.name)")
        }
        let allSlots = unsafe group.pointee.slots.count
        let state = unsafe parameter.state.span
        var check = unsafe ParameterCheck(count: parameter.value.count)
        try unsafe extents.add(check.extent(of: parameter.value, .value, index, describe), parameter.name)
        let shape = unsafe ParameterShape(parameter.value)
        if let way = unsafe group.pointee.lowPrecision {
            try unsafe self.check(way, parameter, group.pointee.slots, describe)
        }
        if unsafe group.pointee.rule(for: shape) == nil, let problem = unsafe group.pointee.configuration.problem(shape)
        {
            throw MartletError(.shape, "\(describe(.value)) \(problem)")
        }
        let elementSlots = unsafe group.pointee.slots.elementCount(for: shape)
        let ofStages = unsafe group.pointee.slots.ofStages
        for slot in 0..<elementSlots {
            try unsafe checkType(state[slot], slot, group, describe)
            try unsafe extents.add(
                check.extent(of: state[slot], .state(slot), index, describe), parameter.name)
            if let scales = try unsafe check.scales(of: state[slot], .state(slot), index, describe) {
                unsafe extents.add(scales, parameter.name)
            }
        }
        for slot in ofStages {
            try unsafe checkType(state[slot], slot, group, describe)
            try unsafe extents.add(
                check.extent(of: state[slot], .state(slot), index, describe), parameter.name)
        }
        for slot in elementSlots..<allSlots where !ofStages.contains(slot) {
            try unsafe extents.add(
                ParameterCheck.extent(
                    of: state[slot], group.pointee.slots[slot], of: shape, scalarAlignment: spelling.scalarAlignment,
                    .state(slot), index, describe),
                parameter.name)
        }
        let isMissing = unsafe parameter.gradient.base == nil && parameter.value.count > 0
        if unsafe isMissing && mode == nil {
            unsafe skipped += 1
            return
        }
        if !isMissing {
            try unsafe extents.add(check.extent(of: parameter.gradient, .gradient, index, describe), parameter.name)
        }
        let counter = try unsafe StepCounter(parameter, describe)
        unsafe addCounter(counter, index, parameter.name)
        if let mode = unsafe mode {
            let wasStepped = unsafe counter.next != StepNumber(whole: 1)
            if unsafe wasStepped && parameter.value.count > 0 {
                try unsafe addMove(parameter, group, to: mode, check)
            }
            return
        }
        try unsafe addWork(parameter, shape, group, counter.next, check)
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
        _ way: LowPrecision, _ parameter: ParameterView, _ slots: Slots, _ describe: (Role) -> String
    ) throws(MartletError) {
        let type = unsafe parameter.value.type
        if let problem = way.problem(type) { throw MartletError(.type, "\(describe(.value))\(problem)") }
        guard let slot = way.besideSlot(of: type, in: slots) else { return }
        let found = unsafe parameter.state.span[slot].type
        if found == type { return }
        throw MartletError(
            .type,
            "\(describe(.state(slot))).dtype is \(found); expected \(type), the value's: it is \(slots[slot].name)")
    }

    private mutating func addCounter(_ counter: StepCounter, _ index: Int, _ name: UnsafePointer<CChar>?) {
        // Parameters that share a counter usually stand together; such a counter is noted once.
        if unsafe counterCount > 0, unsafe counters[counterCount - 1].isSame(as: counter) { return }
        unsafe (counters + counterCount).initialize(to: counter)
        unsafe counterCount += 1
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
        _ parameter: ParameterView, _ shape: ParameterShape, _ group: UnsafeMutablePointer<StepGroup>,
        _ step: StepNumber, _ check: ParameterCheck
    ) throws(MartletError) {
        try unsafe formCoefficients(parameter, group, step)
        // A shard without elements has its part in what is added up.
        if unsafe parameter.value.count == 0 && (!isSharded || group.pointee.rule(for: shape) != nil) { return }
        let elementSlots = unsafe group.pointee.slots.elementCount(for: shape)
        let (rule, mode) = unsafe (group.pointee.rule(for: shape), group.pointee.mode)
        let ofStages = unsafe group.pointee.slots.ofStages
        let coding = unsafe group.pointee.lowPrecision?.coding(of: parameter.value.type)
        let small = unsafe smallSlots(parameter, elementSlots)
        if small != 0 {
            let spelling = unsafe spelling
            let algorithm = unsafe group.pointee.configuration.algorithm
            let seen =
                unsafe rule == nil ? algorithm.shape(shape, latestCoefficients) : ParameterShape(count: shape.count)
            try unsafe check.checkSmall(seen) { role in
                unsafe spelling.describe(role, parameter: count - 1, name: parameter.name)
            }
        }
        let sorts = coding?.roundsAtRandom != true && rule != nil && small == 0
        let (run, layout) = unsafe laidOut(
            parameter, slots: elementSlots, ofStages: ofStages, sorts: sorts, check)
        let coded = unsafe coding != nil || small != 0 ? makeCoded(parameter, coding, small, run, group, step) : nil
        let ofValue = unsafe coding == nil ? nil : coded
        let stages = unsafe ofStages.isEmpty ? nil : makeStages(parameter, ofStages, run, layout, mode, ofValue)
        if let rule {
            unsafe work.add(
                WorkItem(
                    run: run, rule: rule, coefficients: latestCoefficients, mode: mode, layout: layout, stages: stages,
                    coded: coded))
            return
        }
        // Its coefficients change from pass to pass.
        let own = unsafe coefficients + (count - 1) * StepCoefficients.capacity
        if unsafe own != latestCoefficients {
            unsafe own.copyMemory(from: latestCoefficients, byteCount: StepCoefficients.capacity)
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

    /// The slots of elements that are kept in few bits, a bit for each.
    private func smallSlots(_ parameter: ParameterView, _ slots: Int) -> UInt64 {
        var small: UInt64 = 0
        for slot in 0..<slots where unsafe parameter.state.span[slot].small != nil { small |= 1 << UInt64(slot) }
        return small
    }

    /// A parameter's arrays that are stored in another form: its value, state of few bits.
    @inline(never)
    private func makeCoded(
        _ parameter: ParameterView, _ coding: Coding?, _ small: UInt64, _ run: Run,
        _ group: UnsafeMutablePointer<StepGroup>, _ step: StepNumber
    ) -> UnsafePointer<CodedArrays> {
        let place = unsafe coded + (count - 1)
        let seed = unsafe RoundingSeed(
            seed: group.pointee.configuration.seed, step: UInt64(bitPattern: Int64(step.whole)),
            parameter: parameter.key)
        unsafe place.initialize(to: CodedArrays(run, seed: seed, offset: parameter.offset))
        if let coding {
            // What stands beside it is the last of the slots behind the update's.
            let slot = unsafe group.pointee.lowPrecision?.besideSlot(
                of: parameter.value.type, in: group.pointee.slots)
            let number = unsafe run.arrayCount + group.pointee.slots.ofStages.count - 1
            unsafe place.pointee.add(
                CodedArray(
                    place: Run.value, coding: coding, stored: run.arrays[Run.value].base,
                    beside: slot.flatMap { unsafe parameter.state[$0].base }, besideNumber: number))
        }
        var rest = small
        while rest != 0 {
            let slot = rest.trailingZeroBitCount
            rest &= rest - 1
            let array = unsafe parameter.state.span[slot]
            guard let type = unsafe array.small, let codes = unsafe array.base else { continue }
            unsafe place.pointee.add(
                CodedArray(place: Run.state + slot, coding: Coding(type), stored: codes, beside: array.scales))
        }
        return unsafe UnsafePointer(place)
    }

    /// What is done around the parameter's update at this step; nil: nothing.
    @inline(never)
    private func makeStages(
        _ parameter: ParameterView, _ slots: Range<Int>, _ run: Run, _ layout: Layout?, _ mode: FloatingPointMode,
        _ coded: UnsafePointer<CodedArrays>?
    ) -> UnsafePointer<Stages>? {
        let place = unsafe stages + (count - 1)
        let slow = unsafe parameter.state[slots.lowerBound]
        guard let base = unsafe slow.base, unsafe latest.turn.isAny else { return nil }
        unsafe place.initialize(to: Stages(run, mode: mode, layout: layout, coded: coded))
        unsafe latest.turn.add(to: &place.pointee, slow: Operand(base: base, type: slow.type))
        return unsafe UnsafePointer(place)
    }

    /// Adds the move between a Schedule-Free parameter's two points, on the way to its first slot.
    private mutating func addMove(
        _ parameter: ParameterView, _ group: UnsafeMutablePointer<StepGroup>, to mode: OptimizerMode,
        _ check: ParameterCheck
    ) throws(MartletError) {
        guard let weight = unsafe try group.pointee.configuration.weight(to: mode) else { return }
        var interpolation = InterpolationCoefficients()
        interpolation.weight = weight
        let place = unsafe coefficients + (count - 1) * StepCoefficients.capacity
        unsafe place.storeBytes(of: RunTerms(), as: RunTerms.self)
        unsafe (place + StepCoefficients.ruleOffset).storeBytes(
            of: interpolation, as: InterpolationCoefficients.self)
        var moved = unsafe parameter
        unsafe moved.gradient = parameter.state[0]
        let ofStages = unsafe group.pointee.slots.ofStages
        let (run, layout) = unsafe laidOut(moved, slots: 0, ofStages: ofStages, sorts: true, check)
        // There and back, what is rounded at random would go astray.
        let coding = unsafe group.pointee.lowPrecision?.coding(of: parameter.value.type)
        let coded = unsafe coding.flatMap { coding in
            unsafe coding.roundsAtRandom ? nil : makeCoded(parameter, coding, 0, run, group, StepNumber(whole: 0))
        }
        unsafe work.add(
            WorkItem(
                run: run, rule: .interpolation, coefficients: place, mode: .exact, layout: layout, coded: coded))
    }

    /// Where a parameter's arrays are, and how they lie.
    private mutating func laidOut(
        _ parameter: ParameterView, slots: Int, ofStages: Range<Int>, sorts: Bool, _ check: ParameterCheck
    ) -> (Run, Layout?) {
        // Of a shard without elements no address is used.
        let nowhere = unsafe UnsafeMutableRawPointer(counters)
        let value = unsafe Operand(base: parameter.value.base ?? nowhere, type: parameter.value.type)
        var arrays = unsafe InlineArray<6, Operand>(repeating: value)
        unsafe arrays[Run.gradient] = Operand(
            base: parameter.gradient.base ?? nowhere, type: parameter.gradient.type)
        let state = unsafe parameter.state.span
        for index in 0..<slots {
            unsafe arrays[Run.state + index] = Operand(base: state[index].base ?? nowhere, type: state[index].type)
        }
        let layout = unsafe check.layout(
            of: parameter, slots: slots, ofStages: ofStages, numbers: &layoutNumbers, sorts: sorts)
        let run = unsafe Run(
            arrays: arrays, arrayCount: Run.state + slots, count: parameter.value.count, isDouble: check.isDouble)
        return unsafe (run, layout)
    }

    /// Forms a parameter's coefficients, unless they are those of the one before, and notes what becomes of its scalars.
    private mutating func formCoefficients(
        _ parameter: ParameterView, _ group: UnsafeMutablePointer<StepGroup>, _ step: StepNumber
    ) throws(MartletError) {
        let isSame = unsafe latest.group == parameter.group && latest.step == step
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
        _ parameter: ParameterView, _ group: UnsafeMutablePointer<StepGroup>, _ step: StepNumber, _ scalars: ScalarSlots
    ) throws(MartletError) -> ScalarSlots {
        unsafe latestCoefficients = coefficients + (count - 1) * StepCoefficients.capacity
        var request = unsafe CoefficientRequest(group: group, step: step, scalars: scalars, memory: latestCoefficients)
        unsafe FloatingPointMode.exact.call(CoefficientRequest.serve, &request)
        if let scalar = unsafe request.scalars.notANumber {
            let slot = unsafe group.pointee.slots.firstScalar + scalar
            let subject = unsafe spelling.describe(.state(slot), parameter: count - 1, name: parameter.name)
            throw unsafe MartletError(
                .argument,
                "\(subject) would be nan after the step; expected a state, and numbers of the group, that give "
                    + "\(group.pointee.slots[slot].name) a number")
        }
        if unsafe !request.areFinite {
            throw unsafe group.pointee.configuration.undefined("parameters[\(count - 1)]", step: step)
        }
        unsafe latest = unsafe (parameter.group, step, nil, request.turn)
        return unsafe request.scalars
    }

    /// Checks the memory of all parameters against each other, runs the work on as many threads (nil: the setting in
    /// force), and counts the steps. Throws `.stopped` where a reduction failed.
    package mutating func run(threads: Int? = nil, reduction: Reduction? = nil) throws(MartletError) -> StepReport {
        if let (first, second) = unsafe extents.conflict() {
            let spelling = unsafe spelling
            func describe(_ extent: Extent) -> String {
                unsafe spelling.describe(extent.role, parameter: extent.parameter, name: extent.name)
            }
            throw unsafe MartletError(
                .overlap,
                "\(describe(first)) and \(describe(second)) overlap in memory; expected written arrays to overlap nothing"
            )
        }
        let chosen = try Settings.chosenISA
        // What products give differs between instruction sets, so that the size of a step has no say in which it is.
        let ofMatrices = chosen ?? .best
        let isa =
            unsafe matrixPasses.isEmpty
            ? chosen ?? (passes.isEmpty ? work.suitableISA : passes.suitableISA) : ofMatrices
        let most = if let threads { threads } else { try Settings.threads }
        try unsafe placePasses(threads: most)
        let passed = try unsafe runPasses(chosen, most, reduction)
        let swept = unsafe work.run(isa: chosen ?? work.suitableISA, threads: most, leastPiece: Settings.chunk)
        let turned = unsafe matrixPasses.run(isa: ofMatrices, threads: most)
        let working = max(swept, passed, turned ?? 0)
        unsafe record.lastISA = isa.rawValue
        unsafe record.lastThreads = Int32(working)
        for index in unsafe 0..<scalarsCount { unsafe scalars[index].write() }
        if unsafe mode == nil { for index in unsafe 0..<counterCount { unsafe counters[index].write() } }
        return unsafe StepReport(skipped: skipped)
    }

    /// First of all, since what a reduction does can fail: what needs none is then as it was.
    private func runPasses(
        _ chosen: InstructionSet?, _ threads: Int, _ reduction: Reduction?
    ) throws(MartletError) -> Int {
        unsafe record.isLent = reduction != nil
        defer { unsafe record.isLent = false }
        guard
            let working = unsafe passes.run(
                isa: chosen ?? passes.suitableISA, threads: threads, reduction: reduction)
        else {
            throw MartletError(
                .stopped,
                "reduce did not return 0; parameters and state of the groups whose sums it adds may be partly stepped")
        }
        return working
    }

    /// Takes the memory of steps of several passes, which use it one after the other; nothing that is done afterwards can
    /// fail. Throws `.memory`.
    @inline(never)
    private mutating func placePasses(threads: Int) throws(MartletError) {
        if unsafe passes.isEmpty && matrixPasses.isEmpty { return }
        if unsafe isSharded { unsafe passes.shardCount = count }
        guard let own = unsafe passes.byteCount(threads: threads),
            let ofMatrices = unsafe matrixPasses.byteCount(threads: threads),
            let memory = unsafe record.sums(byteCount: max(own, ofMatrices))
        else {
            throw unsafe MartletError(.memory, "no memory for the sums of a step of \(count) parameters")
        }
        unsafe passes.use(memory, threads: threads)
        unsafe matrixPasses.use(memory, threads: threads)
    }
}
