// Hyperparameters, state and files of an optimizer behind a handle.
import CMartlet
import MartletOptimizers
import MartletPlatform

extension Hyperparameter {
    init(number: Int32) throws(MartletError) {
        guard let hyperparameter = Hyperparameter(rawValue: number) else {
            throw MartletError(.argument, "hyperparameter is \(number); expected MARTLET_LR or another of its kind")
        }
        self = hyperparameter
    }
}

@implementation @_cdecl("martlet_optimizer_set")
public func martlet_optimizer_set(
    _ optimizer: OpaquePointer!, _ group: Int32, _ hyperparameter: Int32, _ value: Double
) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_set", optimizer) { optimizer throws(MartletError) in
        try optimizer.set(Hyperparameter(number: hyperparameter), to: value, group: Int(group))
    }
}

@implementation @_cdecl("martlet_optimizer_get")
public func martlet_optimizer_get(
    _ optimizer: OpaquePointer!, _ out_value: UnsafeMutablePointer<Double>!, _ group: Int32, _ hyperparameter: Int32
) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_get", optimizer) { optimizer throws(MartletError) in
        let target = try unsafe required(out_value, "out_value")
        unsafe target.pointee = try optimizer.get(Hyperparameter(number: hyperparameter), group: Int(group))
    }
}

@implementation @_cdecl("martlet_optimizer_config_get")
public func martlet_optimizer_config_get(
    _ optimizer: OpaquePointer!, _ out_config: UnsafeMutablePointer<martlet_config>!, _ struct_size: Int,
    _ group: Int32
) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_config_get", optimizer) { optimizer throws(MartletError) in
        let configuration = try optimizer.configuration(group: Int(group))
        try unsafe martlet_config.fill(
            out_config, "out_config", size: struct_size, with: martlet_config(configuration))
    }
}

@implementation @_cdecl("martlet_optimizer_mode_set")
public func martlet_optimizer_mode_set(_ optimizer: OpaquePointer!, _ mode: Int32) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_mode_set", optimizer) { optimizer throws(MartletError) in
        try optimizer.setMode(OptimizerMode(number: mode))
    }
}

extension OptimizerMode {
    init(number: Int32) throws(MartletError) {
        guard let mode = OptimizerMode(rawValue: number) else {
            throw MartletError(.argument, "mode is \(number); expected MARTLET_TRAINING or MARTLET_EVALUATION")
        }
        self = mode
    }
}

@implementation @_cdecl("martlet_optimizer_count")
public func martlet_optimizer_count(
    _ optimizer: OpaquePointer!, _ out_count: UnsafeMutablePointer<Int64>!
) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_count", optimizer) { optimizer throws(MartletError) in
        unsafe try required(out_count, "out_count").pointee = Int64(optimizer.count)
    }
}

@implementation @_cdecl("martlet_optimizer_group_count")
public func martlet_optimizer_group_count(
    _ optimizer: OpaquePointer!, _ out_count: UnsafeMutablePointer<Int64>!
) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_group_count", optimizer) { optimizer throws(MartletError) in
        unsafe try required(out_count, "out_count").pointee = Int64(optimizer.groupCount)
    }
}

@implementation @_cdecl("martlet_optimizer_size")
public func martlet_optimizer_size(
    _ optimizer: OpaquePointer!, _ out_bytes: UnsafeMutablePointer<Int64>!
) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_size", optimizer) { optimizer throws(MartletError) in
        unsafe try required(out_bytes, "out_bytes").pointee = Int64(optimizer.stateBytes)
    }
}

@implementation @_cdecl("martlet_optimizer_state_get")
public func martlet_optimizer_state_get(
    _ optimizer: OpaquePointer!, _ out_array: UnsafeMutablePointer<martlet_array>!, _ parameter: Int64, _ slot: Int32
) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_state_get", optimizer) { optimizer throws(MartletError) in
        let target = try unsafe required(out_array, "out_array")
        unsafe target.pointee = martlet_array(try optimizer.state(of: Int(parameter), slot: Int(slot)))
    }
}

@implementation @_cdecl("martlet_optimizer_state_set")
public func martlet_optimizer_state_set(
    _ optimizer: OpaquePointer!, _ parameter: Int64, _ slot: Int32, _ array: UnsafePointer<martlet_array>!
) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_state_set", optimizer) { optimizer throws(MartletError) in
        let source = try unsafe ArrayView(required(array, "array").pointee, isState: true) { "array" }
        try unsafe optimizer.setState(of: Int(parameter), slot: Int(slot), to: source)
    }
}

@implementation @_cdecl("martlet_optimizer_step_get")
public func martlet_optimizer_step_get(
    _ optimizer: OpaquePointer!, _ out_step: UnsafeMutablePointer<Int64>!, _ parameter: Int64
) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_step_get", optimizer) { optimizer throws(MartletError) in
        let target = try unsafe required(out_step, "out_step")
        unsafe target.pointee = try optimizer.stepCount(of: Int(parameter))
    }
}

@implementation @_cdecl("martlet_optimizer_step_set")
public func martlet_optimizer_step_set(_ optimizer: OpaquePointer!, _ parameter: Int64, _ step: Int64) -> martlet_status
{
    unsafe withOptimizer("martlet_optimizer_step_set", optimizer) { optimizer throws(MartletError) in
        try optimizer.setStepCount(of: Int(parameter), to: step)
    }
}

@implementation @_cdecl("martlet_optimizer_save")
public func martlet_optimizer_save(_ optimizer: OpaquePointer!, _ path: UnsafePointer<CChar>!) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_save", optimizer) { optimizer throws(MartletError) in
        try unsafe optimizer.save(to: required(path, "path"))
    }
}

@implementation @_cdecl("martlet_optimizer_load")
public func martlet_optimizer_load(_ optimizer: OpaquePointer!, _ path: UnsafePointer<CChar>!) -> martlet_status {
    unsafe withOptimizer("martlet_optimizer_load", optimizer) { optimizer throws(MartletError) in
        try unsafe optimizer.load(from: required(path, "path"))
    }
}
