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

@implementation @_cdecl("martlet_algorithm_slot_count")
public func martlet_algorithm_slot_count(
    _ out_count: UnsafeMutablePointer<Int64>!, _ config: UnsafePointer<martlet_config>!
) -> martlet_status {
    report("martlet_algorithm_slot_count") { () throws(MartletError) in
        let target = try unsafe required(out_count, "out_count")
        unsafe target.pointee = Int64(try Configuration(config).slotCount)
    }
}

@implementation @_cdecl("martlet_algorithm_slot_name")
public func martlet_algorithm_slot_name(_ algorithm: Int32, _ slot: Int32) -> UnsafePointer<CChar>! {
    guard let algorithm = Algorithm(rawValue: algorithm) else { return nil }
    let names = algorithm.slotNames
    return unsafe names.indices.contains(Int(slot)) ? cString(names[Int(slot)]) : nil
}
