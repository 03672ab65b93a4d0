// Steps over the caller's own memory. Each parameter is turned into the engines' words one after another, straight
// into the plan: no copy of the list is made.
import CMartlet
import MartletOptimizers
import MartletPlatform

@implementation @_cdecl("martlet_report_init")
public func martlet_report_init(_ out_report: UnsafeMutablePointer<martlet_report>!, _ struct_size: Int)
    -> martlet_status
{
    report("martlet_report_init") { () throws(MartletError) in
        let target = try unsafe required(out_report, "out_report")
        try martlet_report.checkSize(struct_size, "struct_size")
        var empty = martlet_report(StepReport())
        empty.struct_size = UInt32(struct_size)
        unsafe empty.write(to: target, size: struct_size)
    }
}

extension martlet_report {
    init(_ report: StepReport) {
        self.init(
            struct_size: UInt32(MemoryLayout<martlet_report>.size), skipped: Int32(report.skipped),
            grad_norm: report.gradientNorm, update_norm: report.updateNorm,
            nonfinite_parameter: Int64(report.nonfinite),
            dropped: report.isDropped ? 1 : 0, reserved: 0)
    }
}

@implementation @_cdecl("martlet_step")
public func martlet_step(
    _ out_report: UnsafeMutablePointer<martlet_report>!, _ parameters: UnsafePointer<martlet_parameter>!,
    _ count: Int64,
    _ groups: UnsafePointer<martlet_config>!, _ group_count: Int64
) -> martlet_status {
    report("martlet_step") { () throws(MartletError) in
        let target = try unsafe OptionalTarget(out_report, "out_report")
        unsafe target.write(martlet_report(try run(parameters, count, groups, group_count, mode: nil)))
    }
}

@implementation @_cdecl("martlet_step_sharded")
public func martlet_step_sharded(
    _ out_report: UnsafeMutablePointer<martlet_report>!, _ parameters: UnsafePointer<martlet_parameter>!,
    _ count: Int64, _ groups: UnsafePointer<martlet_config>!, _ group_count: Int64, _ reduce: martlet_reduce!,
    _ context: UnsafeMutableRawPointer!
) -> martlet_status {
    report("martlet_step_sharded") { () throws(MartletError) in
        let target = try unsafe OptionalTarget(out_report, "out_report")
        guard let reduce = unsafe reduce else {
            throw MartletError(.null, "reduce is NULL; expected a function that adds numbers up over all processes")
        }
        let result = try unsafe run(parameters, count, groups, group_count, mode: nil) { sums in
            unsafe reduce(context, sums.baseAddress, Int64(sums.count)) == 0
        }
        unsafe target.write(martlet_report(result))
    }
}

@implementation @_cdecl("martlet_measure")
public func martlet_measure(
    _ out_squares: UnsafeMutablePointer<Double>!, _ arrays: UnsafePointer<martlet_array>!, _ count: Int64
) -> martlet_status {
    report("martlet_measure") { () throws(MartletError) in
        try checkCount(count, "count")
        if count == 0 { return }
        let target = try unsafe required(out_squares, "out_squares")
        let arrays = try unsafe required(arrays, "arrays")
        let totalRank = (0..<Int(count)).reduce(0) { unsafe $0 + StepPlan.rankRoom(Int(arrays[$1].rank)) }
        var plan = try unsafe MeasurePlan(arrays: Int(count), totalRank: totalRank)
        for index in 0..<Int(count) { try unsafe plan.add(ArrayView(arrays[index]) { "arrays[\(index)]" }) }
        try unsafe plan.run(to: target)
    }
}

@implementation @_cdecl("martlet_mode_set")
public func martlet_mode_set(
    _ parameters: UnsafePointer<martlet_parameter>!, _ count: Int64, _ groups: UnsafePointer<martlet_config>!,
    _ group_count: Int64, _ mode: Int32
) -> martlet_status {
    report("martlet_mode_set") { () throws(MartletError) in
        _ = try unsafe run(parameters, count, groups, group_count, mode: OptimizerMode(number: mode))
    }
}

@implementation @_cdecl("martlet_finish")
public func martlet_finish(
    _ parameters: UnsafePointer<martlet_parameter>!, _ count: Int64, _ groups: UnsafePointer<martlet_config>!,
    _ group_count: Int64
) -> martlet_status {
    report("martlet_finish") { () throws(MartletError) in
        _ = try unsafe run(parameters, count, groups, group_count, mode: nil, catchesUp: true)
    }
}

@implementation @_cdecl("martlet_backlog_size")
public func martlet_backlog_size(_ out_bytes: UnsafeMutablePointer<Int64>!, _ rows: Int64) -> martlet_status {
    report("martlet_backlog_size") { () throws(MartletError) in
        let target = try unsafe required(out_bytes, "out_bytes")
        unsafe target.pointee = Int64(try backlogByteCount(rows: Int(rows)))
    }
}

/// Steps a caller's parameters, or moves them to a mode's point, or lets their rows catch up.
private func run(
    _ parameters: UnsafePointer<martlet_parameter>?, _ count: Int64, _ groups: UnsafePointer<martlet_config>?,
    _ group_count: Int64, mode: OptimizerMode?, catchesUp: Bool = false, reduction: Reduction? = nil
) throws(MartletError) -> StepReport {
    try checkCount(count, "count")
    try checkCount(group_count, "group_count")
    let parameters = try unsafe count == 0 ? nil : required(parameters, "parameters")
    let groups = try unsafe group_count == 0 ? nil : required(groups, "groups")
    var (totalRank, totalRows) = (0, 0)
    for index in 0..<Int(count) {
        totalRank += unsafe parameters![index].rankRoom
        let rows = unsafe parameters![index].gradientRows
        if catchesUp {
            unsafe StepPlan.addRoom(forNamed: rows, to: &totalRows)
        } else {
            unsafe StepPlan.addRoom(for: rows, Int(parameters![index].grad.count), to: &totalRows)
        }
    }
    let plan = try unsafe StepPlan.make(
        parameters: Int(count), groups: Int(group_count), totalRank: totalRank, totalRows: totalRows,
        spelling: .parameters, mode: mode, catchesUp: catchesUp,
        isSharded: reduction != nil)
    if let groups = unsafe groups { try unsafe plan.pointee.addGroups(groups, Int(group_count)) }
    for index in 0..<Int(count) { try unsafe add(parameters![index], index, catchesUp: catchesUp, to: plan) }
    return try unsafe plan.pointee.run(reduction: reduction)
}

/// By itself, since what it needs of the stack is not the step's.
@inline(never)
private func add(_ parameter: martlet_parameter, _ index: Int, catchesUp: Bool, to plan: UnsafeMutablePointer<StepPlan>)
    throws(MartletError)
{
    try unsafe plan.pointee.add(ParameterView(parameter, index, catchesUp: catchesUp))
}

/// Throws where a count of parameters or groups is none that a program could mean.
func checkCount(_ count: Int64, _ name: StaticString) throws(MartletError) {
    guard count >= 0 && count <= 1 << 24 else {
        throw MartletError(.argument, "\(name) is \(count); expected 0 to 2^24")
    }
}

extension StepPlan {
    /// Adds configs that stand one after another, all of the first one's size.
    fileprivate mutating func addGroups(_ groups: UnsafePointer<martlet_config>, _ count: Int) throws(MartletError) {
        let configs = try unsafe StructList(groups, "groups")
        for index in 0..<count {
            try unsafe addGroup(Configuration(configs.address(index), size: configs.size, "groups[\(index)]"))
        }
    }
}

@implementation @_cdecl("martlet_array_step")
public func martlet_array_step(
    _ value: UnsafeMutablePointer<Float>!, _ grad: UnsafePointer<Float>!, _ state: UnsafeMutablePointer<Float>!,
    _ count: Int64, _ step: UnsafeMutablePointer<Int64>!, _ config: UnsafePointer<martlet_config>!
) -> martlet_status {
    report("martlet_array_step") { () throws(MartletError) in
        let step = try unsafe required(step, "step")
        let configuration = try unsafe config == nil ? Configuration(.adam) : Configuration(config)
        guard count >= 0 && count <= 1 << 56 else {
            throw MartletError(.shape, "count is \(count); expected 0 to 2^56")
        }
        guard !configuration.flags.contains(.zeroGradients) else {
            throw MartletError(.argument, "config.flags sets ZERO_GRADS; expected no such flag, as grad is read alone")
        }
        guard unsafe count == 0 || grad != nil else {
            throw MartletError(.null, "grad is NULL; expected the address of \(count) elements")
        }
        guard unsafe count == 0 || state != nil else {
            let floats = configuration.slots.floatCount(for: ParameterShape(count: Int(count)))
            throw MartletError(.null, "state is NULL; expected the address of \(floats) elements")
        }
        try unsafe MartletOptimizers.step(value, grad, state, count: Int(count), step, configuration)
    }
}
