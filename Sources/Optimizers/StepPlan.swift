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
    private let configurations: UnsafeMutablePointer<Configuration>
    private var configurationCount = 0
    private let spelling: Spelling
    private var work: WorkList
    private var extents: ExtentList
    private let coefficients: UnsafeMutableRawPointer
    private let counters: UnsafeMutablePointer<StepCounter>
    private var layoutNumbers: UnsafeMutablePointer<Int>
    private var count = 0
    private var counterCount = 0
    private var skipped = 0
    /// The group and step that the latest coefficients were formed for, and where they are.
    private var latest = (group: -1, step: StepNumber(whole: -1))
    private var latestCoefficients: UnsafeMutableRawPointer

    /// Arrays that a parameter may have, its step counter and the number that shows it included.
    private static var extentsPerParameter: Int { unsafe Operands.capacity + 2 }

    /// An empty plan.
    ///
    /// - Parameters:
    ///   - parameters: how many parameters will be added at most.
    ///   - groups: how many groups will be added at most.
    ///   - totalRank: the sum of `rankRoom` over the parameters.
    package init(parameters: Int, groups: Int, totalRank: Int, spelling: Spelling) throws(MartletError) {
        let room = Room(parameters: parameters, groups: groups, totalRank: totalRank)
        guard let bytes = room.total, let record = ThreadRecord.current,
            let memory = unsafe record.scratch(byteCount: bytes)
        else {
            throw MartletError(.memory, "no memory for a step of \(parameters) parameters")
        }
        unsafe self.record = record
        unsafe self.spelling = spelling
        unsafe configurations = (memory + room.configurations).assumingMemoryBound(to: Configuration.self)
        unsafe work = WorkList(memory: memory)
        unsafe extents = ExtentList(
            memory: memory + room.extents, capacity: parameters * StepPlan.extentsPerParameter)
        unsafe coefficients = memory + room.coefficients
        unsafe latestCoefficients = coefficients
        unsafe counters = (memory + room.counters).assumingMemoryBound(to: StepCounter.self)
        unsafe layoutNumbers = (memory + room.layouts).assumingMemoryBound(to: Int.self)
    }

    /// Where the parts of a plan lie in its memory.
    private struct Room {
        var configurations = 0
        var extents = 0
        var coefficients = 0
        var counters = 0
        var layouts = 0
        var total: Int?

        init(parameters: Int, groups: Int, totalRank: Int) {
            var end: Int? = 0
            func take(_ count: Int, _ size: Int) -> Int {
                let start = end ?? 0
                let (bytes, tooMany) = count.multipliedReportingOverflow(by: size)
                let (next, tooFar) = start.addingReportingOverflow(bytes)
                if tooMany || tooFar { end = nil } else { end = end.map { _ in next } }
                return start
            }
            _ = unsafe take(parameters, WorkList.bytesPerItem)
            configurations = take(groups, MemoryLayout<Configuration>.stride)
            extents = unsafe take(parameters, StepPlan.extentsPerParameter * ExtentList.bytesPerExtent)
            coefficients = take(parameters, Algorithm.maximumCoefficientBytes)
            counters = unsafe take(parameters, MemoryLayout<StepCounter>.stride)
            // Every array of a parameter gets as many strides as the longest of them has, and the sizes once.
            layouts = unsafe take(totalRank, (Operands.capacity + 1) * MemoryLayout<Int>.stride)
            total = end
        }
    }

    /// Adds a group, which has been checked; parameters refer to groups by their place.
    package mutating func addGroup(_ configuration: Configuration) {
        unsafe (configurations + configurationCount).initialize(to: configuration)
        unsafe configurationCount += 1
    }

    /// Checks one parameter and adds its work. Its group must have been added. The plan is of no use after an error.
    package mutating func add(_ parameter: ParameterView) throws(MartletError) {
        let index = unsafe count
        unsafe count += 1
        let spelling = unsafe spelling
        func describe(_ role: Role) -> String {
            unsafe spelling.describe(role, parameter: index, name: parameter.name)
        }
        guard unsafe parameter.group >= 0 && parameter.group < configurationCount else {
            throw unsafe MartletError(
                .argument,
                "parameters[\(index)].group is \(parameter.group); expected 0 ..< \(configurationCount), the count of groups"
            )
        }
        let configuration = unsafe configurations + parameter.group
        let slots = unsafe configuration.pointee.slotCount
        guard unsafe parameter.stateCount == slots else {
            throw unsafe MartletError(
                .argument,
                "parameters[\(index)].state_count is \(parameter.stateCount); expected \(slots) for "
                    + "\(configuration.pointee.algorithm.name)")
        }
        var check = unsafe ParameterCheck(count: parameter.value.count)
        try unsafe extents.add(check.extent(of: parameter.value, .value, index, describe), parameter.name)
        for slot in 0..<slots {
            try unsafe extents.add(
                check.extent(of: parameter.state[slot], .state(slot), index, describe), parameter.name)
        }
        if unsafe parameter.gradient.base == nil && parameter.value.count > 0 {
            unsafe skipped += 1
            return
        }
        try unsafe extents.add(check.extent(of: parameter.gradient, .gradient, index, describe), parameter.name)
        let counter = try unsafe StepCounter(parameter, describe)
        unsafe addCounter(counter, index, parameter.name)
        try unsafe addWork(parameter, slots, counter.next, check)
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
        _ parameter: ParameterView, _ slots: Int, _ step: StepNumber, _ check: ParameterCheck
    ) throws(MartletError) {
        if unsafe parameter.value.count == 0 { return }
        let configuration = unsafe configurations + parameter.group
        if unsafe latest.group != parameter.group || latest.step != step {
            unsafe latest = unsafe (parameter.group, step)
            unsafe latestCoefficients = coefficients + (count - 1) * Algorithm.maximumCoefficientBytes
            var request = unsafe CoefficientRequest(
                configuration: configuration, step: step, memory: latestCoefficients)
            unsafe FloatingPointMode.exact.call(CoefficientRequest.serve, &request)
            if unsafe !request.areFinite && configuration.pointee.flags.contains(.wideRanges) {
                throw unsafe configuration.pointee.undefined("parameters[\(count - 1)]", step: step)
            }
        }
        let value = unsafe Operand(base: parameter.value.base!, type: parameter.value.type)
        var arrays = unsafe InlineArray<6, Operand>(repeating: value)
        unsafe arrays[Operands.gradient] = Operand(base: parameter.gradient.base!, type: parameter.gradient.type)
        for index in 0..<slots {
            unsafe arrays[Operands.state + index] = Operand(
                base: parameter.state[index].base!, type: parameter.state[index].type)
        }
        let layout = unsafe check.layout(of: parameter, slots: slots, numbers: &layoutNumbers)
        unsafe work.add(
            WorkItem(
                operands: Operands(
                    arrays: arrays, arrayCount: Operands.state + slots, count: parameter.value.count,
                    isDouble: check.isDouble),
                rule: configuration.pointee.algorithm.rule, coefficients: latestCoefficients,
                mode: configuration.pointee.flushesDenormals ? .flush : .exact, layout: layout))
    }

    /// Checks the memory of all parameters against each other, runs the work on as many threads (nil: the setting in
    /// force), and counts the steps.
    package mutating func run(threads: Int? = nil) throws(MartletError) -> StepReport {
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
        let isa = unsafe try Settings.chosenISA ?? work.suitableISA
        let most = if let threads { threads } else { try Settings.threads }
        let working = unsafe work.run(isa: isa, threads: most, leastPiece: Settings.chunk)
        unsafe record.lastISA = isa.rawValue
        unsafe record.lastThreads = Int32(working)
        for index in unsafe 0..<counterCount { unsafe counters[index].write() }
        return unsafe StepReport(skipped: skipped)
    }
}

/// A step's coefficients, to be formed in a floating-point mode of our own.
@unsafe private struct CoefficientRequest {
    var configuration: UnsafePointer<Configuration>
    var step: StepNumber
    var memory: UnsafeMutableRawPointer
    var areFinite = true

    static let serve: @convention(c) (UnsafeMutableRawPointer) -> Void = { context in
        let request = unsafe context.assumingMemoryBound(to: CoefficientRequest.self)
        let configuration = unsafe request.pointee.configuration.pointee
        unsafe request.pointee.areFinite = unsafe configuration.algorithm.writeCoefficients(
            configuration, step: request.pointee.step, to: request.pointee.memory)
    }
}
