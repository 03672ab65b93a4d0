// What the algorithms are called, what state they need, and their defaults.
import CMartlet
import MartletOptimizers
import MartletPlatform

@implementation @_cdecl("martlet_config_init")
public func martlet_config_init(
    _ out_config: UnsafeMutablePointer<martlet_config>!, _ struct_size: Int, _ algorithm: Int32
) -> martlet_status {
    report("martlet_config_init") { () throws(MartletError) in
        let target = try unsafe required(out_config, "out_config")
        try martlet_config.checkSize(struct_size, "struct_size")
        var config = martlet_config(Configuration(try Algorithm(number: algorithm, "algorithm")))
        config.struct_size = UInt32(struct_size)
        unsafe config.write(to: target, size: struct_size)
    }
}

@implementation @_cdecl("martlet_algorithm_name")
public func martlet_algorithm_name(_ algorithm: Int32) -> UnsafePointer<CChar>! {
    unsafe Algorithm(rawValue: algorithm).map { unsafe cString($0.name) }
}

@implementation @_cdecl("martlet_algorithm_flags")
public func martlet_algorithm_flags(_ algorithm: Int32) -> UInt32 {
    Algorithm(rawValue: algorithm)?.flags.rawValue ?? 0
}

@implementation @_cdecl("martlet_algorithm_needs")
public func martlet_algorithm_needs(_ algorithm: Int32) -> UInt32 {
    guard let algorithm = Algorithm(rawValue: algorithm) else { return 0 }
    return (algorithm.takesWholeParameters ? MARTLET_NEEDS_WHOLE : 0)
        | (algorithm.takesMatricesAlone ? MARTLET_NEEDS_MATRICES : 0)
}

@implementation @_cdecl("martlet_hyperparameter_name")
public func martlet_hyperparameter_name(_ hyperparameter: Int32) -> UnsafePointer<CChar>! {
    unsafe Hyperparameter(rawValue: hyperparameter).map { unsafe cString($0.name) }
}

@implementation @_cdecl("martlet_algorithm_slot_count")
public func martlet_algorithm_slot_count(
    _ out_count: UnsafeMutablePointer<Int64>!, _ config: UnsafePointer<martlet_config>!
) -> martlet_status {
    report("martlet_algorithm_slot_count") { () throws(MartletError) in
        let target = try unsafe required(out_count, "out_count")
        unsafe target.pointee = Int64(try Configuration(config).slots.count)
    }
}

@implementation @_cdecl("martlet_slot_get")
public func martlet_slot_get(
    _ out_slot: UnsafeMutablePointer<martlet_slot>!, _ config: UnsafePointer<martlet_config>!, _ slot: Int32
) -> martlet_status {
    report("martlet_slot_get") { () throws(MartletError) in
        let target = try unsafe required(out_slot, "out_slot")
        let slots = try unsafe Configuration(config).slots
        guard slots.indices.contains(Int(slot)) else {
            throw MartletError(.argument, "slot is \(slot); expected 0 ..< \(slots.count)")
        }
        let found = slots[Int(slot)]
        let type = found.kind == .scalar ? ElementType.fp64.rawValue : 0
        unsafe target.pointee = martlet_slot(
            name: cString(found.name), kind: found.kind.rawValue, dtype: type, reserved: (0, 0))
    }
}
