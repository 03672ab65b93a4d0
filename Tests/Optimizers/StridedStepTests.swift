// Parameters that are not contiguous: a strided step gives every element the bits that a contiguous one gives it, and
// writes nothing beside the elements.

import MartletOptimizers
import MartletTestSupport
import Testing

/// An array with strides of its own, over memory filled with noise.
private struct StridedArray {
    let memory: Memory
    let view: ArrayView
    /// Places, in elements from the view's base, in the order of the sizes.
    let places: [Int]
    private let below: Int

    init(
        _ type: ElementType, _ sizes: [Int], isRead: Bool, in owner: Parameter, using generator: inout Generator
    ) {
        var strides = Array(repeating: 0, count: sizes.count)
        var reach = 1
        let isDense = Bool.random(using: &generator)
        for dimension in sizes.indices.shuffled(using: &generator) {
            let stride = reach + (isDense ? 0 : Int.random(in: 0...3, using: &generator))
            strides[dimension] = Int.random(in: 0..<4, using: &generator) == 0 ? -stride : stride
            reach = stride * sizes[dimension]
        }
        if isRead && Int.random(in: 0..<4, using: &generator) == 0 { strides[0] = 0 }
        var places = [0]
        for (size, stride) in zip(sizes, strides) {
            places = places.flatMap { place in (0..<size).map { place + $0 * stride } }
        }
        self.places = places
        below = -(places.min() ?? 0)
        let count = (places.max() ?? 0) + below + 1
        memory = Memory(byteCount: count * type.size)
        for offset in 0..<memory.byteCount {
            memory.base.storeBytes(
                of: UInt8.random(in: 0...255, using: &generator), toByteOffset: offset, as: UInt8.self)
        }
        view = ArrayView(base: memory.base + below * type.size, count: places.count, type: type)
            .shaped(sizes, strides, in: owner)
    }

    /// The bytes that belong to no element.
    var others: [UInt8] {
        let size = view.type.size
        let own = Set(places.flatMap { ($0 + below) * size..<($0 + below + 1) * size })
        return memory.bytes.enumerated().filter { !own.contains($0.offset) }.map(\.element)
    }
}

@Suite struct StridedStepTests {
    /// One parameter, strided, beside its contiguous twin, for three steps.
    private func compare(
        _ sizes: [Int], _ types: [ElementType], shaped: [Bool], _ configuration: Configuration, seed: UInt64
    ) throws {
        var generator = Generator(seed: seed)
        let count = sizes.reduce(1, *)
        let plain = Parameter(count: count, types[0], gradient: types[1], moments: Array(types[2...]))
        let strided = Parameter(count: count, types[0], gradient: types[1], moments: Array(types[2...]))
        defer { extendLifetime((plain, strided)) }
        let plainViews = [plain.view.value, plain.view.gradient] + (2..<types.count).map { plain.view.state[$0 - 2] }
        var arrays: [StridedArray?] = []
        for index in types.indices {
            var array: StridedArray?
            if shaped[index] {
                array = StridedArray(types[index], sizes, isRead: index == 1, in: strided, using: &generator)
                switch index {
                case 0: strided.view.value = array!.view
                case 1: strided.view.gradient = array!.view
                default: strided.view.state[index - 2] = array!.view
                }
            }
            arrays.append(array)
        }
        // The same numbers in both; where a gradient repeats an element, the last one written counts for all.
        let views = [strided.view.value, strided.view.gradient] + (2..<types.count).map { strided.view.state[$0 - 2] }
        for (index, array) in arrays.enumerated() {
            let places = array?.places ?? Array(0..<count)
            for element in 0..<count {
                let number = Double.random(in: -1...1, using: &generator)
                views[index].set(places[element], index > 2 ? number * number : number)
            }
            for element in 0..<count { plainViews[index].set(element, views[index].get(places[element])) }
        }
        let others = arrays.map { $0?.others }
        let gradient = arrays[1]?.memory.bytes
        for _ in 0..<3 {
            try step([plain], [configuration])
            try step([strided], [configuration])
        }
        for (index, array) in arrays.enumerated() {
            let places = array?.places ?? Array(0..<count)
            let isSame = (0..<count).allSatisfy { plainViews[index].get($0) == views[index].get(places[$0]) }
            #expect(isSame, "array \(index), \(sizes), \(types)")
        }
        let (areOthersSame, isGradientSame) = (arrays.map { $0?.others } == others, arrays[1]?.memory.bytes == gradient)
        #expect(areOthersSame, "bytes beside the elements were written")
        #expect(isGradientSame, "the gradient was written")
    }

    private static let configurations = [
        Configuration(.adam), Configuration(.adam) { ($0.flags, $0.weightDecay) = (.amsgrad, 0.1) },
        Configuration(.adamW),
    ]

    @Test(arguments: 0..<3)
    func smallShapes(which: Int) throws {
        var generator = Generator(seed: UInt64(which))
        let configuration = Self.configurations[which]
        for round in 0..<400 {
            let rank = Int.random(in: 1...5, using: &generator)
            let sizes = (0..<rank).map { _ in Int.random(in: 1...4, using: &generator) }
            let arrayCount = 2 + configuration.slots.count
            let isMixed = Bool.random(using: &generator)
            let types = (0..<arrayCount).map { _ in
                isMixed ? ElementType.allCases[Int.random(in: 0..<4, using: &generator)] : .fp32
            }
            let shaped = (0..<arrayCount).map { _ in Int.random(in: 0..<4, using: &generator) > 0 }
            try compare(sizes, types, shaped: shaped, configuration, seed: UInt64(round))
        }
    }

    /// Beyond the blocks that are gathered at a time, and beyond one thread's piece.
    @Test(arguments: [[511], [512], [513], [1025], [3, 700], [70, 1, 71], [4, 5, 6, 7, 8]])
    func largerShapes(sizes: [Int]) throws {
        for (index, configuration) in Self.configurations.enumerated() {
            let arrayCount = 2 + configuration.slots.count
            for types in [Array(repeating: ElementType.fp32, count: arrayCount), [.bf16, .fp32, .fp32, .fp64, .fp16]] {
                try compare(
                    sizes, Array(types[..<arrayCount]), shaped: Array(repeating: true, count: arrayCount),
                    configuration,
                    seed: UInt64(index))
            }
        }
    }

    /// A parameter of as many dimensions as there may be.
    @Test func mostDimensions() throws {
        let sizes = (0..<64).map { $0 % 8 == 3 ? 2 : 1 }
        try compare(
            sizes, [.fp32, .fp32, .fp32, .fp32], shaped: [true, true, true, true], Configuration(.adam), seed: 3)
    }

    /// Parameters side by side, each with dimensions of its own, share the plan's memory.
    @Test func manyShapesInOneStep() throws {
        var generator = Generator(seed: 8)
        let shapes = (0..<50).map { _ in
            (0..<Int.random(in: 0...4, using: &generator)).map { _ in Int.random(in: 1...5, using: &generator) }
        }
        func make(_ index: Int) -> Parameter { Parameter(count: shapes[index].reduce(1, *), seed: UInt64(index)) }
        let (plain, strided) = (shapes.indices.map(make), shapes.indices.map(make))
        for (index, sizes) in shapes.enumerated() where !sizes.isEmpty {
            // All arrays with the same strides, last dimension outermost: the elements stand where they stood.
            var stride = 1
            let strides = sizes.map { size in
                defer { stride *= size }
                return stride
            }
            strided[index].view.value = strided[index].view.value.shaped(sizes, strides, in: strided[index])
            strided[index].view.gradient = strided[index].view.gradient.shaped(sizes, strides, in: strided[index])
            for slot in 0..<2 {
                strided[index].view.state[slot] = strided[index].view.state[slot].shaped(
                    sizes, strides, in: strided[index])
            }
        }
        try step(plain)
        try step(strided)
        for index in shapes.indices {
            let isSame = plain[index].bytes == strided[index].bytes
            #expect(isSame, "\(shapes[index])")
        }
    }
}
