// What an algorithm keeps of a parameter between steps, and what a step's coefficients are formed from beside the
// configuration.

/// One piece of a parameter's state.
public struct Slot: Sendable {
    /// How many numbers a slot has; the raw values are those of martlet.h.
    @frozen
    public enum Kind: Int32, Sendable {
        /// One for each element of the parameter; zero before the first step.
        case elements = 0
        /// One, in fp64 or fp32.
        case scalar = 1
    }

    /// The name in files and state_dicts.
    public var name: StaticString
    public var kind: Kind
    /// What a scalar counts as at the first step where it holds 0.
    var start = 0.0

    /// The numbers that it has for a parameter of as many elements.
    public func count(for elements: Int) -> Int {
        switch kind {
        case .elements: elements
        case .scalar: 1
        }
    }
}

/// The slots of one configuration, in order: those of elements first.
public struct Slots: Sendable, RandomAccessCollection {
    private var list = InlineArray<6, Slot>(repeating: Slot(name: "", kind: .scalar))
    public private(set) var endIndex = 0
    /// How many of them have a number for each element.
    public private(set) var elementCount = 0

    public var startIndex: Int { 0 }

    public subscript(index: Int) -> Slot { list[index] }

    /// Their names, for messages.
    var names: String { map { "\($0.name)" }.joined(separator: ", ") }
    var words: String { isEmpty ? "no state" : names }

    /// How many of them are scalars.
    public var scalarCount: Int { count - elementCount }

    /// Numbers of all slots together for a parameter of as many elements.
    public func count(for elements: Int) -> Int { elementCount * elements + scalarCount }

    /// Adds a slot of elements; those come before scalars.
    mutating func add(_ name: StaticString) {
        list[endIndex] = Slot(name: name, kind: .elements)
        endIndex += 1
        elementCount += 1
    }

    /// Adds a scalar.
    mutating func add(scalar name: StaticString, start: Double = 0) {
        list[endIndex] = Slot(name: name, kind: .scalar, start: start)
        endIndex += 1
    }
}

/// How far a parameter has come. An algorithm moves its scalars on as it forms the coefficients of a step.
struct Progress {
    /// The number of the step, counted from 1.
    let step: StepNumber
    /// The scalar slots, in order.
    var scalars = InlineArray<4, Double>(repeating: 0)

    init(step: StepNumber) { self.step = step }

    /// The number of the step, with its fraction.
    var t: Double { Double(step.whole) + step.fraction }

    /// Whether this is the first step, before which the state says nothing.
    var isFirst: Bool { t <= 1 }
}
