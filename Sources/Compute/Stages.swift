// What is done with a parameter's elements around their update: rules over some of its arrays, run before and behind the
// update on each block, while that is in the first-level cache. Which ones, and by what numbers, is the optimizers' affair.
import MartletKernelInterface
import MartletPlatform

/// One of them.
package struct Stage {
    /// When it runs: before gradients are looked at, before the update, behind it, or in place of all where the step is
    /// skipped.
    package enum Side { case arriving, before, behind, skipping }

    /// What it does.
    fileprivate enum Work {
        /// Runs a rule of stages over its arrays: value, gradient and first slot.
        case rule(Rule)
        /// Fills its first array with zeros.
        case zero
        /// Exchanges its first two arrays, each rounded to the other's type.
        case swap
    }

    let side: Side
    fileprivate let work: Work
    fileprivate let arrays: InlineArray<3, Int>
    fileprivate let weight: Double

    private init(_ side: Side, _ work: Work, _ arrays: InlineArray<3, Int>, weight: Double = 0) {
        (self.side, self.work, self.arrays, self.weight) = (side, work, arrays, weight)
    }

    /// Moves an array by a weight towards another.
    package static func interpolation(_ side: Side, _ array: Int, towards other: Int, weight: Double) -> Stage {
        Stage(side, .rule(.interpolation), [array, other, array], weight: weight)
    }

    /// Copies an array into another.
    package static func copy(_ side: Side, _ array: Int, to other: Int) -> Stage {
        Stage(side, .rule(.copy), [array, array, other])
    }

    /// Moves an array by a weight towards another, which then goes back to it, rounded to its own type alone.
    package static func lookahead(_ side: Side, _ array: Int, and other: Int, weight: Double) -> Stage {
        Stage(side, .rule(.lookahead), [array, other, other], weight: weight)
    }

    package static func zero(_ side: Side, _ array: Int) -> Stage { Stage(side, .zero, [array, array, array]) }

    package static func swap(_ side: Side, _ array: Int, _ other: Int) -> Stage {
        Stage(side, .swap, [array, other, other])
    }
}

/// Those of one parameter.
@unsafe package struct Stages {
    /// The parameter's arrays that they work on, the value first, from the first element on, and the places at which they
    /// stand in the layout.
    fileprivate var arrays: InlineArray<7, Operand>
    private var places: InlineArray<7, Int>
    /// Arrays that they may have.
    package static var mostArrays: Int { 7 }
    private var arrayCount = 0
    /// Elements of each array.
    private let elements: Int
    private let isDouble: Bool
    fileprivate let mode: FloatingPointMode
    /// How the arrays lie; nil where all are contiguous.
    fileprivate let layout: Layout?
    /// How the value is stored; nil: as numbers.
    fileprivate let coded: UnsafePointer<CodedArrays>?
    fileprivate var list: InlineArray<11, Stage>
    fileprivate var count = 0
    /// A scalar that is 0 once the step is skipped.
    package var counter: Operand?

    /// None, of a parameter whose update is `run`.
    package init(
        _ run: Run, mode: FloatingPointMode, layout: Layout?, coded: UnsafePointer<CodedArrays>? = nil
    ) {
        unsafe self.coded = unsafe coded
        unsafe arrays = unsafe InlineArray(repeating: run.arrays[Run.value])
        unsafe places = InlineArray(repeating: Run.value)
        unsafe elements = unsafe run.count
        unsafe isDouble = unsafe run.isDouble
        unsafe self.mode = mode
        unsafe self.layout = unsafe layout
        unsafe list = InlineArray(repeating: .zero(.before, 0))
    }

    package var isEmpty: Bool { unsafe count == 0 }

    /// Adds an array, which stands at this place in the layout, and returns its number.
    package mutating func add(_ array: Operand, place: Int) -> Int {
        unsafe (arrays[arrayCount], places[arrayCount]) = unsafe (array, place)
        unsafe arrayCount += 1
        return unsafe arrayCount - 1
    }

    /// Says where an array is, which had no place when it was added.
    package mutating func move(_ array: Int, to place: UnsafeMutableRawPointer) { unsafe arrays[array].base = place }

    /// Adds a stage, which runs behind those that are there.
    package mutating func add(_ stage: Stage) {
        unsafe list[count] = stage
        unsafe count += 1
    }

    /// Elements of a block, and of one whose arrays are gathered: so many bytes of four arrays on the stack.
    static var blockCount: Int { 1024 }
    fileprivate static var gatheredCount: Int { 128 }

    fileprivate func runs(_ index: Int, _ side: Stage.Side) -> Bool { unsafe list[index].side == side }

    /// The number of the value, which is added first.
    fileprivate static var value: Int { 0 }

    /// Whether one of them works on the value.
    fileprivate func seesValue(_ index: Int) -> Bool {
        unsafe list[index].arrays[0] == Stages.value || list[index].arrays[1] == Stages.value
            || list[index].arrays[2] == Stages.value
    }

    @inline(never)
    fileprivate func run(_ index: Int, _ range: Range<Int>, _ isa: InstructionSet) {
        let stage = unsafe list[index]
        if case .zero = stage.work, unsafe layout == nil {
            let array = unsafe arrays[stage.arrays[0]].advanced(by: range.lowerBound)
            unsafe array.base.initializeMemory(as: UInt8.self, repeating: 0, count: range.count * array.type.size)
            return
        }
        guard case .rule(let rule) = stage.work, unsafe layout == nil else {
            unsafe runGathered(stage, range, isa)
            return
        }
        var run = unsafe makeRun(rule, range.count)
        for place in unsafe 0..<run.arrayCount { unsafe run.arrays[place] = unsafe arrays[stage.arrays[place]] }
        unsafe run.advance(by: range.lowerBound)
        unsafe sweep(rule, stage.weight, &run, isa)
    }

    /// A run of a rule, whose arrays are still to be set.
    fileprivate func makeRun(_ rule: Rule, _ count: Int) -> Run {
        unsafe Run(
            arrays: InlineArray(repeating: arrays[0]), arrayCount: rule == .interpolation ? Run.state : Run.state + 1,
            count: count, isDouble: isDouble)
    }

    /// By blocks on the stack: of arrays that do not all lie alike, and where they change places.
    private func runGathered(_ stage: Stage, _ range: Range<Int>, _ isa: InstructionSet) {
        var scratch = InlineArray<64, SIMD8<UInt64>>(repeating: .zero)
        unsafe withUnsafeMutableBytes(of: &scratch) { scratch in
            func block(_ place: Int, as array: Int) -> Operand {
                unsafe Operand(
                    base: scratch.baseAddress! + place * Stages.gatheredCount * 8,
                    type: arrays[stage.arrays[array]].type)
            }
            for first in unsafe stride(from: range.lowerBound, to: range.upperBound, by: Stages.gatheredCount) {
                let count = unsafe min(Stages.gatheredCount, range.upperBound - first)
                func move(_ direction: Layout.Direction, _ place: Int, _ array: Int) {
                    unsafe copy(direction, stage.arrays[array], first, count, block(place, as: array))
                }
                switch stage.work {
                case .zero: move(.scatter, 3, 0)
                case .swap:
                    move(.gather, 0, 0)
                    move(.gather, 1, 1)
                    unsafe convert(block(0, as: 0), to: block(2, as: 1), count, isa)
                    unsafe convert(block(1, as: 1), to: block(0, as: 0), count, isa)
                    move(.scatter, 2, 1)
                    move(.scatter, 0, 0)
                case .rule(let rule):
                    var run = unsafe makeRun(rule, count)
                    for place in unsafe 0..<run.arrayCount {
                        move(.gather, place, place)
                        unsafe run.arrays[place] = unsafe block(place, as: place)
                    }
                    unsafe sweep(rule, stage.weight, &run, isa)
                    unsafe move(.scatter, Run.value, Run.value)
                    if unsafe run.arrayCount > Run.state { unsafe move(.scatter, Run.state, Run.state) }
                }
            }
        }
    }

    /// Copies a block of elements between one of the arrays and contiguous memory.
    fileprivate func copy(_ direction: Layout.Direction, _ array: Int, _ first: Int, _ count: Int, _ block: Operand) {
        if let layout = unsafe layout {
            unsafe layout.copy(
                direction, array: places[array], arrays[array], first: first, count: count, block: block.base)
            return
        }
        let own = unsafe arrays[array].advanced(by: first)
        let (from, to) = unsafe direction == .gather ? (own.base, block.base) : (block.base, own.base)
        unsafe to.copyMemory(from: from, byteCount: count * block.type.size)
    }

    fileprivate func convert(_ array: Operand, to other: Operand, _ count: Int, _ isa: InstructionSet) {
        var run = unsafe makeRun(.copy, count)
        unsafe (run.arrays[Run.value], run.arrays[Run.gradient], run.arrays[Run.state]) = unsafe (array, array, other)
        unsafe sweep(.copy, 0, &run, isa)
    }

    fileprivate func sweep(_ rule: Rule, _ weight: Double, _ run: inout Run, _ isa: InstructionSet) {
        var own = InterpolationCoefficients()
        own.weight = weight
        // As `StepCoefficients` says.
        var coefficients = InlineArray<9, Double>(repeating: 0)
        unsafe withUnsafeMutableBytes(of: &coefficients) { place in
            unsafe place.storeBytes(of: RunTerms(), as: RunTerms.self)
            unsafe place.storeBytes(
                of: own, toByteOffset: StepCoefficients.ruleOffset, as: InterpolationCoefficients.self)
            unsafe mode.run(isa.sweep(rule), &run, UnsafeRawPointer(place.baseAddress!))
        }
    }

    /// Does what is to be done where the step is skipped.
    package mutating func skip(_ isa: InstructionSet) {
        unsafe withUnsafePointer(to: self) { unsafe $0.run(.skipping, 0..<$0.pointee.elements, isa) }
        if let counter = unsafe counter {
            unsafe counter.base.initializeMemory(as: UInt8.self, repeating: 0, count: counter.type.size)
        }
    }
}

/// One of them over elements of a parameter whose value is coded, on which it works.
@unsafe private struct CodedStage {
    let stages: UnsafePointer<Stages>
    let index: Int
    let coded: UnsafePointer<CodedArrays>
    let range: Range<Int>
    let isa: InstructionSet

    static let run: @convention(c) (UnsafeMutableRawPointer) -> Void = { context in
        unsafe context.assumingMemoryBound(to: CodedStage.self).pointee.start()
    }

    /// By blocks: rooms for the value's numbers, and for three other arrays.
    private func start() {
        let count = unsafe Stages.gatheredCount
        let access = unsafe CodedAccess(coded, stages.pointee.layout, isa, capacity: count, ofStages: true)
        var scratch = InlineArray<64, SIMD8<UInt64>>(repeating: .zero)
        unsafe withUnsafeMutableBytes(of: &scratch) { scratch in
            let rooms = scratch.baseAddress!
            for first in unsafe stride(from: range.lowerBound, to: range.upperBound, by: count) {
                let length = unsafe min(count, range.upperBound - first)
                var fetched = unsafe stages.pointee.makeRun(.copy, length)
                unsafe access.fetch(&fetched, first: first, count: length, rooms: rooms)
                let writes = unsafe run(first, length, fetched.arrays[Run.value], rooms)
                unsafe access.put(first: first, count: length, rooms: rooms, value: writes)
            }
        }
    }

    /// Works on a block, whose value is `numbers`; whether it has changed that.
    private func run(_ first: Int, _ count: Int, _ numbers: Operand, _ rooms: UnsafeMutableRawPointer) -> Bool {
        let stage = unsafe stages.pointee.list[index]
        func isValue(_ place: Int) -> Bool { unsafe stage.arrays[place] == Stages.value }
        func room(_ place: Int, like array: Int) -> Operand {
            unsafe Operand(
                base: rooms + (1 + place) * Stages.gatheredCount * 8,
                type: stages.pointee.arrays[stage.arrays[array]].type)
        }
        func block(_ place: Int) -> Operand { unsafe isValue(place) ? numbers : room(place, like: place) }
        func move(_ direction: Layout.Direction, _ place: Int, _ block: Operand) {
            if !isValue(place) { unsafe stages.pointee.copy(direction, stage.arrays[place], first, count, block) }
        }
        switch stage.work {
        case .zero: return false
        case .swap:
            let (other, before) = unsafe (block(1), room(2, like: 1))
            unsafe move(.gather, 1, other)
            unsafe stages.pointee.convert(numbers, to: before, count, isa)
            unsafe stages.pointee.convert(other, to: numbers, count, isa)
            unsafe move(.scatter, 1, before)
            return true
        case .rule(let rule):
            var run = unsafe stages.pointee.makeRun(rule, count)
            for place in unsafe 0..<run.arrayCount {
                unsafe run.arrays[place] = unsafe block(place)
                unsafe move(.gather, place, run.arrays[place])
            }
            unsafe stages.pointee.sweep(rule, stage.weight, &run, isa)
            var writesValue = false
            for place in unsafe 0..<run.arrayCount
            where unsafe place != Run.gradient && !(rule == .copy && place == Run.value) {
                writesValue = writesValue || isValue(place)
                unsafe move(.scatter, place, run.arrays[place])
            }
            return writesValue
        }
    }
}

/// Where they stand, so that who runs them copies nothing.
extension UnsafePointer<Stages> {
    /// Runs those of a side over elements, counted from the parameter's first.
    @inline(never)
    func run(_ side: Stage.Side, _ range: Range<Int>, _ isa: InstructionSet) {
        for index in unsafe 0..<pointee.count where unsafe pointee.runs(index, side) {
            if let coded = unsafe pointee.coded, unsafe pointee.seesValue(index) {
                var part = unsafe CodedStage(stages: self, index: index, coded: coded, range: range, isa: isa)
                unsafe pointee.mode.call(CodedStage.run, &part)
            } else {
                unsafe pointee.run(index, range, isa)
            }
        }
    }
}

extension UnsafeMutablePointer<PassItem> {
    /// Runs the stages of a side over the elements of a piece.
    @inline(never)
    func runStages(_ side: Stage.Side, piece: Int, _ isa: InstructionSet) {
        guard let stages = unsafe pointee.stages else { return }
        let grid = unsafe pointee.tensor.grid
        let tile = grid.tile(piece)
        // Rows that are taken whole stand one behind the other.
        let isWhole = tile.columns.count == grid.columns
        for matrix in tile.matrices {
            for row in stride(from: tile.rows.lowerBound, to: tile.rows.upperBound, by: isWhole ? tile.rows.count : 1) {
                let first = (matrix * grid.rows + row) * grid.columns + tile.columns.lowerBound
                let count = isWhole ? tile.rows.count * grid.columns : tile.columns.count
                unsafe stages.run(side, first..<first + count, isa)
            }
        }
    }
}
