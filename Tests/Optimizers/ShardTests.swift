// Steps of parts of parameters, whose sums the caller adds up: two parts step as the whole does, a reduction is asked for
// what it is said to be, and what it may not do is an error. Which numbers an algorithm sums is its own tests' business.

import Glibc
import MartletOptimizers
import MartletPlatform
import MartletTestSupport
import Synchronization
import Testing

@Suite struct ShardTests {
    /// One algorithm that sums, and how often it asks in a step: between each two of its passes.
    struct Case: Sendable, CustomTestStringConvertible {
        let algorithm: Algorithm
        var flags: Flags = []
        let calls: Int

        var configuration: Configuration {
            Configuration(algorithm) {
                ($0.lr, $0.weightDecay) = (0.01, 0.1)
                $0.flags.formUnion(flags)
            }
        }
        var testDescription: String { "\(algorithm.name) \(flags.rawValue)" }
    }

    static let cases = [
        Case(algorithm: .lamb, calls: 1), Case(algorithm: .lars, calls: 1), Case(algorithm: .stableAdamW, calls: 1),
        Case(algorithm: .prodigy, calls: 1), Case(algorithm: .mars, calls: 1),
        Case(algorithm: .adamW, flags: .cautiousUpdate, calls: 1),
        Case(algorithm: .mars, flags: .cautiousUpdate, calls: 2),
    ]

    private static let counts = [20_000, 37, 5]
    private static let steps = 4

    private static func whole(_ configuration: Configuration, _ type: ElementType) -> [Parameter] {
        counts.indices.map { Parameter(for: configuration, count: counts[$0], type, seed: UInt64($0)) }
    }

    /// A range of each parameter's elements, in memory of their own.
    private static func part(
        _ whole: [Parameter], _ configuration: Configuration, _ type: ElementType, _ ranges: [Range<Int>]
    ) -> [Parameter] {
        zip(whole, ranges).map { whole, range in
            let part = Parameter(for: configuration, count: range.count, type)
            for index in range { part.view.value.set(index - range.lowerBound, whole.view.value.get(index)) }
            return part
        }
    }

    /// The gradients of a step, of all elements or of a part.
    private static func setGradients(_ parameters: [Parameter], _ step: Int, _ ranges: [Range<Int>]? = nil) {
        for (place, parameter) in parameters.enumerated() {
            var generator = Generator(seed: UInt64(100 * step + place + 7))
            let range = ranges?[place] ?? 0..<counts[place]
            for index in 0..<counts[place] {
                let number = Double.random(in: -1...1, using: &generator)
                if range.contains(index) { parameter.view.gradient.set(index - range.lowerBound, number) }
            }
        }
    }

    /// Sums are added in another order, so that the parts differ from the whole by roundings of them in fp64, and in fp32
    /// where these decide how a coefficient is rounded.
    @Test(arguments: cases, [ElementType.fp64, .fp32])
    func partsStepAsTheWholeDoes(own: Case, type: ElementType) throws {
        let configuration = own.configuration
        for cuts in [[1, 37, 0], [11_003, 18, 5]] {
            let whole = Self.whole(configuration, type)
            let ranges = [cuts.map { 0..<$0 }, zip(cuts, Self.counts).map { $0..<$1 }]
            let parts = ranges.map { Self.part(whole, configuration, type, $0) }
            for t in 0..<Self.steps {
                Self.setGradients(whole, t)
                try step(whole, [configuration])
            }
            let meeting = Meeting()
            let run = { @Sendable [parts = Lent(parts)] (rank: Int) in
                var place = 0
                for t in 0..<Self.steps {
                    Self.setGradients(parts.value[rank], t, ranges[rank])
                    meeting.hold(rank) { () throws(MartletError) in
                        try step(parts.value[rank], [configuration]) { meeting.add(rank, &place, $0) }
                    }
                }
            }
            let other = TestThread { run(1) }
            run(0)
            other.join()
            #expect(meeting.error == nil, "\(meeting.error?.message ?? "")")
            for (place, parameter) in whole.enumerated() {
                let found = parts.flatMap { $0[place].values }
                let error = zip(found, parameter.values).reduce(0) { max($0, abs($1.0 - $1.1)) }
                #expect(found.count == parameter.count && error <= (type == .fp64 ? 1e-12 : 1e-6), "\(cuts): \(error)")
                #expect(parts.allSatisfy { $0[place].counter == Self.steps })
            }
            #expect(whole[0].values != Self.whole(configuration, type)[0].values)
        }
    }

    /// Three numbers for each parameter, of which the third is how many elements the part has. One that changes nothing
    /// makes no difference to the bits.
    @Test(arguments: cases) func whatIsAskedFor(own: Case) throws {
        let configuration = own.configuration
        let (whole, alone) = (Self.whole(configuration, .fp32), Self.whole(configuration, .fp32))
        for t in 0..<Self.steps {
            for parameters in [whole, alone] { Self.setGradients(parameters, t) }
            try step(whole, [configuration])
            var calls = 0
            try step(alone, [configuration]) { sums in
                calls += 1
                let elements = stride(from: 2, to: sums.count, by: 3).map { sums[$0] }
                #expect(sums.count == 3 * Self.counts.count && elements == Self.counts.map(Double.init))
                #expect(sums.allSatisfy(\.isFinite) && (sums[0] != 0 || sums[1] != 0))
                return true
            }
            #expect(calls == own.calls)
        }
        #expect(whole.map(\.bytes) == alone.map(\.bytes))
    }

    /// Where nothing sums, nothing is asked for.
    @Test func algorithmsThatDoNotSum() throws {
        let (one, other) = (Parameter(), Parameter())
        try step([one])
        try step([other]) { _ in
            Issue.record("a reduction was called")
            return false
        }
        #expect(one.bytes == other.bytes)
    }

    /// What needs no sums is as it was, and no step is counted.
    @Test(arguments: cases) func aReductionThatFails(own: Case) throws {
        let configurations = [own.configuration, Configuration(.adamW)]
        let (summed, plain) = (Parameter(for: configurations[0], count: 3000), Parameter(for: configurations[1]))
        plain.view.group = 1
        let before = plain.bytes
        for call in 1...own.calls {
            var calls = 0
            let error = failure { () throws(MartletError) in
                try step([plain, summed], configurations) { _ in
                    calls += 1
                    return calls < call
                }
            }
            #expect(error?.kind == .stopped && error?.message.contains("reduce did not return 0") == true)
            #expect(calls == call && plain.bytes == before && summed.counter == 0)
        }
        try step([plain, summed], configurations) { _ in true }
        #expect(plain.counter == 1 && summed.counter == 1 && plain.bytes != before)
    }

    /// The thread's memory is lent to the step that asks.
    @Test func aStepInsideAReduction() throws {
        let configuration = Configuration(.lamb)
        let (outer, inner) = (Parameter(for: configuration), Parameter(for: configuration))
        let before = inner.bytes
        var inside: [MartletError?] = []
        try step([outer], [configuration]) { _ in
            inside.append(failure { () throws(MartletError) in try step([inner], [configuration]) })
            inside.append(failure { () throws(MartletError) in try step([inner], [configuration]) { _ in true } })
            return true
        }
        #expect(inside.map { $0?.kind } == [.busy, .busy] && inner.bytes == before && outer.counter == 1)
        try step([inner], [configuration])
        #expect(inner.counter == 1)
    }

    /// And on another thread there is memory to step in.
    @Test func aStepOfAnotherThreadBesideAReduction() throws {
        let configuration = Configuration(.lamb)
        let parameters = Lent([Parameter(for: configuration), Parameter(for: configuration)])
        let beside = Meeting()
        try step([parameters.value[0]], [configuration]) { _ in
            TestThread {
                beside.hold(1) { () throws(MartletError) in try step([parameters.value[1]], [configuration]) }
            }.join()
            return true
        }
        #expect(beside.error == nil && parameters.value.map(\.counter) == [1, 1])
        #expect(parameters.value[0].bytes == parameters.value[1].bytes)
    }

    @Test(arguments: [Algorithm.muon, .soap, .shampoo, .adafactor]) func matricesHaveNoParts(algorithm: Algorithm) {
        let configuration = Configuration(algorithm)
        let matrix = Parameter(for: configuration, sizes: [4, 6])
        let before = matrix.bytes
        expectFailure(.argument, ["\(algorithm.name)"]) { () throws(MartletError) in
            try step([matrix], [configuration]) { _ in
                Issue.record("a reduction was called")
                return true
            }
        }
        #expect(matrix.bytes == before)
    }
}

/// What a closure for another thread may hold, since its elements go to one thread each.
private struct Lent<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}

/// Two threads that add their numbers up. One that fails lets the other go.
private final class Meeting: @unchecked Sendable {
    private let given = UnsafeMutablePointer<[Double]>.allocate(capacity: 2)
    private let errors = UnsafeMutablePointer<MartletError?>.allocate(capacity: 2)
    private let arrivals = Atomic(0)
    private let hasFailed = Atomic(false)

    init() {
        given.initialize(repeating: [], count: 2)
        errors.initialize(repeating: nil, count: 2)
    }

    deinit {
        given.deinitialize(count: 2).deallocate()
        errors.deinitialize(count: 2).deallocate()
    }

    var error: MartletError? { errors[0] ?? errors[1] }

    /// Does a rank's work, and keeps its error.
    func hold<Result>(_ rank: Int, _ body: () throws(MartletError) -> Result) {
        guard let error = failure(body) else { return }
        if errors[rank] == nil { errors[rank] = error }
        hasFailed.store(true, ordering: .releasing)
    }

    /// A rank's numbers, which become the sums of both. `place`: the rank's own count of meetings.
    func add(_ rank: Int, _ place: inout Int, _ sums: UnsafeMutableBufferPointer<Double>) -> Bool {
        given[rank] = Array(sums)
        guard meet(&place), given[0].count == given[1].count else { return false }
        for index in sums.indices { sums[index] = given[0][index] + given[1][index] }
        return meet(&place)
    }

    private func meet(_ place: inout Int) -> Bool {
        place += 1
        arrivals.add(1, ordering: .acquiringAndReleasing)
        while arrivals.load(ordering: .acquiring) < 2 * place {
            if hasFailed.load(ordering: .acquiring) { return false }
            sched_yield()
        }
        return true
    }
}
