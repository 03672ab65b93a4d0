// Learning rates by step, and the rate that waits for a metric: structs of the caller's become the engines' values.
import CMartlet
import MartletOptimizers
import MartletPlatform

@implementation @_cdecl("martlet_schedule_init")
public func martlet_schedule_init(
    _ out_schedule: UnsafeMutablePointer<martlet_schedule>!, _ struct_size: Int, _ kind: Int32
) -> martlet_status {
    report("martlet_schedule_init") { () throws(MartletError) in
        let defaults = martlet_schedule(Schedule(try Schedule.Kind(number: kind, "kind")))
        try unsafe martlet_schedule.fill(out_schedule, "out_schedule", size: struct_size, with: defaults)
    }
}

@implementation @_cdecl("martlet_schedule_name")
public func martlet_schedule_name(_ kind: Int32) -> UnsafePointer<CChar>! {
    unsafe Schedule.Kind(rawValue: kind).map { unsafe cString($0.name) }
}

@implementation @_cdecl("martlet_schedule_get")
public func martlet_schedule_get(
    _ out_rate: UnsafeMutablePointer<Double>!, _ schedules: UnsafePointer<martlet_schedule>!, _ count: Int64,
    _ step: Int64
) -> martlet_status {
    report("martlet_schedule_get") { () throws(MartletError) in
        let target = try unsafe required(out_rate, "out_rate")
        let list = try unsafe StructList(required(schedules, "schedules"), "schedules")
        guard count >= 1 && count <= 1 << 24 else {
            throw MartletError(.argument, "count is \(count); expected 1 to 2^24")
        }
        var rates = try Rates(step: Int(step))
        for index in 0..<Int(count) {
            let name = "schedules[\(index)]"
            try unsafe rates.multiply(Schedule(list.address(index), size: list.size, name), name)
        }
        unsafe target.pointee = try rates.product
    }
}

@implementation @_cdecl("martlet_plateau_init")
public func martlet_plateau_init(
    _ out_plateau: UnsafeMutablePointer<martlet_plateau>!, _ struct_size: Int, _ semantics: Int32
) -> martlet_status {
    report("martlet_plateau_init") { () throws(MartletError) in
        let defaults = martlet_plateau(Plateau(try Plateau.semantics(semantics, "semantics")))
        try unsafe martlet_plateau.fill(out_plateau, "out_plateau", size: struct_size, with: defaults)
    }
}

@implementation @_cdecl("martlet_plateau_step")
public func martlet_plateau_step(_ plateau: UnsafeMutablePointer<martlet_plateau>!, _ metric: Double) -> martlet_status
{
    report("martlet_plateau_step") { () throws(MartletError) in
        let target = try unsafe required(plateau, "plateau")
        let raw = try unsafe martlet_plateau.reading(target, "plateau") { raw throws(MartletError) in
            martlet_plateau(Plateau(try Plateau.semantics(raw.semantics, "plateau->semantics")))
        }
        var value = try Plateau(raw, "plateau")
        try value.step(metric)
        var result = martlet_plateau(value)
        result.struct_size = raw.struct_size
        unsafe result.write(to: target, size: Int(raw.struct_size))
    }
}

extension Schedule.Kind {
    fileprivate init(number: Int32, _ subject: @autoclosure () -> String) throws(MartletError) {
        guard let kind = Schedule.Kind(rawValue: number) else {
            throw MartletError(
                .argument, "\(subject()) is \(number); expected MARTLET_SCHEDULE_COSINE or another of its kind")
        }
        self = kind
    }
}

extension Schedule {
    /// Reads a caller's schedule; its numbers are checked where they are used.
    fileprivate init(
        _ schedule: UnsafePointer<martlet_schedule>, size: Int, _ subject: @autoclosure () -> String
    ) throws(MartletError) {
        let kind = try unsafe Schedule.Kind(number: schedule.pointee.kind, "\(subject()).kind")
        var raw = martlet_schedule(Schedule(kind))
        try unsafe raw.read(schedule, size: size, subject())
        guard raw.flags & ~Flags.all.rawValue == 0 && raw.reserved == 0 else {
            throw raw.reserved != 0
                ? MartletError(.structure, "\(subject()).reserved is \(raw.reserved); expected 0")
                : MartletError(
                    .argument, "\(subject()).flags is \(raw.flags); expected a sum of MARTLET_CYCLE and its like")
        }
        self.init(kind)
        flags = Flags(rawValue: raw.flags)
        (begin, end) = (Int(raw.begin), Int(raw.end))
        (steps, rate, startRate, endRate) = (raw.steps, raw.rate, raw.start_rate, raw.end_rate)
        (factor, power, cycleFactor, warmup) = (raw.factor, raw.power, raw.cycle_factor, raw.warmup)
    }
}

extension martlet_schedule {
    fileprivate init(_ schedule: Schedule) {
        self.init(
            struct_size: UInt32(MemoryLayout<martlet_schedule>.size), kind: schedule.kind.rawValue,
            flags: schedule.flags.rawValue, reserved: 0, begin: Int64(schedule.begin), end: Int64(schedule.end),
            steps: schedule.steps, rate: schedule.rate, start_rate: schedule.startRate, end_rate: schedule.endRate,
            factor: schedule.factor, power: schedule.power, cycle_factor: schedule.cycleFactor,
            warmup: schedule.warmup)
    }
}

extension Plateau {
    fileprivate static func semantics(
        _ number: Int32, _ subject: @autoclosure () -> String
    ) throws(MartletError) -> Semantics {
        guard let semantics = Semantics(rawValue: number), semantics == .torch || semantics == .keras else {
            throw MartletError(
                .argument,
                "\(subject()) is \(number); expected MARTLET_SEMANTICS_TORCH or MARTLET_SEMANTICS_KERAS")
        }
        return semantics
    }

    fileprivate init(_ raw: martlet_plateau, _ subject: @autoclosure () -> String) throws(MartletError) {
        guard raw.flags & ~Flags.all.rawValue == 0 else {
            throw MartletError(
                .argument, "\(subject()).flags is \(raw.flags); expected a sum of MARTLET_CLIMB and MARTLET_RELATIVE")
        }
        guard raw.reserved == 0 else {
            throw MartletError(.structure, "\(subject()).reserved is \(raw.reserved); expected 0")
        }
        self.init(try Plateau.semantics(raw.semantics, "\(subject()).semantics"))
        flags = Flags(rawValue: raw.flags)
        (rate, factor, minRate, threshold) = (raw.rate, raw.factor, raw.min_rate, raw.threshold)
        (eps, best) = (raw.eps, raw.best)
        (patience, cooldown) = (Int(raw.patience), Int(raw.cooldown))
        (bad, cooling) = (Int(raw.bad), Int(raw.cooling))
    }
}

extension martlet_plateau {
    fileprivate init(_ plateau: Plateau) {
        self.init(
            struct_size: UInt32(MemoryLayout<martlet_plateau>.size), semantics: plateau.semantics.rawValue,
            flags: plateau.flags.rawValue, reserved: 0, rate: plateau.rate, factor: plateau.factor,
            min_rate: plateau.minRate, threshold: plateau.threshold, eps: plateau.eps,
            patience: Int64(plateau.patience), cooldown: Int64(plateau.cooldown), best: plateau.best,
            bad: Int64(plateau.bad), cooling: Int64(plateau.cooling))
    }
}
