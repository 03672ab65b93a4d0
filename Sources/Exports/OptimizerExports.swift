// The optimizer behind a handle: its life, its parameters and its steps. Hyperparameters, state and files are in
// OptimizerStateExports.swift.
import CMartlet
import Glibc
import MartletOptimizers
import MartletPlatform

/// Enters an optimizer's handle for the length of `body`.
func withOptimizer(
    _ function: StaticString, _ handle: OpaquePointer?, _ body: (Optimizer) throws(MartletError) -> Void
) -> martlet_status {
    report(function) { () throws(MartletError) in
        let entry = try unsafe HandleTable.enter(handle, "optimizer")
        defer { HandleTable.leave(entry) }
        guard let optimizer = entry.object as? Optimizer else {
            throw HandleTable.wrongKind("optimizer")
        }
        try body(optimizer)
    }
}

@implementation @_cdecl("martlet_optimizer_create")
public func martlet_optimizer_create(
    _ out_optimizer: UnsafeMutablePointer<OpaquePointer?>!, _ config: UnsafePointer<martlet_config>!
) -> martlet_status {
    report("martlet_optimizer_create") { () throws(MartletError) in
        let target = try unsafe required(out_optimizer, "out_optimizer")
        let optimizer = try Optimizer(unsafe Configuration(config))
        unsafe target.pointee = try HandleTable.add(optimizer)
    }
}

@implementation @_cdecl("martlet_optimizer_destroy")
public func martlet_optimizer_destroy(_ optimizer: OpaquePointer!) -> martlet_status {
    report("martlet_optimizer_destroy") { () throws(MartletError) in
        if unsafe optimizer == nil { return }
        try unsafe HandleTable.remove(optimizer, "optimizer", kind: Optimizer.self)
    }
}

@implementation @_cdecl("martlet_optimizer_clone")
public func martlet_optimizer_clone(
    _ optimizer: OpaquePointer!, _ out_clone: UnsafeMutablePointer<OpaquePointer?>!
) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_clone", optimizer) { optimizer throws(MartletError) in
        let target = try unsafe required(out_clone, "out_clone")
        unsafe target.pointee = try HandleTable.add(try optimizer.clone())
    }
}

@implementation @_cdecl("martlet_optimizer_reset")
public func martlet_optimizer_reset(_ optimizer: OpaquePointer!) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_reset", optimizer) { optimizer throws(MartletError) in
        try optimizer.reset()
    }
}

@implementation @_cdecl("martlet_optimizer_group_add")
public func martlet_optimizer_group_add(
    _ optimizer: OpaquePointer!, _ out_group: UnsafeMutablePointer<Int32>!, _ config: UnsafePointer<martlet_config>!
) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_group_add", optimizer) { optimizer throws(MartletError) in
        let target = try unsafe out_group == nil ? nil : required(out_group, "out_group")
        let group = try optimizer.addGroup(unsafe Configuration(config))
        unsafe target?.pointee = Int32(group)
    }
}

@implementation @_cdecl("martlet_optimizer_add")
public func martlet_optimizer_add(
    _ optimizer: OpaquePointer!, _ out_index: UnsafeMutablePointer<Int64>!,
    _ parameter: UnsafePointer<martlet_parameter>!
) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_add", optimizer) { optimizer throws(MartletError) in
        let target = try unsafe out_index == nil ? nil : required(out_index, "out_index")
        let parameter = try unsafe required(parameter, "parameter").pointee
        try unsafe parameter.checkReserved("parameter")
        guard
            unsafe parameter.grad.data == nil && parameter.rows == nil && parameter.row_count == 0
                && parameter.step == nil && parameter.step_shown == nil && parameter.step_shown_dtype == 0
        else {
            throw MartletError(
                .argument,
                "parameter.grad.data, rows, row_count, step or step_shown is set; expected NULL and 0: gradients come with each "
                    + "step")
        }
        guard unsafe parameter.copy == nil else {
            throw MartletError(.argument, "parameter.copy is set; expected NULL, and martlet_optimizer_copy_set")
        }
        guard unsafe parameter.backlog == nil else {
            throw MartletError(.argument, "parameter.backlog is set; expected NULL: the optimizer owns it")
        }
        let value = try unsafe ArrayView(parameter.value) { "parameter.value" }
        let types = try unsafe parameter.stateTypes()
        let index = try unsafe optimizer.add(
            value, name: parameter.nameBytes, group: Int(parameter.group), stateTypes: types, prefix: "parameter.")
        if unsafe parameter.key != 0 || parameter.offset != 0 {
            try unsafe optimizer.identify(
                index, key: parameter.key == 0 ? UInt64(index) : parameter.key, offset: parameter.offset)
        }
        unsafe target?.pointee = Int64(index)
    }
}

extension martlet_parameter {
    /// The name without its NUL, read no further than one byte past the longest that may be.
    fileprivate var nameBytes: UnsafeRawBufferPointer? {
        guard let name = unsafe name else { return nil }
        return unsafe UnsafeRawBufferPointer(start: name, count: strnlen(name, Optimizer.longestName + 1))
    }

    /// The types asked for the state slots, or nil for the value's own.
    fileprivate func stateTypes() throws(MartletError) -> [StateType]? {
        if unsafe state_count == 0 { return nil }
        guard unsafe state_count > 0 && state_count <= Int64(ParameterView.maximumStateCount) else {
            throw unsafe MartletError(
                .argument, "parameter.state_count is \(state_count); expected 0 to \(ParameterView.maximumStateCount)")
        }
        let slots = try unsafe required(state, "parameter.state")
        var types: [StateType] = []
        for slot in unsafe 0..<Int(state_count) {
            let view = try unsafe ArrayView(slots[slot], isState: true) { "parameter.state[\(slot)]" }
            guard unsafe view.base == nil else {
                throw MartletError(
                    .argument, "parameter.state[\(slot)].data is set; expected NULL: the optimizer owns the state")
            }
            unsafe types.append(view.stored)
        }
        return types
    }
}

@implementation @_cdecl("martlet_optimizer_copy_set")
public func martlet_optimizer_copy_set(
    _ optimizer: OpaquePointer!, _ index: Int64, _ copy: UnsafePointer<martlet_array>!
) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_copy_set", optimizer) { optimizer throws(MartletError) in
        let array = try unsafe copy == nil ? .none : ArrayView(required(copy, "copy").pointee) { "copy" }
        guard unsafe copy == nil || array.base != nil || array.count == 0 else {
            throw MartletError(.null, "copy.data is NULL; expected the address of a copy")
        }
        try unsafe optimizer.setCopy(array, of: Int(index))
    }
}

@implementation @_cdecl("martlet_optimizer_step")
public func martlet_optimizer_step(
    _ optimizer: OpaquePointer!, _ out_report: UnsafeMutablePointer<martlet_report>!,
    _ grads: UnsafePointer<martlet_array>!, _ count: Int64
) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_step", optimizer) { optimizer throws(MartletError) in
        let target = try unsafe OptionalTarget(out_report, "out_report")
        unsafe target.write(martlet_report(try optimizer.step(grads, nil, count)))
    }
}

@implementation @_cdecl("martlet_optimizer_sparse_step")
public func martlet_optimizer_sparse_step(
    _ optimizer: OpaquePointer!, _ out_report: UnsafeMutablePointer<martlet_report>!,
    _ grads: UnsafePointer<martlet_array>!, _ rows: UnsafePointer<martlet_rows>!, _ count: Int64
) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_sparse_step", optimizer) { optimizer throws(MartletError) in
        let target = try unsafe OptionalTarget(out_report, "out_report")
        let rows = try unsafe count == 0 ? nil : required(rows, "rows")
        unsafe target.write(martlet_report(try optimizer.step(grads, rows, count)))
    }
}

@implementation @_cdecl("martlet_optimizer_finish")
public func martlet_optimizer_finish(
    _ optimizer: OpaquePointer!, _ rows: UnsafePointer<martlet_rows>!, _ count: Int64
) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_finish", optimizer) { optimizer throws(MartletError) in
        if unsafe rows == nil && count == 0 {
            try optimizer.finish()
            return
        }
        guard count == Int64(optimizer.count) else {
            throw MartletError(
                .argument, "count is \(count); expected \(optimizer.count), one for each parameter, or 0 without rows")
        }
        let rows = try unsafe required(rows, "rows")
        for index in 0..<Int(count) { try unsafe rows[index].checkReserved(index) }
        try unsafe optimizer.finish { unsafe rows[$0].gradientRows }
    }
}

extension Optimizer {
    /// Steps by a caller's gradients, which are of some rows where `rows` says so; nil: none is.
    fileprivate func step(
        _ grads: UnsafePointer<martlet_array>?, _ rows: UnsafePointer<martlet_rows>?, _ count: Int64
    ) throws(MartletError) -> StepReport {
        guard count == Int64(self.count) else {
            throw MartletError(
                .argument, "count is \(count); expected \(self.count), one gradient for each parameter")
        }
        let grads = try unsafe count == 0 ? nil : required(grads, "grads")
        var (totalRank, totalRows) = (0, 0)
        for index in 0..<Int(count) {
            totalRank += unsafe StepPlan.rankRoom(Int(grads![index].rank))
            guard let rows = unsafe rows else { continue }
            try unsafe rows[index].checkReserved(index)
            unsafe StepPlan.addRoom(for: rows[index].gradientRows, Int(grads![index].count), to: &totalRows)
        }
        let plan = try unsafe makePlan(totalRank: totalRank, totalRows: totalRows)
        for index in 0..<Int(count) {
            let own = unsafe rows?[index].gradientRows
            let isThere = unsafe grads![index].data != nil || (own?.count ?? 0) > 0
            let gradient = try unsafe isThere ? ArrayView(grads![index]) { "grads[\(index)]" } : .none
            try unsafe add(index, gradient: gradient, rows: own, to: plan)
        }
        return try unsafe plan.pointee.run()
    }
}

extension martlet_rows {
    /// Nil where the gradient is dense.
    fileprivate var gradientRows: GradientRows? {
        unsafe rows == nil && count == 0 ? nil : GradientRows(numbers: rows, count: Int(count))
    }

    fileprivate func checkReserved(_ index: Int) throws(MartletError) {
        guard unsafe reserved.0 | reserved.1 == 0 else {
            throw MartletError(.structure, "rows[\(index)].reserved is set; expected 0")
        }
    }
}
