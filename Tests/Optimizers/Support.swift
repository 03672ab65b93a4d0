// What the tests of this room share: parameters with memory of their own, and steps over them that end in a report or in
// the error. No formulas: those stand in Reference.swift.

import MartletOptimizers
import MartletTestSupport
import Testing

/// A contiguous parameter with its gradient, its moments and its counter, all in one block of memory with room between
/// them. Tests change `view` to what they are about.
final class Parameter {
    let memory: Memory
    let count: Int
    var view: ParameterView
    private var kept: [Memory] = []

    init(
        count: Int = 12, _ type: ElementType = .fp32, gradient: ElementType? = nil, moments: [ElementType]? = nil,
        slots: Int = 2, scalars: [ElementType] = [], seed: UInt64 = 1
    ) {
        let types = [type, gradient ?? type] + (moments ?? Array(repeating: type, count: slots)) + scalars
        let firstScalar = types.count - scalars.count
        let pitch = (count * 8 + 127) / 64 * 64
        memory = Memory(byteCount: 64 + types.count * pitch)
        self.count = count
        let base = memory.base
        func array(_ index: Int) -> ArrayView {
            ArrayView(
                base: base + 64 + index * pitch, count: index < firstScalar ? count : 1, type: types[index])
        }
        view = ParameterView(
            value: array(0), gradient: array(1), step: base.bindMemory(to: Int64.self, capacity: 1))
        view.stateCount = types.count - 2
        for slot in 0..<view.stateCount { view.state[slot] = array(2 + slot) }
        var generator = Generator(seed: seed)
        for index in 0..<count { view.value.set(index, Double.random(in: -1...1, using: &generator)) }
        randomizeGradient(seed: seed &+ 1000)
    }

    /// With the state that a configuration keeps of a vector.
    convenience init(for configuration: Configuration, count: Int = 12, _ type: ElementType = .fp32, seed: UInt64 = 1) {
        let slots = configuration.slots
        self.init(
            count: count, type, slots: slots.count { $0.kind == .elements || $0.kind == .vector },
            scalars: Array(repeating: .fp64, count: slots.scalarCount), seed: seed)
        if configuration.algorithm.takesMatricesAlone {
            takeShape([count, 1])
            arrange(slots, shape([count, 1]))
        } else {
            arrange(slots, ParameterShape(count: count))
        }
    }

    /// A matrix, or several, with all the state that a configuration keeps of it.
    convenience init(
        for configuration: Configuration, sizes: [Int], _ type: ElementType = .fp32, seed: UInt64 = 1
    ) {
        self.init(
            count: sizes.reduce(1, *), type, slots: configuration.slots.count { $0.kind == .elements },
            scalars: Array(repeating: .fp64, count: configuration.slots.scalarCount), seed: seed)
        takeShape(sizes)
        arrange(configuration.slots, shape(sizes))
        for slot in 0..<view.stateCount {
            for index in 0..<view.state[slot].count { view.state[slot].set(index, 0) }
        }
    }

    /// Puts the arrays in the order of the slots. Those that are not as large as the parameter get memory of their own.
    private func arrange(_ slots: Slots, _ shape: ParameterShape) {
        let arrays = (0..<view.stateCount).map { view.state[$0] }
        var whole = arrays.dropLast(slots.scalarCount)
        var scalars = arrays.suffix(slots.scalarCount)
        view.stateCount = slots.count
        for (index, slot) in slots.enumerated() {
            let count = slot.count(for: shape)
            switch slot.kind {
            case .scalar: view.state[index] = scalars.removeFirst()
            case _ where count == shape.count && (slot.kind == .elements || slot.kind == .vector):
                view.state[index] = whole.removeFirst()
            default:
                let type = slot.usualType(beside: view.value.type)
                kept.append(Memory(byteCount: max(count * type.size, 1)))
                view.state[index] = ArrayView(base: kept[kept.count - 1].base, count: count, type: type)
            }
        }
    }

    private func shape(_ sizes: [Int]) -> ParameterShape {
        ParameterShape(sizes: numbers(sizes), rank: sizes.count) ?? ParameterShape(count: count)
    }

    /// Gives all arrays these sizes, for algorithms that take no vectors.
    func takeShape(_ sizes: [Int]) {
        var strides = Array(repeating: 1, count: sizes.count)
        for dimension in sizes.indices.dropLast().reversed() {
            strides[dimension] = strides[dimension + 1] * max(sizes[dimension + 1], 1)
        }
        view.value = view.value.shaped(sizes, strides, in: self)
        view.gradient = view.gradient.shaped(sizes, strides, in: self)
        for slot in 0..<view.stateCount where view.state[slot].count == count {
            view.state[slot] = view.state[slot].shaped(sizes, strides, in: self)
        }
    }

    func randomizeGradient(seed: UInt64) {
        var generator = Generator(seed: seed)
        for index in 0..<count { view.gradient.set(index, Double.random(in: -1...1, using: &generator)) }
    }

    var counter: Int64 {
        get { withExtendedLifetime(self) { view.step.pointee } }
        set { withExtendedLifetime(self) { view.step.pointee = newValue } }
    }

    var bytes: [UInt8] { memory.bytes }

    /// Sizes or strides in memory that lives as long as this parameter.
    func numbers(_ numbers: [Int]) -> UnsafePointer<Int64> {
        let memory = Memory(byteCount: numbers.count * 8)
        kept.append(memory)
        for (index, number) in numbers.enumerated() {
            memory.base.storeBytes(of: Int64(number), toByteOffset: index * 8, as: Int64.self)
        }
        return UnsafePointer(memory.base.bindMemory(to: Int64.self, capacity: numbers.count))
    }

    /// An array's numbers as another type, in memory that lives as long as this parameter.
    func stored(_ array: ArrayView, as type: ElementType) -> ArrayView {
        let memory = Memory(byteCount: count * type.size)
        kept.append(memory)
        var result = array
        (result.base, result.type) = (memory.base, type)
        for place in 0..<array.count { result.set(place, array.get(place)) }
        return result
    }

    /// A name that lives as long as this parameter.
    func named(_ name: String) -> Parameter {
        let memory = Memory(byteCount: name.utf8.count + 1)
        kept.append(memory)
        for (index, byte) in name.utf8.enumerated() {
            memory.base.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
        }
        view.name = UnsafePointer(memory.base.bindMemory(to: CChar.self, capacity: name.utf8.count + 1))
        return self
    }
}

extension ArrayView {
    /// This array with other sizes and strides.
    func shaped(_ sizes: [Int], _ strides: [Int], in owner: Parameter) -> ArrayView {
        ArrayView(
            base: base, count: sizes.reduce(1, *), type: type, rank: sizes.count, sizes: owner.numbers(sizes),
            strides: owner.numbers(strides))
    }

    /// Stores a number at a place counted in elements from `base`, rounded towards zero for bf16.
    func set(_ place: Int, _ number: Double) {
        guard let base else { return }
        let address = base + place * type.size
        switch type {
        case .fp64: address.storeBytes(of: number, as: Double.self)
        case .fp32: address.storeBytes(of: Float(number), as: Float.self)
        case .bf16: address.storeBytes(of: UInt16(truncatingIfNeeded: Float(number).bitPattern >> 16), as: UInt16.self)
        case .fp16: address.storeBytes(of: Float16(number), as: Float16.self)
        }
    }

    /// The number at a place counted in elements from `base`.
    func get(_ place: Int) -> Double {
        guard let base else { return .nan }
        let address = base + place * type.size
        return switch type {
        case .fp64: address.load(as: Double.self)
        case .fp32: Double(address.load(as: Float.self))
        case .bf16: Double(Float(bitPattern: UInt32(address.load(as: UInt16.self)) << 16))
        case .fp16: Double(address.load(as: Float16.self))
        }
    }
}

/// A stateless step of these parameters.
@discardableResult
func step(
    _ parameters: [Parameter], _ configurations: [Configuration] = [Configuration(.adam)], reduction: Reduction? = nil
) throws(MartletError) -> StepReport {
    defer { extendLifetime(parameters) }
    let views = parameters.map(\.view)
    return try views.withUnsafeBufferPointer { views throws(MartletError) in
        try configurations.withUnsafeBufferPointer { configurations throws(MartletError) in
            try MartletOptimizers.step(views, configurations, reduction: reduction)
        }
    }
}

extension Optimizer {
    @discardableResult
    func step(_ gradients: [ArrayView]) throws(MartletError) -> StepReport {
        try gradients.withUnsafeBufferPointer { gradients throws(MartletError) in try step(gradients) }
    }
}

extension Optimizer {
    /// Adds a parameter's value.
    @discardableResult
    func add(
        _ parameter: Parameter, name: String? = nil, group: Int = 0, stateTypes: [StateType]? = nil
    ) throws(MartletError) -> Int {
        try add(parameter.view.value, name: name, group: group, stateTypes: stateTypes)
    }

    /// A moment's numbers.
    func moments(_ parameter: Int, _ slot: Int) throws -> [Double] {
        let view = try state(of: parameter, slot: slot)
        return withExtendedLifetime(self) { (0..<view.count).map { view.get($0) } }
    }
}

extension Parameter {
    var values: [Double] { withExtendedLifetime(self) { (0..<count).map { view.value.get($0) } } }
}

/// The error of `body`, or nil.
func failure<Result>(_ body: () throws(MartletError) -> Result) -> MartletError? {
    do throws(MartletError) {
        _ = try body()
        return nil
    } catch {
        return error
    }
}

/// Expects `body` to fail with this kind, in a message that holds all these words and says what was wanted.
func expectFailure<Result>(
    _ kind: MartletError.Kind, _ words: [String], sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws(MartletError) -> Result
) {
    let error = failure(body)
    #expect(error?.kind == kind, "\(error?.message ?? "no error")", sourceLocation: sourceLocation)
    // Where addresses or shapes are wrong, the message says in other words what was wanted.
    let wanted =
        words.contains { ["multiple", "address space"].contains(where: $0.contains) }
        ? [] : ["expected"]
    for word in words + wanted {
        #expect(
            error?.message.contains(word) == true, "no \"\(word)\" in: \(error?.message ?? "no error")",
            sourceLocation: sourceLocation)
    }
}

/// Expects a step to be refused with this kind and these words, and every byte to be as before.
func expectRefusal(
    _ kind: MartletError.Kind, _ words: [String], _ parameters: [Parameter],
    _ configurations: [Configuration] = [Configuration(.adam)], sourceLocation: SourceLocation = #_sourceLocation
) {
    let before = parameters.map(\.bytes)
    expectFailure(kind, words, sourceLocation: sourceLocation) { () throws(MartletError) in
        try step(parameters, configurations)
    }
    let isSame = parameters.map(\.bytes) == before
    #expect(isSame, "something was changed", sourceLocation: sourceLocation)
}

/// Expects an optimizer over what `make` makes to give the same bits with 1, 2, 3 and 7 threads.
func expectSameBitsForAnyThreads(
    _ configuration: Configuration, steps: Int = 2, sourceLocation: SourceLocation = #_sourceLocation,
    _ make: () -> [Parameter]
) throws {
    func result(threads: Int) throws -> [[UInt8]] {
        let parameters = make()
        defer { extendLifetime(parameters) }
        let optimizer = try Optimizer(configuration)
        for parameter in parameters { try optimizer.add(parameter.view.value) }
        for t in 0..<steps {
            for parameter in parameters { parameter.randomizeGradient(seed: UInt64(t)) }
            let gradients = parameters.map(\.view.gradient)
            _ = try gradients.withUnsafeBufferPointer { try optimizer.step($0, threads: threads) }
        }
        return parameters.map(\.bytes)
    }
    let one = try result(threads: 1)
    for threads in [2, 3, 7] {
        #expect(try result(threads: threads) == one, "\(threads) threads", sourceLocation: sourceLocation)
    }
}

extension Configuration {
    /// A configuration with some things changed.
    init(_ algorithm: Algorithm, _ change: (inout Configuration) -> Void) {
        self.init(algorithm)
        change(&self)
    }
}
