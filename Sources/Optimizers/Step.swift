// One step over memory that the caller owns, parameters, gradients and state alike.
import MartletCompute
import MartletPlatform

/// Steps every parameter once. Everything is checked before anything is written: on an error nothing has changed.
///
/// - Parameters:
///   - parameters: values, states and step counters are written; written memory may overlap nothing else.
///   - configurations: the groups that parameters refer to.
/// - Returns: what was done.
/// - Throws: `MartletError` with the argument, its value and what was expected.
///
/// Any thread may call it; calls over different memory may run at the same time.
@discardableResult
public func step(
    _ parameters: UnsafeBufferPointer<ParameterView>, _ configurations: UnsafeBufferPointer<Configuration>
) throws(MartletError) -> StepReport {
    var totalRank = 0
    for index in parameters.indices { totalRank += unsafe StepPlan.rankRoom(parameters[index]) }
    var plan = try unsafe StepPlan(
        parameters: parameters.count, groups: configurations.count, totalRank: totalRank, spelling: .parameters)
    for index in configurations.indices {
        try unsafe configurations[index].check("groups[\(index)]")
        unsafe plan.addGroup(configurations[index])
    }
    for index in parameters.indices { try unsafe plan.add(parameters[index]) }
    return try unsafe plan.run()
}

extension StepPlan {
    /// The dimensions of a parameter that a plan must have room for.
    package static func rankRoom(_ parameter: ParameterView) -> Int {
        var room = unsafe max(rankRoom(parameter.value.rank), rankRoom(parameter.gradient.rank))
        for slot in unsafe 0..<min(max(parameter.stateCount, 0), ParameterView.maximumStateCount) {
            room = unsafe max(room, rankRoom(parameter.state[slot].rank))
        }
        return room
    }

    /// The same for one array. Ranks out of range count as 0; `add` refuses them.
    package static func rankRoom(_ rank: Int) -> Int {
        unsafe rank > 0 && rank <= Layout.maximumRank ? rank : 0
    }
}
