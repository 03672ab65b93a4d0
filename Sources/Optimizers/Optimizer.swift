// An optimizer that owns moments and step counters and borrows the parameters' memory. How these are looked at is in
// OptimizerState.swift, files are in OptimizerCheckpoint.swift; the step is the same plan that stateless calls use.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// Groups of hyperparameters, parameters, and their state.
///
/// The memory of a parameter's value is borrowed from `add` until `reset` or the optimizer's end; gradients are borrowed
/// for the length of a step. One thread at a time may be inside; different optimizers may be used at the same time.
public final class Optimizer {
    package internal(set) var configurations = RawList<Configuration>()
    private(set) var parameters = ParameterList()
    private var names = NameTable()
    private var borrowed = BorrowedMemory()
    /// Which point Schedule-Free parameters are at.
    public package(set) var mode = OptimizerMode.training
    /// The most bytes that a parameter's name may have.
    public static var longestName: Int { 500 }
    /// The sum of the values' and their copies' ranks: room that every step needs.
    private var valueRanks = 0

    /// An optimizer whose group 0 has this configuration.
    public init(_ configuration: Configuration) throws(MartletError) {
        try configuration.check("config")
        try configurations.append(configuration)
    }

    private init(copying other: Optimizer) throws(MartletError) {
        configurations = try other.configurations.copy()
        names = try other.names.copy()
        borrowed = try other.borrowed.copy()
        try parameters.reserve(other.count)
        for index in 0..<other.count { try parameters.append(try other.parameters[index].copy()) }
        valueRanks = other.valueRanks
        mode = other.mode
    }

    /// An independent copy; both borrow the same parameters.
    public func clone() throws(MartletError) -> Optimizer {
        try finish()
        return try Optimizer(copying: self)
    }

    /// Forgets every parameter and its state, and returns the borrowed memory; groups stay.
    public func reset() throws(MartletError) {
        try finish()
        parameters = ParameterList()
        names = NameTable()
        borrowed = BorrowedMemory()
        valueRanks = 0
        mode = .training
    }

    /// Adds a group with an algorithm and hyperparameters of its own, and returns its index.
    @discardableResult
    public func addGroup(_ configuration: Configuration) throws(MartletError) -> Int {
        try configuration.check("config")
        try configurations.append(configuration)
        return configurations.count - 1
    }

    /// Adds a parameter and returns its index, which counts from 0.
    ///
    /// - Parameters:
    ///   - value: its memory is borrowed until `reset` or the optimizer's end; sizes and strides are copied.
    ///   - name: unique, compared by its bytes in UTF-8, of which it has 1 to 500; nil calls the parameter by its index.
    ///   - stateTypes: a type for each slot; nil gives every slot the value's.
    @discardableResult
    public func add(
        _ value: ArrayView, name: String? = nil, group: Int = 0, stateTypes: [StateType]? = nil
    ) throws(MartletError) -> Int {
        guard let name else {
            return try unsafe add(value, name: nil, group: group, stateTypes: stateTypes, prefix: "")
        }
        return try unsafe name.utf8Span.span.withUnsafeBytes { (name: UnsafeRawBufferPointer) throws(MartletError) in
            try unsafe add(value, name: name, group: group, stateTypes: stateTypes, prefix: "")
        }
    }

    /// The same with a name of any bytes, one past the longest where it is longer. `prefix` stands before what messages
    /// call the arguments.
    package func add(
        _ value: ArrayView, name: UnsafeRawBufferPointer?, group: Int, stateTypes: [StateType]?, prefix: StaticString
    ) throws(MartletError) -> Int {
        let slots = try configuration(group: group, prefix).slots
        let types = stateTypes ?? slots.map { .wide(unsafe $0.usualType(beside: value.type)) }
        guard types.count == slots.count else {
            throw MartletError(
                .argument,
                "\(prefix)state_count is \(types.count); expected \(slots.count) for "
                    + "\(configurations[group].algorithm.name)")
        }
        for (slot, type) in zip(slots, types) where !slot.takes(type) {
            throw MartletError(
                .type, "\(prefix)state's \(slot.name) has dtype \(type.name); expected \(slot.typeWords)")
        }
        if let way = LowPrecision(configurations[group].flags) {
            if let problem = unsafe way.problem(value.type) { throw MartletError(.type, "\(prefix)value\(problem)") }
            if let slot = unsafe way.besideSlot(of: value.type, in: slots), unsafe types[slot] != .wide(value.type) {
                throw unsafe MartletError(
                    .type,
                    "\(prefix)state's \(slots[slot].name) has dtype \(types[slot].name); expected \(value.type), the value's"
                )
            }
        }
        guard let name = unsafe name else {
            return try unsafe "\(count)".utf8Span.span.withUnsafeBytes {
                (digits: UnsafeRawBufferPointer) throws(MartletError) in
                guard unsafe index(named: digits) == nil else {
                    throw MartletError(
                        .argument,
                        "\(prefix)name is not given and the index \(count) is another parameter's name; "
                            + "expected a name that no other parameter has")
                }
                return try unsafe add(value, digits, group, slots, types, prefix)
            }
        }
        try unsafe check(name: name, prefix)
        return try unsafe add(value, name, group, slots, types, prefix)
    }

    /// Throws where a name is too short or too long, no text, or another parameter's.
    private func check(name: UnsafeRawBufferPointer, _ prefix: StaticString) throws(MartletError) {
        let quoted = unsafe "\(prefix)name is \"\(Bytes.excerpt(name))\""
        let most = Optimizer.longestName
        guard name.count > 0 && name.count <= most else {
            throw MartletError(
                .argument, "\(quoted), \(name.count > most ? "more than \(most)" : "0") bytes; expected 1 to \(most)")
        }
        if let place = unsafe Bytes.firstInvalid(name) {
            throw MartletError(.argument, "\(quoted), which is not UTF-8 at byte \(place); expected UTF-8")
        }
        if let index = unsafe index(named: name) {
            throw MartletError(
                .argument, "\(quoted), the name of parameter \(index); expected a name that no other parameter has")
        }
    }

    private func index(named name: UnsafeRawBufferPointer) -> Int? {
        unsafe names.index(of: name, hash: NameTable.hash(name)) { index in unsafe parameters[index].name }
    }

    /// Adds a parameter whose name, group and types have been checked. What can fail comes before what changes anything.
    private func add(
        _ value: ArrayView, _ name: UnsafeRawBufferPointer, _ group: Int, _ slots: Slots, _ types: [StateType],
        _ prefix: StaticString
    ) throws(MartletError) -> Int {
        let index = count
        var check = unsafe ParameterCheck(count: value.count)
        let extent = try unsafe check.extent(of: value, .value, index) { _ in "\(prefix)value" }
        if let problem = unsafe configurations[group].problem(ParameterShape(value)) {
            throw unsafe MartletError(.shape, "\(prefix)value of \"\(Bytes.excerpt(name))\" \(problem)")
        }
        let other = unsafe borrowed.parameter(sharing: extent.low, extent.high) { other in
            unsafe parameters[other].extent.overlaps(extent)
        }
        if let other {
            throw unsafe MartletError(
                .overlap,
                "\(prefix)value overlaps that of \"\(Bytes.excerpt(parameters[other].name))\" in memory; "
                    + "expected written arrays to overlap nothing")
        }
        try parameters.reserve(1)
        try names.reserve()
        try borrowed.reserve()
        let entry = try unsafe ParameterEntry(
            value: value, name: name, group: group, slots: slots, types: types, extent: extent)
        entry.identify(key: UInt64(index), offset: 0)
        try parameters.append(entry)
        names.add(hash: entry.nameHash, index: index)
        try unsafe borrowed.add(extent.low, extent.high, parameter: index)
        unsafe valueRanks += value.rank
        return index
    }

    /// Says whose draws a parameter takes where it is rounded at random: those of this key, from this place on. A parameter's
    /// own key is its index.
    public func identify(_ index: Int, key: UInt64, offset: UInt64 = 0) throws(MartletError) {
        guard index >= 0 && index < count else {
            throw MartletError(.argument, "parameter is \(index); expected 0 ..< \(count)")
        }
        parameters[index].identify(key: key, offset: offset)
    }

    /// Steps every parameter whose gradient is there; one gradient for each parameter, in order of adding.
    @discardableResult
    public func step(_ gradients: UnsafeBufferPointer<ArrayView>) throws(MartletError) -> StepReport {
        try unsafe step(gradients, threads: nil)
    }

    /// Takes, on this thread, the memory of steps of so many rows, and where a parameter's rows are deferred that of what they
    /// have not seen: later steps then need none. Throws `.memory`.
    package func reserve(_ rows: (Int) -> GradientRows?) throws(MartletError) {
        var totalRows = 0
        for index in 0..<count {
            guard let own = unsafe rows(index) else { continue }
            unsafe StepPlan.addRoom(forNamed: own, to: &totalRows)
            let entry = parameters[index]
            if configurations[entry.group].flags.contains(.deferRows) { try entry.reserveBacklog() }
        }
        _ = try unsafe makePlan(totalRank: valueRanks, totalRows: totalRows, mode: nil)
    }

    /// The same with an array of gradients.
    @discardableResult
    public func step(_ gradients: [ArrayView]) throws(MartletError) -> StepReport {
        try unsafe gradients.withUnsafeBufferPointer { (gradients) throws(MartletError) in try unsafe step(gradients) }
    }

    /// The same where gradients may be of some rows alone: for each parameter the rows that its gradient is of, nil where
    /// that is dense. Other rows stay as they are, and so does their state; in a group with `.deferRows` until they catch up.
    @discardableResult
    public func step(_ gradients: [ArrayView], rows: [GradientRows?]) throws(MartletError) -> StepReport {
        guard unsafe gradients.count == count && rows.count == count else {
            throw unsafe MartletError(
                .argument,
                "\(gradients.count) gradients and \(rows.count) rows are given; expected \(count), one for each parameter"
            )
        }
        return try unsafe gradients.withUnsafeBufferPointer { (gradients) throws(MartletError) in
            try unsafe step(gradients, threads: nil) { unsafe rows[$0] }
        }
    }

    /// The same on as many threads; nil for the setting in force. `rows` says of which rows a parameter's gradient is; nil: of
    /// all elements.
    @discardableResult
    package func step(
        _ gradients: UnsafeBufferPointer<ArrayView>, threads: Int?, rows: (Int) -> GradientRows? = { _ in nil }
    ) throws(MartletError) -> StepReport {
        guard gradients.count == count else {
            throw MartletError(
                .argument, "count is \(gradients.count); expected \(count), one gradient for each parameter")
        }
        var (totalRank, totalRows) = (0, 0)
        for index in gradients.indices {
            totalRank += unsafe StepPlan.rankRoom(gradients[index].rank)
            unsafe StepPlan.addRoom(for: rows(index), gradients[index].count, to: &totalRows)
        }
        let plan = try unsafe makePlan(totalRank: totalRank, totalRows: totalRows)
        for index in 0..<count { try unsafe add(index, gradient: gradients[index], rows: rows(index), to: plan) }
        return try unsafe plan.pointee.run(threads: threads)
    }

    /// A step to which every parameter is still to be added. `totalRank` sums `StepPlan.rankRoom` over the gradients, and
    /// `totalRows` what `addRoom` adds.
    package func makePlan(totalRank: Int, totalRows: Int = 0) throws(MartletError) -> UnsafeMutablePointer<StepPlan> {
        guard mode == .training else {
            throw MartletError(
                .order, "the optimizer is set to evaluation; expected training, where gradients are taken")
        }
        return try unsafe makePlan(totalRank: totalRank, totalRows: totalRows, mode: nil)
    }

    /// The same, or a plan that moves the parameters to a mode's point, or by which rows catch up.
    func makePlan(totalRank: Int, totalRows: Int = 0, mode: OptimizerMode?, catchesUp: Bool = false)
        throws(MartletError)
        -> UnsafeMutablePointer<StepPlan>
    {
        let plan = try unsafe StepPlan.make(
            parameters: count, groups: configurations.count, totalRank: totalRank + valueRanks,
            totalRows: totalRows, spelling: .gradients, mode: mode, catchesUp: catchesUp)
        for index in 0..<configurations.count { unsafe plan.pointee.addGroup(configurations[index]) }
        return unsafe plan
    }

    /// Adds a parameter, with this gradient, to a step. By itself, since what it needs of the stack is not the step's.
    @inline(never)
    package func add(
        _ index: Int, gradient: ArrayView, rows: GradientRows? = nil, to plan: UnsafeMutablePointer<StepPlan>
    ) throws(MartletError) {
        let entry = parameters[index]
        if unsafe rows != nil && configurations[entry.group].flags.contains(.deferRows) { try entry.reserveBacklog() }
        var view = unsafe entry.view(gradient: gradient)
        unsafe view.rows = unsafe rows
        try unsafe plan.pointee.add(view)
    }

    /// How many parameters there are.
    public var count: Int { parameters.count }

    /// Borrows an array until `reset` or the optimizer's end, or another call for the parameter: each step writes the new value
    /// to it, rounded. It has the value's count, and its sizes where both have any; `.none` ends that. A clone has no copies.
    public func setCopy(_ array: ArrayView, of index: Int) throws(MartletError) {
        guard index >= 0 && index < count else {
            throw MartletError(.argument, "index is \(index); expected 0 ..< \(count), the count of parameters")
        }
        if unsafe array.base != nil {
            let value = unsafe parameters[index].value
            var check = unsafe ParameterCheck(count: value.count)
            let own = try unsafe check.extent(of: value, .value, index) { _ in "value" }
            let extent = try unsafe check.extent(of: array, .copy, index) { $0 == .copy ? "copy" : "value" }
            if unsafe extent.overlaps(own) {
                throw MartletError(
                    .overlap, "copy and the value overlap in memory; expected written arrays to overlap nothing")
            }
        }
        let before = parameters[index].copyRank
        try unsafe parameters[index].setCopy(array)
        unsafe valueRanks += array.rank - before
    }

    // MARK: - Hyperparameters

    /// How many groups there are.
    public var groupCount: Int { configurations.count }

    /// Sets a hyperparameter of a group. One that changes what state a parameter keeps, as a momentum of 0 does, cannot be
    /// set once the group has parameters.
    public func set(_ hyperparameter: Hyperparameter, to value: Double, group: Int = 0) throws(MartletError) {
        try checkReads(hyperparameter, group)
        var changed = configurations[group]
        changed[hyperparameter] = value
        guard mode == .training || changed.interpolation == configurations[group].interpolation else {
            throw MartletError(
                .order,
                "the optimizer is set to evaluation; expected training: the way back depends on "
                    + "\(hyperparameter.name)")
        }
        try changed.check("groups[\(group)]")
        let (kept, wanted) = (configurations[group].slots, changed.slots)
        let changes = (0..<count).contains {
            parameters[$0].group == group && !wanted.areAlike(kept, for: parameters[$0].shape)
        }
        if changes {
            let words = kept.count == wanted.count ? "\(wanted.words) of other sizes" : wanted.words
            throw MartletError(
                .argument,
                "groups[\(group)].\(hyperparameter.name) is \(value), with which a parameter keeps \(words); "
                    + "expected a value with which it keeps \(kept.words), as those of the group do")
        }
        configurations[group] = changed
    }

    /// A hyperparameter of a group.
    public func get(_ hyperparameter: Hyperparameter, group: Int = 0) throws(MartletError) -> Double {
        try checkReads(hyperparameter, group)
        return configurations[group][hyperparameter]
    }

    /// A group's. `prefix` is what messages say before it.
    package func configuration(group: Int, _ prefix: StaticString = "") throws(MartletError) -> Configuration {
        guard group >= 0 && group < configurations.count else {
            throw MartletError(
                .argument, "\(prefix)group is \(group); expected 0 ..< \(configurations.count), the count of groups")
        }
        return configurations[group]
    }

    private func checkReads(_ hyperparameter: Hyperparameter, _ group: Int) throws(MartletError) {
        let algorithm = try configuration(group: group).algorithm
        guard algorithm.defaultValue(hyperparameter) != nil else {
            throw MartletError(
                .argument, "hyperparameter is \(hyperparameter.name); expected one that \(algorithm.name) reads")
        }
    }
}
