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
        let found = try unsafe Configuration(config).slot(slot)
        let usual = found.usualType(beside: .bf16)
        let type = usual == .bf16 ? 0 : usual.rawValue
        unsafe target.pointee = martlet_slot(
            name: cString(found.name), kind: found.kind.rawValue, dtype: type,
            dtype_8bit: found.small(bits: 8)?.rawValue ?? 0, dtype_4bit: found.small(bits: 4)?.rawValue ?? 0,
            dtype_16bit: found.small(bits: 16)?.rawValue ?? 0, reserved: 0)
    }
}

@implementation @_cdecl("martlet_slot_count")
public func martlet_slot_count(
    _ out_count: UnsafeMutablePointer<Int64>!, _ config: UnsafePointer<martlet_config>!, _ slot: Int32,
    _ sizes: UnsafePointer<Int64>!, _ rank: Int32
) -> martlet_status {
    report("martlet_slot_count") { () throws(MartletError) in
        let target = try unsafe required(out_count, "out_count")
        let found = try unsafe Configuration(config).slot(slot)
        let ranks = 0...ParameterShape.maximumRank
        let sizes = rank > 0 && ranks.contains(Int(rank)) ? try unsafe required(sizes, "sizes") : nil
        guard let shape = unsafe ParameterShape(sizes: sizes, rank: Int(rank)) else {
            throw MartletError(
                .shape,
                "sizes and rank \(rank) are those of no array; expected 0 to \(ParameterShape.maximumRank) sizes of 0 or "
                    + "more, whose product is 2^56 at most")
        }
        unsafe target.pointee = Int64(found.count(for: shape))
    }
}

extension Configuration {
    fileprivate func slot(_ index: Int32) throws(MartletError) -> Slot {
        let slots = slots
        guard slots.indices.contains(Int(index)) else {
            throw MartletError(.argument, "slot is \(index); expected 0 ..< \(slots.count)")
        }
        return slots[Int(index)]
    }
}
