// The overlap check against sets of bytes: random small arrays, strided, interleaved and contiguous, thrown into one
// block of memory. A conflict is never missed; where there is none, a step is refused only if no stride of the two
// arrays separates them as a period.

import MartletOptimizers
import MartletTestSupport
import Testing

/// An array by the bytes that it holds.
private struct Footprint {
    var role: Int
    var parameter: Int
    /// Bytes of each element's first, from the block's start, and the index of each element along each dimension.
    var elements: [Int]
    var indices: [[Int]]
    var sizes: [Int]
    var byteStrides: [Int]
    var elementSize: Int

    static let gradient = 1
    static let counter = 9

    init(role: Int, parameter: Int, offset: Int, sizes: [Int], strides: [Int], elementSize: Int) {
        (self.role, self.parameter, self.sizes, self.elementSize) = (role, parameter, sizes, elementSize)
        byteStrides = strides.map { $0 * elementSize }
        var found = [(offset, [Int]())]
        for (size, stride) in zip(sizes, byteStrides) {
            found = found.flatMap { place, index in (0..<size).map { (place + $0 * stride, index + [$0]) } }
        }
        elements = found.map(\.0)
        indices = found.map(\.1)
    }

    var isWritten: Bool { role != Footprint.gradient }
    var low: Int { elements.min() ?? 0 }
    var high: Int { (elements.max() ?? 0) + elementSize }
    var bytes: Set<Int> { Set(elements.flatMap { $0..<$0 + elementSize }) }
    var holdsElementsOnce: Bool { bytes.count == elements.count * elementSize }

    func shares(with other: Footprint) -> Bool {
        if low >= other.high || other.low >= high { return false }
        if role == Footprint.counter && other.role == Footprint.counter { return false }
        return (isWritten || other.isWritten) && !bytes.isDisjoint(with: other.bytes)
    }

    /// Bytes from the first to the last of those elements that stand at index 0 of every dimension repeating with a
    /// period.
    private func hull(_ period: Int) -> Int {
        let ones = zip(elements, indices).filter { _, index in
            sizes.indices.allSatisfy { index[$0] == 0 || byteStrides[$0] % period != 0 }
        }.map(\.0)
        return (ones.max() ?? 0) - (ones.min() ?? 0) + elementSize
    }

    /// Whether one of the strides, taken as a period, keeps both arrays in parts of it of their own.
    func isSeparated(from other: Footprint) -> Bool {
        if low >= other.high || other.low >= high { return true }
        for array in [self, other] {
            for (size, stride) in zip(array.sizes, array.byteStrides) where size > 1 && stride != 0 {
                let period = abs(stride)
                let gap = ((low - other.low) % period + period) % period
                if gap >= other.hull(period) && period - gap >= hull(period) { return true }
            }
        }
        return false
    }
}

/// Two parameters thrown into one block.
private struct Throw {
    static let types: [ElementType] = [.fp64, .fp32, .bf16]
    let owner = Parameter(count: 1)
    let arena: Memory
    var views: [ParameterView] = []
    var footprints: [Footprint] = []

    init(using generator: inout Generator) {
        arena = Memory(byteCount: [256, 512, 1024, 4096].randomElement(using: &generator) ?? 256)
        for offset in 0..<arena.byteCount {
            arena.base.storeBytes(
                of: UInt8.random(in: 0...255, using: &generator), toByteOffset: offset, as: UInt8.self)
        }
        let period = Int.random(in: 2...9, using: &generator)
        var counters: [Int] = []
        for parameter in 0..<2 {
            let rank = Int.random(in: 0...3, using: &generator)
            let sizes =
                rank == 0
                ? [Int.random(in: 1...8, using: &generator)]
                : (0..<rank).map { _ in .random(in: 1...4, using: &generator) }
            let arrays = (0..<4).map { role in
                array(role, parameter, sizes, isShaped: rank > 0, period: period, using: &generator)
            }
            var counter = Int.random(in: 0..<arena.byteCount / 8, using: &generator) * 8
            if parameter == 1 && Int.random(in: 0..<4, using: &generator) == 0 { counter = counters[0] }
            counters.append(counter)
            footprints.append(
                Footprint(
                    role: Footprint.counter, parameter: parameter, offset: counter, sizes: [], strides: [],
                    elementSize: 8))
            var view = ParameterView(
                value: arrays[0], gradient: arrays[1],
                step: (arena.base + counter).bindMemory(to: Int64.self, capacity: 1))
            (view.state[0], view.state[1], view.stateCount) = (arrays[2], arrays[3], 2)
            views.append(view)
        }
        for counter in counters { arena.base.storeBytes(of: 5, toByteOffset: counter, as: Int64.self) }
    }

    /// An array at a place of its own: contiguous, with gaps, or in one lane of a period that all share.
    private mutating func array(
        _ role: Int, _ parameter: Int, _ sizes: [Int], isShaped: Bool, period: Int, using generator: inout Generator
    ) -> ArrayView {
        let type = Throw.types[Int.random(in: 0..<3, using: &generator)]
        var strides = Array(repeating: 1, count: sizes.count)
        var reach = 1
        let style = isShaped ? Int.random(in: 0..<3, using: &generator) : 0
        let order = style == 0 ? Array(sizes.indices.reversed()) : sizes.indices.shuffled(using: &generator)
        for (depth, dimension) in order.enumerated() {
            var stride = reach
            if style == 1 { stride += Int.random(in: 0...4, using: &generator) }
            if style == 2 && depth > 0 { stride = (stride + period - 1) / period * period }
            if style == 2 && depth == 0 { stride = Bool.random(using: &generator) ? period : 1 }
            reach = stride * (sizes[dimension] - 1) + reach
            strides[dimension] = style > 0 && Bool.random(using: &generator) ? -stride : stride
        }
        if role == Footprint.gradient && isShaped && Int.random(in: 0..<4, using: &generator) == 0 { strides[0] = 0 }
        let empty = Footprint(
            role: role, parameter: parameter, offset: 0, sizes: sizes, strides: strides, elementSize: type.size)
        let (below, above) = (-empty.low / type.size, (empty.high + type.size - 1) / type.size)
        let room = arena.byteCount / type.size - below - above
        // What would not fit stands behind the block, where nothing else is; it is never read, as the step is refused.
        let place = room > 0 ? below + Int.random(in: 0...room, using: &generator) : below
        footprints.append(
            Footprint(
                role: role, parameter: parameter, offset: place * type.size, sizes: sizes, strides: strides,
                elementSize: type.size))
        let view = ArrayView(base: arena.base + place * type.size, count: sizes.reduce(1, *), type: type)
        return isShaped ? view.shaped(sizes, strides, in: owner) : view
    }

    var fits: Bool {
        footprints.allSatisfy { $0.low >= 0 && $0.high <= arena.byteCount && (!$0.isWritten || $0.holdsElementsOnce) }
    }
}

@Suite struct OverlapOracleTests {
    @Test(arguments: 1...4)
    func randomArrays(seed: Int) {
        var generator = Generator(seed: UInt64(seed))
        var (refusals, passes, falseAlarms, missed) = (0, 0, 0, 0)
        for _ in 0..<5000 {
            let thrown = Throw(using: &generator)
            guard thrown.fits else { continue }
            let before = thrown.arena.bytes
            let error = failure { () throws(MartletError) in
                try thrown.views.withUnsafeBufferPointer { views throws(MartletError) in
                    try [Configuration(.adam)].withUnsafeBufferPointer { configurations throws(MartletError) in
                        try MartletOptimizers.step(views, configurations)
                    }
                }
            }
            let after = thrown.arena.bytes
            extendLifetime(thrown.owner)
            let all = thrown.footprints
            var (sharing, inseparable) = (false, false)
            for first in all.indices {
                for second in all.indices where second > first {
                    sharing = sharing || all[first].shares(with: all[second])
                    let isCounters = all[first].role == Footprint.counter && all[second].role == Footprint.counter
                    if (all[first].isWritten || all[second].isWritten) && !isCounters {
                        inseparable = inseparable || !all[first].isSeparated(from: all[second])
                    }
                }
            }
            #expect(error == nil || error?.kind == .overlap, "\(error?.message ?? "")")
            // Refused exactly where no period separates, which covers every conflict.
            #expect((error != nil) == inseparable)
            #expect(inseparable || !sharing, "the oracle of periods missed a conflict")
            if error != nil {
                refusals += 1
                if !sharing { falseAlarms += 1 }
                if after != before { missed += 1 }
            } else {
                passes += 1
                if sharing { missed += 1 }
                let written = all.filter(\.isWritten).reduce(into: Set<Int>()) { $0.formUnion($1.bytes) }
                for byte in before.indices where !written.contains(byte) && before[byte] != after[byte] { missed += 1 }
                for counter in all where counter.role == Footprint.counter && after[counter.low] != 6 { missed += 1 }
            }
        }
        #expect(missed == 0, "conflicts missed, or bytes changed that should not")
        #expect(passes > 500 && refusals > 500, "\(passes) passes, \(refusals) refusals")
        #expect(falseAlarms * 20 < refusals, "\(falseAlarms) false alarms of \(refusals) refusals")
        print("overlap check, seed \(seed): \(passes) passed, \(refusals) refused, \(falseAlarms) of them in vain")
    }

    /// A written array that holds an element twice is always refused; one that does not, only where the dimensions are
    /// not nested.
    @Test func elementsTwice() {
        var generator = Generator(seed: 9)
        var (refusals, passes, falseAlarms) = (0, 0, 0)
        for _ in 0..<20_000 {
            let rank = Int.random(in: 1...4, using: &generator)
            let sizes = (0..<rank).map { _ in Int.random(in: 1...4, using: &generator) }
            let strides = (0..<rank).map { _ in Int.random(in: -20...20, using: &generator) }
            let footprint = Footprint(role: 0, parameter: 0, offset: 0, sizes: sizes, strides: strides, elementSize: 4)
            let (count, below) = (footprint.elements.count, -footprint.low)
            let parameter = Parameter(count: count)
            let memory = Memory(byteCount: footprint.high + below)
            parameter.view.value.base = memory.base + below
            parameter.view.value = parameter.view.value.shaped(sizes, strides, in: parameter)
            let error = failure { () throws(MartletError) in try step([parameter]) }
            extendLifetime(memory)
            let nested = zip(sizes, strides.map(abs)).filter { $0.0 > 1 }.sorted { $0.1 < $1.1 }
            var (reach, isNested) = (1, true)
            for (size, stride) in nested {
                isNested = isNested && stride >= reach
                reach += stride * (size - 1)
            }
            #expect((error == nil) == isNested, "\(sizes) \(strides)")
            #expect(error != nil || footprint.holdsElementsOnce, "\(sizes) \(strides)")
            if error == nil { passes += 1 } else { refusals += 1 }
            if error != nil && footprint.holdsElementsOnce { falseAlarms += 1 }
        }
        #expect(passes > 1000 && refusals > 1000)
        print("elements held twice: \(passes) passed, \(refusals) refused, \(falseAlarms) of them in vain")
    }
}
