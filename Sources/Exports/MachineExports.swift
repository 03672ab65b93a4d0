// The machine and the settings of the process.
import CMartlet
import MartletPlatform

@implementation @_cdecl("martlet_machine_get")
public func martlet_machine_get(_ out_machine: UnsafeMutablePointer<martlet_machine>!, _ struct_size: Int)
    -> martlet_status
{
    report("martlet_machine_get") { () throws(MartletError) in
        let target = try unsafe required(out_machine, "out_machine")
        try martlet_machine.checkSize(struct_size, "struct_size")
        let record = ThreadRecord.current
        let machine = martlet_machine(
            struct_size: UInt32(struct_size), isa: try Settings.isa.rawValue, isa_best: InstructionSet.best.rawValue,
            threads: Int32(try Settings.threads), threads_default: Int32(Settings.defaultThreads),
            last_isa: record?.lastISA ?? 0, last_threads: record?.lastThreads ?? 0, reserved: 0,
            chunk: Int64(Settings.chunk))
        unsafe machine.write(to: target, size: struct_size)
    }
}

@implementation @_cdecl("martlet_threads_set")
public func martlet_threads_set(_ count: Int32) -> martlet_status {
    report("martlet_threads_set") { () throws(MartletError) in
        try Settings.setThreads(Int(count))
    }
}

@implementation @_cdecl("martlet_threads_get")
public func martlet_threads_get(_ out_count: UnsafeMutablePointer<Int32>!) -> martlet_status {
    report("martlet_threads_get") { () throws(MartletError) in
        let target = try unsafe required(out_count, "out_count")
        unsafe target.pointee = Int32(try Settings.threads)
    }
}

@implementation @_cdecl("martlet_isa_set")
public func martlet_isa_set(_ isa: Int32) -> martlet_status {
    report("martlet_isa_set") { () throws(MartletError) in
        let choice = InstructionSet(rawValue: isa)
        guard choice != nil || isa == MARTLET_ISA_AUTO else {
            throw MartletError(.argument, "isa is \(isa); expected MARTLET_ISA_AUTO, _BASELINE, _AVX2 or _AVX512")
        }
        try Settings.setISA(choice)
    }
}

@implementation @_cdecl("martlet_chunk_set")
public func martlet_chunk_set(_ elements: Int64) -> martlet_status {
    report("martlet_chunk_set") { () throws(MartletError) in
        try Settings.setChunk(Int(elements))
    }
}
