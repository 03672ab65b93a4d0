// What an algorithm keeps of a parameter between steps, and what a step's coefficients are formed from beside the
// configuration.
import MartletCompute

/// One piece of a parameter's state.
public struct Slot: Sendable {
    /// How many numbers a slot has; the raw values are those of martlet.h.
    @frozen
    public enum Kind: Int32, Sendable {
        /// One for each element of the parameter; zero before the first step.
        case elements = 0
        /// One, in fp64 or fp32.
        case scalar = 1
        /// One for each row of each matrix of the last two dimensions; a parameter of fewer dimensions has none.
        case rows = 2
        /// One for each column, likewise.
        case columns = 3
        /// One for each element of a parameter of one dimension; one of more dimensions has none.
        case vector = 4
        /// Squares of the rows of a parameter that is seen as a matrix of its first dimension and all others: in fp32 or fp64.
        case rowSquares = 5
        /// Those of its columns, likewise.
        case columnSquares = 6
        /// One for each row of a parameter that is seen so, in fp32 or fp64.
        case leading = 7
        /// One for each block of first indices, in fp32 or fp64.
        case blocks = 8
    }

    /// What its numbers are, as far as it matters to those that are kept in few bits.
    enum Use: Sendable {
        /// Positions, factors, or what must not lose small changes: kept wide.
        case exact
        /// An average of either sign, of which a small number may become 0.
        case moment
        /// Never negative, and divided by: no positive number may become 0.
        case divisor
    }

    /// The name in files and state_dicts.
    public var name: StaticString
    public var kind: Kind
    var use = Use.exact
    /// What a scalar counts as at the first step where it holds 0.
    var start = 0.0
    /// Whether it keeps what low precision would forget.
    var isPrecise = false
    /// The longest block of a side that has squares, and the longest block that there is; 0: a side is one. That of first
    /// indices likewise.
    var most = 0
    var block = 0

    /// Whether it is of a matrix's sides, whose slots are in fp64 or fp32, as scalars are.
    private var isOfSides: Bool { kind == .rowSquares || kind == .columnSquares || kind == .leading || kind == .blocks }

    /// Whether it may be stored so.
    func takes(_ type: StateType) -> Bool {
        switch type {
        case .wide(let type): !(kind == .scalar || isOfSides) || type == .fp64 || type == .fp32
        case .small(let type): use != .exact && type.isUnsigned == (use == .divisor)
        }
    }

    /// In what it may be stored, for messages.
    var typeWords: String {
        if kind == .scalar || isOfSides { return "fp64 or fp32" }
        let codes = SmallType.allCases.filter { takes(.small($0)) }.map { "\($0)" }
        return codes.isEmpty ? "fp64, fp32, bf16 or fp16" : "fp64, fp32, bf16, fp16, \(codes.joined(separator: ", "))"
    }

    /// The type of so many bits that it may be kept in; nil: there is none.
    package func small(bits: Int) -> SmallType? {
        SmallType.allCases.first { $0.bits == bits && takes(.small($0)) }
    }

    /// How it is stored where nothing else is asked for.
    package func usualType(beside value: ElementType) -> ElementType {
        kind == .scalar ? .fp64 : (isOfSides || isPrecise) && value != .fp64 ? .fp32 : value
    }

    /// Numbers of fp32 whose room it takes, where a scalar is in fp64.
    func floatCount(for shape: ParameterShape) -> Int { kind == .scalar ? 2 : count(for: shape) }

    /// The numbers that it has for a parameter.
    public func count(for shape: ParameterShape) -> Int {
        switch kind {
        case .elements: shape.count
        case .scalar: 1
        case .rows: shape.isMatrix ? shape.matrices * shape.rows : 0
        case .columns: shape.isMatrix ? shape.matrices * shape.columns : 0
        case .vector: shape.isMatrix ? 0 : shape.count
        case .rowSquares, .columnSquares: squares(of: shape)
        case .leading: shape.isMatrix && shape.count > 0 ? shape.leading : 0
        case .blocks: shape.blockCount(of: block)
        }
    }

    /// The numbers of the squares of one side's blocks: each block of the matrix has its own. More than an array may have
    /// where they are too many to count.
    private func squares(of shape: ParameterShape) -> Int {
        if !shape.isMatrix || shape.count == 0 { return 0 }
        let sides = (shape.leading, shape.count / shape.leading)
        let (length, otherLength) = kind == .rowSquares ? sides : (sides.1, sides.0)
        func side(_ length: Int) -> MatrixSide { unsafe MatrixSide(length: length, most: most, block: block) }
        let (own, other) = unsafe (side(length), side(otherLength))
        if unsafe !own.hasFactors { return 0 }
        let about = unsafe Double(length) * Double(own.block) * Double(other.blocks)
        return unsafe about < 0x1p60 ? own.numbers * other.blocks : .max
    }

    /// Whether a parameter of these sizes has it.
    package func exists(for sizes: [Int]) -> Bool { exists(isMatrix: sizes.count > 1) }

    /// Whether a parameter has it.
    func exists(for shape: ParameterShape) -> Bool { exists(isMatrix: shape.isMatrix) }

    private func exists(isMatrix: Bool) -> Bool {
        switch kind {
        case .elements, .scalar, .blocks: true
        case .rows, .columns, .rowSquares, .columnSquares, .leading: isMatrix
        case .vector: !isMatrix
        }
    }

    /// Its sizes for a parameter of these sizes; where that has no elements, no numbers either. Squares of several blocks
    /// have one dimension.
    package func sizes(for sizes: [Int]) -> [Int] {
        var own = sizes
        if kind != .scalar && sizes.contains(0) { return own }
        switch kind {
        case .elements, .vector: break
        case .scalar: own = []
        case .rows: own[own.count - 1] = 1
        case .columns: own[own.count - 2] = 1
        case .rowSquares, .columnSquares:
            let count = count(for: ParameterShape(sizes: sizes))
            let side = kind == .rowSquares ? sizes[0] : sizes.dropFirst().reduce(1, *)
            own = side < 1 << 31 && count == side * side ? [side, side] : [count]
        case .leading: own = [sizes[0], 1]
        case .blocks: own = [count(for: ParameterShape(sizes: sizes))]
        }
        return own
    }
}

/// The slots of one configuration, in order: the algorithm's own, those of elements and then of vectors first; those of
/// elements that stages keep; scalars.
public struct Slots: Sendable, RandomAccessCollection {
    private var list = InlineArray<15, Slot>(repeating: Slot(name: "", kind: .scalar))
    public private(set) var endIndex = 0
    /// How many of the algorithm's own are of elements, of vectors, and how many are scalars.
    public private(set) var elementCount = 0
    private var vectorCount = 0
    /// How many are kept by stages.
    private(set) var stageCount = 0
    public private(set) var scalarCount = 0

    public var startIndex: Int { 0 }

    public subscript(index: Int) -> Slot { list[index] }

    /// Whether a parameter has as many numbers in each of these as in others.
    func areAlike(_ others: Slots, for shape: ParameterShape) -> Bool {
        count == others.count && indices.allSatisfy { self[$0].count(for: shape) == others[$0].count(for: shape) }
    }

    /// Their names, for messages.
    var names: String { map { "\($0.name)" }.joined(separator: ", ") }
    var words: String { isEmpty ? "no state" : names }

    /// The place of the first scalar.
    var firstScalar: Int { count - scalarCount }

    /// The places of those that stages keep.
    var ofStages: Range<Int> { firstScalar - stageCount..<firstScalar }

    /// How many of the algorithm's own have a number for each element of a parameter.
    func elementCount(for shape: ParameterShape) -> Int { shape.isMatrix ? elementCount : elementCount + vectorCount }

    /// Numbers of fp32 whose room all slots together take for a parameter, where each scalar is in fp64.
    public func floatCount(for shape: ParameterShape) -> Int { reduce(0) { $0 + $1.floatCount(for: shape) } }

    /// Adds a slot; scalars come last.
    mutating func add(
        _ name: StaticString, _ kind: Slot.Kind = .elements, use: Slot.Use = .exact, most: Int = .max, block: Int = 0
    ) {
        list[endIndex] = Slot(name: name, kind: kind, use: use, most: most, block: block)
        endIndex += 1
        if kind == .elements { elementCount += 1 }
        if kind == .vector { vectorCount += 1 }
    }

    /// Adds one of elements that may be kept in few bits.
    mutating func add(moment name: StaticString) { add(name, use: .moment) }
    mutating func add(divisor name: StaticString) { add(name, use: .divisor) }

    /// Adds one of elements that a stage keeps, and returns its place among those.
    @discardableResult
    mutating func add(ofStage name: StaticString, isPrecise: Bool = false) -> Int {
        for place in (firstScalar..<endIndex).reversed() { list[place + 1] = list[place] }
        list[firstScalar] = Slot(name: name, kind: .elements, isPrecise: isPrecise)
        endIndex += 1
        stageCount += 1
        return stageCount - 1
    }

    /// Adds a scalar, and returns its place among those.
    @discardableResult
    mutating func add(scalar name: StaticString, start: Double = 0) -> Int {
        list[endIndex] = Slot(name: name, kind: .scalar, start: start)
        endIndex += 1
        scalarCount += 1
        return scalarCount - 1
    }
}

/// How far a parameter has come. An algorithm moves its scalars on as it forms the coefficients of a step.
struct Progress {
    /// The number of the step, counted from 1.
    let step: StepNumber
    /// The scalar slots, in order.
    var scalars = InlineArray<7, Double>(repeating: 0)

    init(step: StepNumber) { self.step = step }

    /// The number of the step, with its fraction.
    var t: Double { Double(step.whole) + step.fraction }

    /// Whether this is the first step, before which the state says nothing.
    var isFirst: Bool { t <= 1 }
}
