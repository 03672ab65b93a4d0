// Parameters of 16 bits that take steps smaller than their last place. The oracle is the same parameter in fp32: every
// algorithm's step of a value that is rounded at random gives one of the two numbers beside what fp32 would be.

import MartletOptimizers
import MartletTestSupport
import Testing

@Suite struct LowPrecisionTests {
    /// One algorithm, and what changes how its parameters are walked.
    struct Case: Sendable, CustomTestStringConvertible {
        let algorithm: Algorithm
        var flags: Flags = []
        var momentum: Double?
        var lookahead = 0.0

        func configuration(_ more: Flags = []) -> Configuration {
            Configuration(algorithm) {
                $0.lr = 1e-3
                $0.flags.formUnion(flags.union(more))
                if let momentum { $0.momentum = momentum }
                $0[.lookaheadSteps] = lookahead
                if flags.contains(.hyperball) { $0.weightDecay = 0 }
                // Its default depends on the value's type.
                if algorithm == .adafactor { $0.eps = 1e-8 }
            }
        }
        var testDescription: String { "\(algorithm.name) \(flags.rawValue) \(lookahead)" }
    }

    static let cases =
        Algorithm.allCases.map { Case(algorithm: $0) } + [
            Case(algorithm: .adamW, flags: .cautiousUpdate), Case(algorithm: .adam, flags: .amsgrad),
            Case(algorithm: .sgd, momentum: 0.9), Case(algorithm: .adamW, flags: .hyperball),
            Case(algorithm: .mars, flags: .cautiousUpdate),
        ]

    private static func bits(_ view: ArrayView, _ place: Int) -> Int {
        let bits = Int(view.base!.load(fromByteOffset: place * 2, as: UInt16.self))
        return bits & 0x8000 == 0 ? bits : 0x8000 - bits
    }

    /// Whether a number of 16 bits is one of the two beside another number.
    private static func stands(_ stored: ArrayView, _ place: Int, beside number: Double) -> Bool {
        let memory = Memory(byteCount: 2)
        defer { extendLifetime(memory) }
        let view = ArrayView(base: memory.base, count: 1, type: stored.type)
        view.set(0, number)
        let last = stored.type == .bf16 ? 0x1p-7 : 0x1p-10
        let least = stored.type == .bf16 ? 0x1p-133 : 0x1p-24
        return abs(bits(stored, place) - bits(view, 0)) <= 1
            && abs(stored.get(place) - number) < max(abs(number) * last, least)
    }

    /// A parameter of fp32, and the same one stored otherwise, with numbers that both can hold; all else is fp32 in both.
    private static func pair(
        _ plain: Configuration, _ other: Configuration, _ type: ElementType, _ sizes: [Int], seed: UInt64
    ) -> (wide: Parameter, coded: Parameter) {
        let wide = Parameter(for: plain, sizes: sizes, seed: seed)
        let coded = Parameter(for: other, sizes: sizes, seed: seed)
        coded.view.value = coded.stored(coded.view.value, as: type)
        for (place, slot) in other.slots.enumerated() where isBeside(slot) {
            coded.view.state[place] = coded.stored(coded.view.state[place], as: type)
        }
        for place in 0..<coded.count {
            wide.view.value.set(place, coded.view.value.get(place))
            coded.view.gradient.set(place, wide.view.gradient.get(place))
        }
        return (wide, coded)
    }

    private static func isBeside(_ slot: Slot) -> Bool { ["remainder", "kahan_comp"].contains("\(slot.name)") }

    /// fp32 in two halves is fp32, to the bit, whatever is done with it.
    @Test(arguments: cases + [Case(algorithm: .adamW, lookahead: 2), Case(algorithm: .lamb, lookahead: 2)])
    func splitValuesAreFP32(_ which: Case) throws {
        for (seed, sizes) in [[40, 70], [3, 5, 7], [1, 1500]].enumerated() {
            let (plain, split) = (which.configuration(), which.configuration(.split))
            let (wide, coded) = Self.pair(plain, split, .bf16, sizes, seed: UInt64(seed))
            defer { extendLifetime((wide, coded)) }
            let place = split.slots.firstIndex(where: Self.isBeside)!
            for number in 0..<5 {
                wide.randomizeGradient(seed: UInt64(number))
                coded.randomizeGradient(seed: UInt64(number))
                try step([wide], [plain])
                try step([coded], [split])
                let upper = coded.view.value.base!.assumingMemoryBound(to: UInt16.self)
                let lower = coded.view.state[place].base!.assumingMemoryBound(to: Int16.self)
                let strays = (0..<coded.count).count {
                    let joined = UInt32(upper[$0]) << 16 &+ UInt32(bitPattern: Int32(lower[$0]))
                    return Double(Float(bitPattern: joined)) != wide.view.value.get($0)
                }
                #expect(strays == 0, "\(sizes), step \(number + 1)")
            }
        }
    }

    /// Kahan's sum in fp32, one number at a time.
    @Test(arguments: [ElementType.bf16, .fp16])
    func kahanSums(type: ElementType) throws {
        let plain = Configuration(.sgd) { $0.lr = 1e-4 }
        let kahan = Configuration(.sgd) { ($0.flags, $0.lr) = (.kahan, 1e-4) }
        let (wide, coded) = Self.pair(plain, kahan, type, [1, 301], seed: 5)
        defer { extendLifetime((wide, coded)) }
        func rounded(_ number: Float) -> Float {
            if type == .fp16 { return Float(Float16(number)) }
            return Float(bitPattern: (number.bitPattern + 0x7fff + number.bitPattern >> 16 & 1) & 0xffff_0000)
        }
        var values = (0..<301).map { Float(coded.view.value.get($0)) }
        var lost = [Float](repeating: 0, count: 301)
        var exact = values.map { Double($0) }
        for number in 0..<200 {
            coded.randomizeGradient(seed: UInt64(number))
            for place in 0..<301 {
                let gradient = coded.view.gradient.get(place) + 1
                coded.view.gradient.set(place, gradient)
                let change = Float(1e-4) * Float(gradient)
                exact[place] -= Double(change)
                let sum = ((values[place] - change) - values[place]) + lost[place]
                let new = rounded(values[place] + sum)
                lost[place] = rounded(sum - (new - values[place]))
                values[place] = new
            }
            try step([coded], [kahan])
        }
        let areSame = (0..<301).allSatisfy {
            Float(coded.view.value.get($0)) == values[$0] && Float(coded.view.state[0].get($0)) == lost[$0]
        }
        #expect(areSame)
        // Half of the last place of numbers over 1, and what fp32 has rounded.
        let half = type == .bf16 ? 0x1p-9 : 0x1p-12
        #expect(zip(values, exact).allSatisfy { abs(Double($0) - $1) <= 2.2 * half })
    }

    /// Half of fp32 is no fp16, and what stands beside a value is of its type.
    @Test func refused() throws {
        let split = Configuration(.adam) { $0.flags = .split }
        refuse(
            .type, ["parameters[0].value.dtype is fp16", "expected bf16"], Parameter(for: split, count: 9, .fp16), split
        )
        let kahan = Configuration(.adam) { $0.flags = .kahan }
        let mixed = Parameter(for: kahan, count: 9, .bf16)
        mixed.view.state[2] = mixed.stored(mixed.view.state[2], as: .fp32)
        refuse(.type, ["parameters[0].state[2].dtype is fp32", "expected bf16", "kahan_comp"], mixed, kahan)
    }

    private func refuse(
        _ kind: MartletError.Kind, _ words: [String], _ parameter: Parameter, _ configuration: Configuration
    ) {
        let before = parameter.bytes
        do {
            try step([parameter], [configuration])
            Issue.record("expected an error that says \(words)")
        } catch {
            let isSo = error.kind == kind && words.allSatisfy { error.message.contains($0) }
            #expect(isSo, "\(error.message)")
        }
        #expect(parameter.bytes == before)
    }

    /// Large matrices, small ones, vectors, and lengths that end among sixteen.
    @Test(arguments: cases)
    func everyAlgorithmRoundsToOneOfTwo(_ which: Case) throws {
        for type in [ElementType.bf16, .fp16] {
            for (seed, sizes) in [[40, 70], [3, 5, 7], [1, 1500]].enumerated() {
                let plain = which.configuration()
                let rounding = which.configuration(.stochasticRounding)
                let (wide, coded) = Self.pair(plain, rounding, type, sizes, seed: UInt64(seed))
                defer { extendLifetime((wide, coded)) }
                let value = coded.view.value
                try step([wide], [plain])
                try step([coded], [rounding])
                var strays = 0
                for place in 0..<coded.count
                where !Self.stands(value, place, beside: wide.view.value.get(place)) { strays += 1 }
                #expect(strays == 0, "\(type) \(sizes)")
            }
        }
    }

    private static func parameter(_ count: Int, _ configuration: Configuration, _ type: ElementType = .bf16)
        -> Parameter
    {
        Parameter(for: configuration, count: count, type, seed: 3)
    }

    private static var rounding: Configuration {
        Configuration(.adamW) { ($0.flags, $0.lr, $0.seed) = (.stochasticRounding, 1e-4, 7) }
    }

    /// The values of a parameter after some steps.
    private static func values(_ parameter: Parameter, _ configuration: Configuration, steps: Int = 3) throws
        -> [Double]
    {
        for number in 0..<steps {
            parameter.randomizeGradient(seed: UInt64(number))
            try step([parameter], [configuration])
        }
        return (0..<parameter.count).map { parameter.view.value.get($0) }
    }

    @Test func drawsDependOnSeedStepAndKey() throws {
        let first = try Self.values(Self.parameter(1000, Self.rounding), Self.rounding)
        #expect(try Self.values(Self.parameter(1000, Self.rounding), Self.rounding) == first)
        var other = Self.rounding
        other.seed = 8
        #expect(try Self.values(Self.parameter(1000, other), other) != first)
        let keyed = Self.parameter(1000, Self.rounding)
        keyed.view.key = 1
        #expect(try Self.values(keyed, Self.rounding) != first)
    }

    /// A part that begins anywhere is rounded as the whole is there.
    @Test(arguments: [0, 1, 63, 64, 200, 256, 700])
    func shards(first: Int) throws {
        let whole = Self.parameter(1000, Self.rounding)
        let part = Self.parameter(1000 - first, Self.rounding)
        part.view.offset = UInt64(first)
        for place in 0..<part.count {
            part.view.value.set(place, whole.view.value.get(first + place))
        }
        for number in 0..<3 {
            whole.randomizeGradient(seed: UInt64(number))
            for place in 0..<part.count { part.view.gradient.set(place, whole.view.gradient.get(first + place)) }
            try step([whole], [Self.rounding])
            try step([part], [Self.rounding])
        }
        let isSame = (0..<part.count).allSatisfy { part.view.value.get($0) == whole.view.value.get(first + $0) }
        #expect(isSame)
    }

    /// An element has its draws wherever it lies.
    @Test func layouts() throws {
        let sizes = [37, 29]
        let plain = Self.parameter(37 * 29, Self.rounding)
        plain.takeShape(sizes)
        let turned = Self.parameter(37 * 29, Self.rounding)
        for array in [\ParameterView.value, \ParameterView.gradient] {
            turned.view[keyPath: array] = turned.view[keyPath: array].shaped(sizes, [1, 37], in: turned)
        }
        turned.view.state[0] = turned.view.state[0].shaped(sizes, [1, 37], in: turned)
        turned.view.state[1] = turned.view.state[1].shaped(sizes, [1, 37], in: turned)
        defer { extendLifetime((plain, turned)) }
        let places = (0..<37 * 29).map { $0 / 29 + $0 % 29 * 37 }
        for place in places.indices { turned.view.value.set(places[place], plain.view.value.get(place)) }
        for number in 0..<3 {
            plain.randomizeGradient(seed: UInt64(number))
            for place in places.indices { turned.view.gradient.set(places[place], plain.view.gradient.get(place)) }
            try step([plain], [Self.rounding])
            try step([turned], [Self.rounding])
        }
        let isSame = places.indices.allSatisfy { plain.view.value.get($0) == turned.view.value.get(places[$0]) }
        #expect(isSame)
    }

    /// Steps of a hundredth of the last place: on the mean a parameter goes as far as it should, where rounding to nearest
    /// leaves it where it is.
    @Test(arguments: [ElementType.bf16, .fp16])
    func smallStepsAddUp(type: ElementType) throws {
        let last = type == .bf16 ? 0x1p-8 : 0x1p-11
        func mean(_ flags: Flags) throws -> Double {
            let configuration = Configuration(.sgd) { ($0.flags, $0.lr) = (flags, last / 100) }
            let parameter = Self.parameter(20_000, configuration, type)
            for place in 0..<parameter.count {
                parameter.view.value.set(place, 0.75)
                parameter.view.gradient.set(place, 1)
            }
            for _ in 0..<20 { try step([parameter], [configuration]) }
            return (0..<parameter.count).reduce(0) { $0 + parameter.view.value.get($1) } / Double(parameter.count)
        }
        #expect(try mean([]) == 0.75)
        // The deviation of a mean of 20,000 sums of 20 draws, each of a chance of 1 in 100.
        let deviation = last * (20 * 0.0099 / 20_000).squareRoot()
        #expect(abs(try mean(.stochasticRounding) - (0.75 - last / 5)) < 4 * deviation)
    }

    /// What has no small steps to take stays, and so does what is no number.
    @Test(arguments: [ElementType.bf16, .fp16])
    func exactNumbersStay(type: ElementType) throws {
        let configuration = Configuration(.sgd) { ($0.flags, $0.lr) = (.stochasticRounding, 0) }
        let parameter = Self.parameter(65_536, configuration, type)
        let base = parameter.view.value.base!
        for place in 0..<65_536 {
            base.storeBytes(of: UInt16(place), toByteOffset: place * 2, as: UInt16.self)
            parameter.view.gradient.set(place, 0)
        }
        for _ in 0..<3 { try step([parameter], [configuration]) }
        for place in 0..<65_536 {
            let found = parameter.view.value.get(place)
            let bits = base.load(fromByteOffset: place * 2, as: UInt16.self)
            let exponent = type == .bf16 ? 0x7f80 : 0x7c00
            if place & 0x7fff > exponent {
                #expect(found.isNaN)
            } else {
                // Flushed numbers are zeros of fp32: bf16 has its denormals.
                let isFlushed = type == .bf16 && place & 0x7f80 == 0
                #expect(Int(bits) == place || isFlushed && bits & 0x7fff == 0, "\(place)")
            }
        }
        extendLifetime(parameter)
    }
}
