// Layouts and the copies along them against a walk over all indices: which elements stand together is the same before
// and after simplifying, and a copy moves those and no others.

import MartletCompute
import MartletKernelInterface
import MartletTestSupport
import Testing

/// Sizes, and the strides of each array, as a caller might give them.
private struct Shape {
    var sizes: [Int]
    var strides: [[Int]]

    var count: Int { sizes.reduce(1, *) }

    /// For each element, in the order of the caller's dimensions, its place in each array.
    var places: [[Int]] {
        (0..<count).map { element in
            var rest = element
            var place = Array(repeating: 0, count: strides.count)
            for dimension in sizes.indices.reversed() {
                for array in strides.indices { place[array] += rest % sizes[dimension] * strides[array][dimension] }
                rest /= sizes[dimension]
            }
            return place
        }
    }

    /// A shape of up to five dimensions, whose arrays hold each element once: dimensions in any order, forwards and
    /// backwards, with and without gaps.
    static func random(arrays: Int, using generator: inout Generator) -> Shape {
        let rank = Int.random(in: 1...5, using: &generator)
        let sizes = (0..<rank).map { _ in Int.random(in: 1...5, using: &generator) }
        let isDense = Bool.random(using: &generator)
        let isForward = Bool.random(using: &generator)
        let order = (0..<rank).shuffled(using: &generator)
        let isAlike = Bool.random(using: &generator)
        let strides = (0..<arrays).map { _ in
            var own = Array(repeating: 0, count: rank)
            var reach = 1
            for dimension in isAlike ? order : order.shuffled(using: &generator) {
                let gap = isDense ? 0 : Int.random(in: 0...2, using: &generator)
                own[dimension] = (reach + gap) * (isForward || Bool.random(using: &generator) ? 1 : -1)
                reach = (reach + gap) * sizes[dimension]
            }
            return own
        }
        return Shape(sizes: sizes, strides: strides)
    }

    /// Calls `body` with this shape as a layout.
    func withLayout<Result>(_ body: (inout Layout) -> Result) -> Result {
        var numbers = Array(
            repeating: 0, count: Layout.numberCount(rank: sizes.count, arrayCount: strides.count))
        return numbers.withUnsafeMutableBufferPointer { numbers in
            var layout = Layout(numbers: numbers.baseAddress!, rank: sizes.count, arrayCount: strides.count)
            for dimension in sizes.indices {
                layout[size: dimension] = sizes[dimension]
                for array in strides.indices { layout[stride: dimension, array] = strides[array][dimension] }
            }
            return body(&layout)
        }
    }

    /// Elements that an array reaches below its first, and in all.
    func span(_ array: Int) -> (below: Int, count: Int) {
        let all = places.map { $0[array] }
        let low = all.min() ?? 0
        return (-low, (all.max() ?? 0) - low + 1)
    }
}

/// An array whose element at place p holds p, so that a copy tells where it read.
private struct Numbered {
    let memory: Memory
    let operand: Operand
    let below: Int

    init(_ shape: Shape, _ array: Int, _ type: ElementType) {
        let span = shape.span(array)
        below = span.below
        memory = Memory(byteCount: span.count * type.size)
        operand = Operand(base: memory.base + below * type.size, type: type)
        for place in 0..<span.count { Numbered.write(place - below, to: memory.base + place * type.size, type) }
    }

    static func write(_ number: Int, to address: UnsafeMutableRawPointer, _ type: ElementType) {
        switch type.size {
        case 8: address.storeBytes(of: Int64(number), as: Int64.self)
        case 4: address.storeBytes(of: Int32(number), as: Int32.self)
        default: address.storeBytes(of: Int16(number), as: Int16.self)
        }
    }

    static func read(_ address: UnsafeRawPointer, _ type: ElementType) -> Int {
        switch type.size {
        case 8: Int(address.load(as: Int64.self))
        case 4: Int(address.load(as: Int32.self))
        default: Int(address.load(as: Int16.self))
        }
    }
}

extension Layout {
    /// The places in an array, in the layout's order, as `gather` finds them.
    fileprivate func gathered(
        _ shape: Shape, _ array: Int, _ type: ElementType, _ range: Range<Int>
    ) -> [Int] {
        let source = Numbered(shape, array, type)
        let block = Memory(byteCount: (range.count + 1) * type.size)
        Numbered.write(-9, to: block.base + range.count * type.size, type)
        return withExtendedLifetime((source, block)) {
            copy(
                .gather, array: array, source.operand, first: range.lowerBound, count: range.count, block: block.base)
            #expect(Numbered.read(block.base + range.count * type.size, type) == -9, "written past the block")
            return range.map { Numbered.read(block.base + ($0 - range.lowerBound) * type.size, type) }
        }
    }
}

@Suite struct LayoutTests {
    private static let types: [ElementType] = [.fp64, .fp32, .bf16]

    @Test func simplifyingKeepsElementsTogether() {
        var generator = Generator(seed: 1)
        for round in 0..<4000 {
            let shape = Shape.random(arrays: 1 + round % 5, using: &generator)
            shape.withLayout { layout in
                layout.simplify()
                if layout.rank == 0 {
                    #expect(shape.count == 1)
                    return
                }
                let found = shape.strides.indices.map {
                    layout.gathered(shape, $0, Self.types[round % 3], 0..<shape.count)
                }
                let rows = (0..<shape.count).map { element in found.map { $0[element] } }
                let isSame =
                    rows.sorted { $0.lexicographicallyPrecedes($1) }
                    == shape.places.sorted { $0.lexicographicallyPrecedes($1) }
                #expect(isSame, "\(shape)")
            }
        }
    }

    /// A layout is contiguous exactly where every array holds the elements without a gap and in the same order.
    @Test func contiguity() {
        var generator = Generator(seed: 2)
        var contiguous = 0
        for round in 0..<6000 {
            let shape = Shape.random(arrays: 1 + round % 4, using: &generator)
            let places = shape.places.sorted { $0[0] < $1[0] }
            let expected = places.enumerated().allSatisfy { index, row in row.allSatisfy { $0 == index } }
            shape.withLayout { layout in
                layout.simplify()
                #expect(layout.isContiguous == expected, "\(shape)")
            }
            contiguous += expected ? 1 : 0
        }
        #expect(contiguous > 500 && contiguous < 5000)
    }

    @Test func transposedAlikeIsContiguous() {
        let shape = Shape(sizes: [4, 1, 3, 5], strides: [[1, 99, 20, 4], [1, -7, 20, 4]])
        shape.withLayout { layout in
            #expect(!layout.isContiguous)
            layout.simplify()
            #expect(layout.isContiguous)
            #expect(layout.rank == 1)
            #expect(layout[size: 0] == 60)
        }
    }

    /// Dimensions merge where all arrays allow it, and only there.
    @Test func mergesWhatItCan() {
        Shape(sizes: [2, 3, 4, 5], strides: [[60, 20, 5, 1], [120, 40, 10, 2], [600, 200, 50, 10]]).withLayout {
            layout in
            layout.simplify()
            #expect(layout.rank == 1)
            #expect(layout[stride: 0, 1] == 2)
        }
        Shape(sizes: [2, 3, 4, 5], strides: [[60, 20, 5, 1], [60, 20, 5, 1], [80, 20, 5, 1]]).withLayout { layout in
            layout.simplify()
            #expect(layout.rank == 2)
            #expect(layout[size: 1] == 60)
        }
    }

    @Test func setContiguous() {
        let shape = Shape(sizes: [3, 1, 4], strides: [[0, 0, 0]])
        shape.withLayout { layout in
            layout.setContiguous(array: 0)
            #expect((0..<3).map { layout[stride: $0, 0] } == [4, 4, 1])
            layout.simplify()
            #expect(layout.isContiguous)
        }
    }

    @Test func noElements() {
        for sizes in [[0], [3, 0, 2], [0, 0], [1, 0, 1]] {
            Shape(sizes: sizes, strides: [sizes.map { _ in 1 }, sizes.map { _ in -2 }]).withLayout { layout in
                layout.setContiguous(array: 0)
                layout.simplify()
                let block = Memory(byteCount: 8)
                layout.copy(
                    .gather, array: 0, Operand(base: block.base, type: .fp64), first: 0, count: 0, block: block.base)
                #expect(block.bytes == Array(repeating: 0, count: 8))
            }
        }
    }
}

@Suite struct StridedCopyTests {
    /// Gathering a part gives that part of the whole, for every type and wherever it starts.
    @Test func partsOfTheWhole() {
        var generator = Generator(seed: 3)
        for round in 0..<1500 {
            let shape = Shape.random(arrays: 2, using: &generator)
            let type = ElementType.allCases[round % 4]
            let low = Int.random(in: 0..<shape.count, using: &generator)
            let range = low..<Int.random(in: low...shape.count, using: &generator)
            shape.withLayout { layout in
                // In the caller's own order of dimensions, without simplifying.
                for array in 0..<2 {
                    #expect(layout.gathered(shape, array, type, range) == shape.places[range].map { $0[array] })
                }
            }
        }
    }

    /// Scattering writes the elements of the part and leaves every other byte as it is.
    @Test func scatter() {
        var generator = Generator(seed: 4)
        for round in 0..<1500 {
            let shape = Shape.random(arrays: 2, using: &generator)
            let type = ElementType.allCases[round % 4]
            let low = Int.random(in: 0..<shape.count, using: &generator)
            let range = low..<Int.random(in: low...shape.count, using: &generator)
            let target = Numbered(shape, 1, type)
            let block = Memory(byteCount: (range.count + 1) * type.size)
            for index in range { Numbered.write(1000 + index, to: block.base + (index - low) * type.size, type) }
            let span = shape.span(1).count
            var expected = (0..<span).map { $0 - target.below }
            let places = shape.places
            for index in range { expected[places[index][1] + target.below] = 1000 + index }
            withExtendedLifetime((target, block)) {
                shape.withLayout { layout in
                    layout.copy(.scatter, array: 1, target.operand, first: low, count: range.count, block: block.base)
                }
                let found = (0..<span).map { Numbered.read(target.memory.base + $0 * type.size, type) }
                let isSame = found == expected
                #expect(isSame, "\(shape), \(range)")
            }
        }
    }

    /// A stride of 0 repeats an element.
    @Test func repeatedElement() {
        let shape = Shape(sizes: [3, 4], strides: [[4, 1], [0, 1]])
        shape.withLayout { layout in
            layout.simplify()
            #expect(!layout.isContiguous)
            #expect(layout.gathered(shape, 1, .fp32, 0..<12) == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3])
        }
    }
}
