// Schedules as Swift writes them: each formula beside the same formula through the C library's functions, sequences and
// chains, and the errors. torch's and Keras's own numbers are held by the Python tests, through the same functions.

import Glibc
import MartletOptimizers
import MartletPlatform
import Testing

private func isClose(_ a: Double, _ b: Double) -> Bool {
    (a - b).magnitude <= 1e-13 * max(a.magnitude, b.magnitude) + 1e-16
}

private func half(_ x: Double) -> Double { (1 + cos(Double.pi * x)) / 2 }

private let steps = [0, 1, 2, 3, 4, 7, 9, 10, 11, 19, 20, 21, 33, 99, 100, 1000, 123_456, 1 << 52, .max]

@Suite struct ScheduleTests {
    @Test func formulas() throws {
        func cycle(_ step: Double) -> Double {
            let (last, top) = (min(step, 100), 20.0)
            return last <= top
                ? 0.3 + (0.012 - 0.3) * half(last / top) : 1.2e-6 + 0.2999988 * half((last - top) / 80)
        }
        let cases: [(Schedule, (Double) -> Double)] = [
            (.constant(0.3), { _ in 0.3 }),
            (.step(0.3, every: 7), { 0.3 * pow(0.1, floor($0 / 7)) }),
            (.exponential(0.3, factor: 0.9, steps: 4), { 0.3 * pow(0.9, $0 / 4) }),
            (.exponential(0.3, factor: 0.9, steps: 4, staircase: true), { 0.3 * pow(0.9, floor($0 / 4)) }),
            (.inverseTime(0.3, factor: 0.5, steps: 3), { 0.3 / (1 + 0.5 * $0 / 3) }),
            (.inverseTime(0.3, factor: 0.5, steps: 3, staircase: true), { 0.3 / (1 + 0.5 * floor($0 / 3)) }),
            (.inverseSqrt(0.3, steps: 5), { 0.3 * sqrt(5 / (5 + $0)) }),
            (.linear(from: 0.01, to: 0.3, steps: 20), { 0.01 + 0.29 * min($0, 20) / 20 }),
            (.polynomial(0.3, steps: 20, to: 0.1, power: 0.7), { 0.1 + 0.2 * pow(1 - min($0, 20) / 20, 0.7) }),
            (.cosine(0.3, steps: 20, to: 0.1), { 0.1 + 0.2 * half(min($0, 20) / 20) }),
            (.cosine(0.3, steps: 20, cycle: true), { 0.3 * half(fmod($0, 40) / 20) }),
            (
                .cosineRestarts(0.3, steps: 10, to: 0.1, factor: 0.5),
                { 0.1 + 0.2 * pow(0.5, floor($0 / 10)) * half(fmod($0, 10) / 10) }
            ),
            (.oneMinusSqrt(0.3, steps: 20, to: 0.1), { 0.1 + 0.2 * (1 - sqrt(min($0, 20) / 20)) }),
            (
                .oneCycle(0.3, steps: 101, warmup: 21.0 / 101),
                cycle
            ),
        ]
        #expect(Set(cases.map(\.0.kind)) == Set(Schedule.Kind.allCases))
        for (schedule, formula) in cases {
            for step in steps where step < 1 << 52 || !schedule.flags.contains(.cycle) {
                let (found, wanted) = (try schedule.rate(at: step), formula(Double(step)))
                #expect(isClose(found, wanted), "\(schedule.kind) at \(step): \(found), not \(wanted)")
                let early = min(step, .max - 5)
                #expect(try schedule.from(5).rate(at: early + 5) == schedule.rate(at: early))
            }
        }
    }

    /// Where each begins and ends, exactly; the half cosine is 1, 1/2 and 0 there.
    @Test func ends() throws {
        let cosine = Schedule.cosine(0.3, steps: 64)
        #expect(try cosine.rate(at: 0) == 0.3 && cosine.rate(at: 64) == 0 && cosine.rate(at: 65) == 0)
        #expect(isClose(try cosine.rate(at: 32), 0.15))
        var last = 1.0
        for step in 0...100_000 {
            let rate = try Schedule.cosine(1, steps: 100_000).rate(at: step)
            #expect(rate <= last && isClose(rate, half(Double(step) / 100_000)) || rate < 1e-8)
            last = rate
        }
        #expect(try Schedule.polynomial(0.3, steps: 7, power: 0).rate(at: 9) == 0.3)
        #expect(try Schedule.exponential(0.3, factor: 0).rate(at: 0) == 0.3)
        #expect(try Schedule.exponential(0.3, factor: 0).rate(at: 1) == 0)
        #expect(try Schedule.exponential(0.3, factor: 1).rate(at: .max) == 0.3)
    }

    @Test func restartsLengthen() throws {
        let schedule = Schedule.cosineRestarts(1, steps: 3, cycleFactor: 3, factor: 0.5)
        var (begin, length, peak) = (0, 3, 1.0)
        for _ in 0..<30 {
            #expect(try schedule.rate(at: begin) == peak)
            #expect(try schedule.rate(at: begin + length - 1) <= peak / 4)
            (begin, length, peak) = (begin + length, 3 * length, peak / 2)
        }
    }

    @Test func sequencesAndChains() throws {
        let inner = try [Schedule].sequence(
            [[.constant(1)], [.exponential(2, factor: 0.5)], [.constant(3)]], milestones: [2, 4])
        let outer = try [Schedule].sequence([inner, inner, [.constant(9)]], milestones: [3, 8])
        let found = try (0..<10).map { try outer.rate(at: $0) }
        #expect(found == [1, 1, 2, 1, 1, 2, 1, 3, 9, 9])
        let chain = try outer + .multiStep(1, milestones: [1, 1, 5], factor: 0.5)
        #expect(try (0..<7).map { try chain.rate(at: $0) } == [1, 0.25, 0.5, 0.25, 0.25, 0.25, 0.125])
        let stable = try [Schedule].warmupStableDecay(1, warmupSteps: 2, stableSteps: 3, decaySteps: 4)
        #expect(try (0..<11).map { try stable.rate(at: $0) } == [0, 0.5, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0, 0])
        let falling = try [Schedule].warmupStableDecay(1, warmupSteps: 0, stableSteps: 0, decaySteps: 4)
        #expect(try (0..<5).map { try falling.rate(at: $0) } == [1, 0.75, 0.5, 0.25, 0])
        for kind in [Schedule.Kind.cosine, .oneMinusSqrt, .polynomial] {
            let other = try [Schedule].warmupStableDecay(
                1, warmupSteps: 2, stableSteps: 3, decaySteps: 4, to: 0.5, decay: kind)
            #expect(try other.rate(at: 5) == 1 && other.rate(at: 6) < 1 && other.rate(at: 9) == 0.5)
        }
        let late = Schedule.constant(2).from(.max)
        #expect(try [Schedule].sequence([[late], [late]], milestones: [7]).isEmpty == false)
    }

    @Test func errors() throws {
        func refused(_ words: String, _ body: () throws -> Void) {
            do {
                try body()
                Issue.record("nothing was thrown; wanted \(words)")
            } catch let error as MartletError {
                #expect(error.kind == .argument && error.message.contains(words), "\(error.message)")
            } catch {
                Issue.record("\(error)")
            }
        }
        refused("step is -1") { _ = try Schedule.constant(1).rate(at: -1) }
        refused("schedules[0].steps is nan; expected a finite number, 1 or more") {
            _ = try Schedule(.cosine).rate(at: 0)
        }
        refused("schedules[0].rate is nan") { _ = try Schedule(.constant).rate(at: 0) }
        refused("schedules[0].steps is 0.0") { _ = try Schedule.cosine(1, steps: 0).rate(at: 0) }
        refused("NaN: constant does not read it") {
            var schedule = Schedule.constant(1)
            schedule.factor = 2
            _ = try schedule.rate(at: 0)
        }
        refused("schedules[0].end is 5; expected 0, or more than begin, which is 5") {
            _ = try Schedule.constant(1).from(5).until(5).rate(at: 5)
        }
        refused("no schedule is under way at step 4") { _ = try Schedule.constant(1).from(5).rate(at: 4) }
        refused("no schedule is under way at step 0") { _ = try [Schedule]().rate(at: 0) }
        refused("the rate at step 3 is inf") { _ = try Schedule.exponential(1, factor: 1e300).rate(at: 3) }
        refused("milestones[1] is 3; expected 5 or more") { _ = try [Schedule].multiStep(1, milestones: [5, 3]) }
        refused("milestones[1] is 5; expected more than 5") {
            _ = try [Schedule].sequence([[], [], []], milestones: [5, 5])
        }
        refused("milestones has 0 steps") { _ = try [Schedule].sequence([[], []], milestones: []) }
        refused("milestones has 0 steps") { _ = try [Schedule].sequence([], milestones: []) }
        refused("parts[0].rate is -1.0") { _ = try [Schedule].sequence([[.constant(-1)]], milestones: []) }
        refused("milestones") {
            _ = try [Schedule].warmupStableDecay(1, warmupSteps: .max, stableSteps: .max, decaySteps: 1)
        }
    }

    /// Every number of every kind: what it reads must be in range, and what it does not must be NaN.
    @Test func everyFieldIsChecked() throws {
        let fields: [WritableKeyPath<Schedule, Double>] = [
            \.steps, \.rate, \.startRate, \.endRate, \.factor, \.power, \.cycleFactor, \.warmup,
        ]
        for kind in Schedule.Kind.allCases {
            var good = Schedule(kind)
            good.rate = 0.5
            if kind != .constant && good.steps.isNaN { good.steps = 8 }
            if kind == .exponential || kind == .inverseTime { good.factor = 0.5 }
            _ = try good.rate(at: 3)
            for field in fields {
                for value in [.infinity, -.infinity, -1, -.leastNonzeroMagnitude] as [Double] {
                    var bad = good
                    bad[keyPath: field] = value
                    #expect(throws: MartletError.self) { try bad.rate(at: 3) }
                }
                var unset = good
                unset[keyPath: field] = .nan
                let mayBeUnset = good[keyPath: field].isNaN
                #expect((try? unset.rate(at: 3)) != nil ? mayBeUnset : !mayBeUnset)
            }
            for flag in [Schedule.Flags.staircase, .cycle, .straight, .threePhases] {
                var flagged = good
                flagged.flags = flag
                let isRead =
                    switch kind {
                    case .exponential, .inverseTime: flag == .staircase
                    case .polynomial, .cosine: flag == .cycle
                    case .oneCycle: flag == .straight || flag == .threePhases
                    default: false
                    }
                #expect(((try? flagged.rate(at: 3)) != nil) == isRead, "\(kind) \(flag)")
            }
        }
    }

    @Test func plateaus() throws {
        var torch = Plateau(.torch)
        (torch.rate, torch.patience, torch.cooldown, torch.factor) = (1, 1, 2, 0.5)
        var rates: [Double] = []
        for metric in [5.0, 4, 4, 4, 4, 4, 4, 4, .nan, 3] {
            try torch.step(metric)
            rates.append(torch.rate)
        }
        #expect(rates == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25] && torch.best == 3)
        var keras = Plateau(.keras)
        (keras.rate, keras.patience, keras.minRate, keras.flags) = (1, 2, 0.05, .climb)
        for metric in [1.0, 1, 1, 1, 1, 1, 1] { try keras.step(metric) }
        #expect(keras.rate == 0.05 && keras.bad == 2)
        for change in [
            { $0.rate = .nan }, { $0.rate = -1 }, { $0.factor = 1 }, { $0.minRate = .infinity }, { $0.threshold = -1 },
            { $0.eps = .nan }, { $0.patience = -1 }, { $0.cooldown = -1 }, { $0.bad = -1 }, { $0.cooling = -1 },
            { $0.semantics = .optax },
        ] as [(inout Plateau) -> Void] {
            var bad = torch
            change(&bad)
            let before = bad
            #expect(throws: MartletError.self) { try bad.step(1) }
            #expect("\(bad)" == "\(before)")
        }
        torch.bad = .max
        try torch.step(.infinity)
        #expect(torch.rate == 0.125)
    }
}
