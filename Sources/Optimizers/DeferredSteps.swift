// Steps by rows with the meaning of dense ones: what a gradient of zeros would make of the other rows is deferred, and rows
// catch up when they are named, when all are asked for, before a step that sees every row, and when as many steps are kept as
// there is room for. What is kept of them is Compute's affair (Backlog.swift), and so is how rows catch up
// (DeferredRows.swift).
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// The bytes of the memory that a parameter of so many rows needs, indices of its first dimension, where its steps are
/// deferred. Throws `.argument`.
public func backlogByteCount(rows: Int) throws(MartletError) -> Int {
    guard unsafe rows >= 0 && rows <= ParameterCheck.maximumCount, let bytes = unsafe Backlog.byteCount(rows: rows)
    else {
        throw MartletError(.argument, "rows is \(rows); expected 0 to 2^56")
    }
    return bytes
}

/// The deferred steps of a plan's parameters, in its memory.
@unsafe struct DeferredSteps {
    /// What becomes of a backlog behind the work.
    @unsafe fileprivate struct Change {
        let backlog: Backlog
        /// The rows that have seen everything; nil: all.
        var rows: UnsafePointer<TouchedRows>?
        /// The step that is kept; nil: none is.
        var step: WorkItem?
        var slots = 0
    }

    static var bytesPerParameter: Int { unsafe 2 * (MemoryLayout<DeferredRows>.stride + MemoryLayout<Change>.stride) }

    private var catchUps: WorkList
    private let deferred: UnsafeMutablePointer<DeferredRows>
    private let changes: UnsafeMutablePointer<Change>
    private var deferredCount = 0
    private var changeCount = 0

    init(_ room: StepRoom, memory: UnsafeMutableRawPointer) {
        unsafe catchUps = WorkList(memory: memory + room.catchUps)
        unsafe changes = (memory + room.deferred).assumingMemoryBound(to: Change.self)
        unsafe deferred = (memory + room.deferred + 2 * room.parameters * MemoryLayout<Change>.stride)
            .assumingMemoryBound(to: DeferredRows.self)
    }

    private mutating func add(_ rows: DeferredRows) -> UnsafePointer<DeferredRows> {
        let place = unsafe deferred + deferredCount
        unsafe place.initialize(to: rows)
        unsafe deferredCount += 1
        return unsafe UnsafePointer(place)
    }

    private mutating func add(_ change: Change) {
        unsafe (changes + changeCount).initialize(to: change)
        unsafe changeCount += 1
    }

    /// Adds rows that catch up before all else: `item` is of these, or of all, and has no gradient.
    mutating func addCatchUp(_ item: WorkItem, _ backlog: Backlog, width: Int) {
        var item = unsafe item
        unsafe item.deferred = unsafe add(
            DeferredRows(backlog: backlog, kept: backlog.kept, width: width, steps: false))
        unsafe catchUps.add(item)
        unsafe add(Change(backlog: backlog, rows: item.rows))
    }

    /// Adds a step of rows, which are `kept` steps behind at most, and what it leaves for the others. nil: of no row.
    mutating func addStep(
        _ item: WorkItem?, of whole: WorkItem, _ rows: UnsafePointer<TouchedRows>, _ backlog: Backlog, kept: Int,
        width: Int,
        slots: Int, to work: inout WorkList
    ) {
        if var item = unsafe item {
            unsafe item.deferred = unsafe add(DeferredRows(backlog: backlog, kept: kept, width: width, steps: true))
            unsafe work.add(item)
        }
        unsafe add(Change(backlog: backlog, rows: rows, step: whole, slots: slots))
    }

    /// Lets rows catch up, and says so of them; returns how many threads did work.
    mutating func catchUp(_ isa: InstructionSet?, threads: Int) -> Int {
        if unsafe catchUps.isEmpty { return 0 }
        let working = unsafe catchUps.run(
            isa: isa ?? catchUps.suitableISA, threads: threads, leastPiece: Settings.chunk)
        for index in unsafe 0..<changeCount where unsafe changes[index].step == nil { unsafe changes[index].make() }
        return working
    }

    /// Keeps the steps that were taken.
    func keep() {
        for index in unsafe 0..<changeCount where unsafe changes[index].step != nil { unsafe changes[index].make() }
    }
}

extension DeferredSteps.Change {
    fileprivate func make() {
        if let step = unsafe step, let rule = unsafe step.rule {
            unsafe backlog.keep(
                step.coefficients, rule, slots: slots, isDouble: step.run.isDouble, mode: step.mode)
        }
        guard let rows = unsafe rows else {
            unsafe backlog.clear()
            return
        }
        let (backlog, kept) = unsafe (backlog, backlog.kept)
        unsafe rows.pointee.forEachRow { row in unsafe backlog.setSeen(row, kept) }
    }
}

extension StepPlan {
    /// The parameter's backlog, which is checked and noted; nil: it has none.
    @inline(never)
    func checkedBacklog(
        _ parameter: UnsafePointer<ParameterView>, _ describe: (Role) -> String
    ) throws(MartletError) -> (backlog: Backlog, byteCount: Int)? {
        guard let memory = unsafe parameter.pointee.backlog else { return nil }
        let value = unsafe parameter.pointee.value
        let rows = unsafe value.rank == 0 ? value.count : Int(value.sizes![0])
        let address = UInt(bitPattern: memory)
        guard address % 8 == 0 else { throw MartletError.misaligned(describe(.backlog), at: address, to: 8) }
        guard let bytes = unsafe Backlog.byteCount(rows: rows), !address.addingReportingOverflow(UInt(bytes)).overflow
        else {
            throw MartletError(
                .shape,
                "\(describe(.backlog)) reaches past the end of the address space; expected the memory of \(rows) rows")
        }
        let backlog = unsafe Backlog(memory: memory, rows: rows)
        let kept = unsafe backlog.kept
        guard
            unsafe kept == 0
                || kept > 0 && kept <= Backlog.capacity && backlog.rule != nil
                    && (0...Backlog.mostSlots).contains(backlog.slots)
        else {
            throw MartletError(
                .argument,
                "\(describe(.backlog)) does not hold what a step has left there; expected memory that is zero before the first"
            )
        }
        guard unsafe backlog.fits else {
            throw MartletError(
                .shape, "\(describe(.backlog)) is for another number of rows; expected that of a parameter of \(rows)")
        }
        return unsafe (backlog, bytes)
    }

    mutating func addBacklog(
        _ parameter: UnsafePointer<ParameterView>, _ index: Int, _ describe: (Role) -> String
    ) throws(MartletError) -> Backlog? {
        guard let (backlog, bytes) = try unsafe checkedBacklog(parameter, describe) else { return nil }
        let low = unsafe UInt(bitPattern: parameter.pointee.backlog)
        unsafe extents.add(
            Extent(
                low: low, high: low + UInt(bytes), isWritten: true, role: .backlog, parameter: index, elementSize: 8,
                rank: 0, sizes: nil, strides: nil),
            parameter.pointee.name)
        return unsafe backlog
    }

    func noBacklog(_ describe: (Role) -> String) -> MartletError {
        MartletError(
            .null,
            "\(describe(.backlog)) is NULL, and rows are deferred; expected the address of as many bytes as "
                + "martlet_backlog_size says")
    }

    /// Adds the rows that are named, or all, which catch up with what the parameter's backlog has, if it has one.
    @inline(never)
    mutating func addCatchUp(
        _ parameter: UnsafePointer<ParameterView>, _ index: Int, _ shape: ParameterShape,
        _ group: UnsafeMutablePointer<StepGroup>, _ check: ParameterCheck, _ backlog: Backlog?,
        _ describe: (Role) -> String
    ) throws(MartletError) {
        guard let given = unsafe parameter.pointee.rows else {
            try unsafe catchUpWholly(parameter, shape, group, check, backlog, describe)
            return
        }
        let rows = try unsafe SparseRows(given, of: parameter.pointee.value, describe)
        unsafe extents.add(rows.extent(parameter: index), parameter.pointee.name)
        if unsafe parameter.pointee.value.count == 0 { return }
        let touched = try unsafe rowSteps.order(rows, index, by: .none, numbers: &layoutNumbers, describe)
        guard let backlog = unsafe backlog, unsafe backlog.kept > 0 else { return }
        var item = try unsafe behind(parameter, shape, group, check, backlog, describe)
        unsafe item.run.count = unsafe touched.pointee.elements
        unsafe item.rows = unsafe touched
        unsafe deferredSteps.addCatchUp(item, backlog, width: rows.width)
    }

    /// Adds all rows of a parameter, where some have steps to catch up with.
    @inline(never)
    mutating func catchUpWholly(
        _ parameter: UnsafePointer<ParameterView>, _ shape: ParameterShape, _ group: UnsafeMutablePointer<StepGroup>,
        _ check: ParameterCheck, _ backlog: Backlog?, _ describe: (Role) -> String
    ) throws(MartletError) {
        guard let backlog = unsafe backlog, unsafe backlog.kept > 0 && parameter.pointee.value.count > 0 else { return }
        let item = try unsafe behind(parameter, shape, group, check, backlog, describe)
        let value = unsafe parameter.pointee.value
        let width = unsafe value.rank == 0 ? 1 : value.count / Int(value.sizes![0])
        unsafe deferredSteps.addCatchUp(item, backlog, width: width)
    }

    /// The work of all rows of a parameter by the steps that are kept.
    private mutating func behind(
        _ parameter: UnsafePointer<ParameterView>, _ shape: ParameterShape, _ group: UnsafeMutablePointer<StepGroup>,
        _ check: ParameterCheck, _ backlog: Backlog, _ describe: (Role) -> String
    ) throws(MartletError) -> WorkItem {
        let slots = unsafe backlog.slots
        guard unsafe slots <= group.pointee.slots.elementCount(for: shape), unsafe smallSlots(parameter, slots) == 0
        else {
            throw MartletError(
                .unsupported,
                "\(describe(.backlog)) holds steps of \(slots) slots of state as wide as numbers are; expected the state and the "
                    + "group that they were taken with: let rows catch up before these change")
        }
        unsafe arrays.start(parameter, gradient: parameter.pointee.value, slots: slots)
        let layout = unsafe check.layout(of: arrays, numbers: &layoutNumbers, sorts: false)
        return unsafe WorkItem(
            run: arrays.run(isDouble: check.isDouble, nowhere: UnsafeMutableRawPointer(counters)), rule: backlog.rule,
            coefficients: coefficients, mode: .exact, layout: layout)
    }

    /// Adds a step of rows behind which the others are left for later. `whole`: the step of all rows, but for the gradient.
    @inline(never)
    mutating func addDeferred(
        _ rows: SparseRows, _ parameter: UnsafePointer<ParameterView>, _ index: Int, _ shape: ParameterShape,
        _ group: UnsafeMutablePointer<StepGroup>, _ check: ParameterCheck, _ backlog: Backlog, _ whole: WorkItem,
        _ describe: (Role) -> String
    ) throws(MartletError) {
        let slots = unsafe whole.run.arrayCount - Run.state
        let isFull = unsafe backlog.kept == Backlog.capacity
        let isAnother = unsafe backlog.kept > 0 && (backlog.rule != whole.rule || backlog.slots != slots)
        if isFull || isAnother { try unsafe catchUpWholly(parameter, shape, group, check, backlog, describe) }
        let touched = try unsafe rowSteps.order(
            rows, index, by: parameter.pointee.gradient, numbers: &layoutNumbers, describe)
        unsafe deferredSteps.addStep(
            whole.over(touched, parameter.pointee.gradient), of: whole, touched, backlog,
            kept: isFull || isAnother ? 0 : backlog.kept, width: rows.width, slots: slots, to: &work)
    }
}
