// One step over memory that the caller owns, parameters, gradients and state alike.
import MartletCompute
import MartletPlatform

/// Steps every parameter once. Everything is checked before anything is written: on an error nothing has changed.
///
/// - Parameters:
///   - parameters: values, states and step counters are written; written memory may overlap nothing else.
///   - configurations: the groups that parameters refer to.
///   - reduction: where each parameter is a part of one, adds up what is summed over them: three numbers for each
///     parameter, before each pass but the first. Nothing steps on this thread before it has returned.
/// - Returns: what was done.
/// - Throws: `MartletError` with the argument, its value and what was expected.
///
/// Any thread may call it; calls over different memory may run at the same time.
@discardableResult
public func step(
    _ parameters: UnsafeBufferPointer<ParameterView>, _ configurations: UnsafeBufferPointer<Configuration>,
    reduction: Reduction? = nil
) throws(MartletError) -> StepReport {
    var (totalRank, totalRows) = (0, 0)
    for index in parameters.indices {
        totalRank += unsafe StepPlan.rankRoom(parameters[index])
        unsafe StepPlan.addRoom(for: parameters[index].rows, parameters[index].gradient.count, to: &totalRows)
    }
    let plan = try unsafe StepPlan.make(
        parameters: parameters.count, groups: configurations.count, totalRank: totalRank, totalRows: totalRows,
        spelling: .parameters, isSharded: reduction != nil)
    for index in configurations.indices {
        try unsafe configurations[index].check("groups[\(index)]")
        unsafe plan.pointee.addGroup(configurations[index])
    }
    for index in parameters.indices { try unsafe plan.pointee.add(parameters[index]) }
    return try unsafe plan.pointee.run(reduction: reduction)
}

/// Steps one array by itself. The same bits as an optimizer that has it as its only parameter.
///
/// - Parameters:
///   - value: updated in place.
///   - gradient: one number for each of `value`.
///   - state: the algorithm's slots, one behind the other, those of elements first; a scalar is the bytes of a Double in the
///     room of two numbers. Empty before the first step, which makes it.
///   - stepCount: steps taken; 0 before the first one, and one more after each.
/// - Throws: `MartletError`; nothing has changed then.
public func step(
    _ value: inout [Float], gradient: [Float], state: inout [Float], stepCount: inout Int64,
    _ configuration: Configuration = Configuration(.adam)
) throws(MartletError) {
    try configuration.check("configuration")
    let (wanted, count) = (configuration.slots.floatCount(for: ParameterShape(count: value.count)), value.count)
    guard gradient.count == count else {
        throw MartletError(.shape, "gradient has \(gradient.count) elements; expected \(count), as value has")
    }
    guard state.isEmpty || state.count == wanted else {
        throw MartletError(
            .shape, "state has \(state.count) elements; expected none, or \(wanted)")
    }
    let isFirst = state.isEmpty
    var kept = isFirst ? [Float](repeating: 0, count: wanted) : state
    // One reference less, so that nothing is copied where it is written.
    state = []
    var isDone = false
    defer { if isDone || !isFirst { state = kept } }
    try unsafe value.withUnsafeMutableBufferPointer { (value) throws(MartletError) in
        try unsafe gradient.withUnsafeBufferPointer { (gradient) throws(MartletError) in
            try unsafe kept.withUnsafeMutableBufferPointer { (kept) throws(MartletError) in
                try unsafe step(
                    value.baseAddress, gradient.baseAddress, kept.baseAddress, count: count, &stepCount, configuration)
            }
        }
    }
    isDone = true
}

/// Steps one fp32 array whose slots lie one behind the other, scalars as doubles that need no alignment of their own.
package func step(
    _ value: UnsafeMutablePointer<Float>?, _ gradient: UnsafePointer<Float>?, _ state: UnsafeMutablePointer<Float>?,
    count: Int, _ step: UnsafeMutablePointer<Int64>, _ configuration: Configuration
) throws(MartletError) {
    func view(_ base: UnsafeMutablePointer<Float>?) -> ArrayView {
        unsafe ArrayView(base: base, count: count, type: .fp32)
    }
    var parameter = unsafe ParameterView(
        value: view(value), gradient: view(UnsafeMutablePointer(mutating: gradient)), step: step)
    let slots = configuration.slots
    unsafe parameter.stateCount = slots.count
    var place = 0
    let shape = ParameterShape(count: count)
    for (index, slot) in slots.enumerated() {
        unsafe parameter.state[index] = ArrayView(
            base: state.map { unsafe $0 + place }, count: slot.count(for: shape),
            type: slot.kind == .scalar ? .fp64 : .fp32)
        place += slot.floatCount(for: shape)
    }
    let plan = try unsafe StepPlan.make(parameters: 1, groups: 1, totalRank: 0, spelling: .oneArray)
    unsafe plan.pointee.addGroup(configuration)
    try unsafe plan.pointee.add(parameter)
    _ = try unsafe plan.pointee.run()
}

extension StepPlan {
    /// The dimensions of a parameter that a plan must have room for.
    package static func rankRoom(_ parameter: ParameterView) -> Int {
        var room = unsafe max(
            rankRoom(parameter.value.rank), rankRoom(parameter.gradient.rank), rankRoom(parameter.copy.rank))
        for slot in unsafe 0..<min(max(parameter.stateCount, 0), ParameterView.maximumStateCount) {
            room = unsafe max(room, rankRoom(parameter.state.span[slot].rank))
        }
        return room
    }

    /// Adds the rows that a plan must have room for, of a gradient of so many elements, and one more. What `add` refuses
    /// needs none.
    package static func addRoom(for rows: GradientRows?, _ elements: Int, to total: inout Int) {
        guard let rows = unsafe rows, unsafe rows.count >= 0 && rows.count <= elements else { return }
        let (sum, overflows) = unsafe total.addingReportingOverflow(max(rows.count, rows.room) + 1)
        total = overflows ? .max : sum
    }

    /// The same of rows that are named without a gradient.
    package static func addRoom(forNamed rows: GradientRows?, to total: inout Int) {
        unsafe addRoom(for: rows, ParameterCheck.maximumCount, to: &total)
    }

    /// The same for one array. Ranks out of range count as 0; `add` refuses them.
    package static func rankRoom(_ rank: Int) -> Int {
        unsafe rank > 0 && rank <= Layout.maximumRank ? rank : 0
    }
}
