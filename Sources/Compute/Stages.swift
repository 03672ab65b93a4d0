// What is done with a parameter's elements around their update: rules over some of its arrays, run before and behind the
// update on each block, while that is in the first-level cache. Which ones, and by what numbers, is the optimizers' affair.
import MartletKernelInterface
import MartletPlatform

/// One of them: a rule that takes these arrays for the value, the gradient and the first slot, and its one coefficient.
package struct Stage {
    package enum Side { case before, behind }

    let side: Side
    let rule: Rule
    let arrays: InlineArray<3, Int>
    /// As `StepCoefficients` says.
    fileprivate var coefficients = InlineArray<9, Double>(repeating: 0)

    package init(_ side: Side, _ rule: Rule, value: Int, gradient: Int, slot: Int, weight: Double = 0) {
        (self.side, self.rule, arrays) = (side, rule, [value, gradient, slot])
        var own = InterpolationCoefficients()
        own.weight = weight
        unsafe withUnsafeMutableBytes(of: &coefficients) { place in
            unsafe place.storeBytes(of: RunTerms(), as: RunTerms.self)
            unsafe place.storeBytes(
                of: own, toByteOffset: StepCoefficients.ruleOffset, as: InterpolationCoefficients.self)
        }
    }
}

/// Those of one parameter.
@unsafe package struct Stages {
    /// The parameter's arrays that they work on, the value first, from the first element on.
    private var arrays: InlineArray<2, Operand>
    /// Arrays beside the value that a parameter's stages may have.
    package static var mostArrays: Int { 1 }
    private var arrayCount = 1
    private let isDouble: Bool
    private let mode: FloatingPointMode
    /// How the arrays lie, the value as its array 0, and the others from `firstPlace` on; nil where all are contiguous.
    private let layout: Layout?
    private let firstPlace: Int
    /// How the value is stored; nil: as numbers.
    private let coded: UnsafePointer<CodedArrays>?
    fileprivate var list: InlineArray<2, Stage>
    fileprivate var count = 0

    package static var value: Int { 0 }

    /// None, of a parameter whose update is `run`.
    package init(
        _ run: Run, mode: FloatingPointMode, layout: Layout?, coded: UnsafePointer<CodedArrays>? = nil
    ) {
        unsafe self.coded = unsafe coded
        unsafe arrays = unsafe InlineArray(repeating: run.arrays[Run.value])
        unsafe isDouble = unsafe run.isDouble
        unsafe self.mode = mode
        unsafe self.layout = unsafe layout
        unsafe firstPlace = unsafe run.arrayCount
        unsafe list = InlineArray(repeating: Stage(.before, .copy, value: 0, gradient: 0, slot: 0))
    }

    package var isEmpty: Bool { unsafe count == 0 }

    /// Adds an array and returns its number.
    package mutating func add(_ array: Operand) -> Int {
        unsafe arrays[arrayCount] = unsafe array
        unsafe arrayCount += 1
        return unsafe arrayCount - 1
    }

    /// Adds a stage, which runs behind those that are there.
    package mutating func add(_ stage: Stage) {
        unsafe list[count] = stage
        unsafe count += 1
    }

    /// Elements of a block, and of one whose arrays are gathered: so many bytes of three arrays on the stack.
    static var blockCount: Int { 1024 }
    private static var gatheredCount: Int { 128 }

    @inline(never)
    fileprivate func run(_ index: Int, _ range: Range<Int>, _ isa: InstructionSet) {
        let stage = unsafe list[index]
        var run = unsafe Run(
            arrays: InlineArray(repeating: arrays[0]), arrayCount: 3, count: range.count, isDouble: isDouble)
        for place in 0..<3 {
            unsafe run.arrays[place] = unsafe arrays[stage.arrays[place]]
        }
        if stage.rule == .interpolation { unsafe run.arrayCount = 2 }
        if let coded = unsafe coded {
            var part = unsafe CodedStage(stages: self, stage: stage, run: run, coded: coded, range: range, isa: isa)
            unsafe mode.call(CodedStage.run, &part)
            return
        }
        guard let layout = unsafe layout else {
            unsafe run.advance(by: range.lowerBound)
            unsafe sweep(stage, &run, isa)
            return
        }
        unsafe runGathered(stage, range, run, layout, isa)
    }

    /// One of them over elements of a parameter whose value is coded.
    @unsafe private struct CodedStage {
        let stages: Stages
        let stage: Stage
        let run: Run
        let coded: UnsafePointer<CodedArrays>
        let range: Range<Int>
        let isa: InstructionSet

        static let run: @convention(c) (UnsafeMutableRawPointer) -> Void = { context in
            unsafe context.assumingMemoryBound(to: CodedStage.self).pointee.start()
        }

        /// By blocks: rooms for the value, and for two other arrays where those are gathered.
        private func start() {
            let count = unsafe Stages.gatheredCount
            let layout = unsafe stages.layout
            let access = unsafe CodedAccess(coded, layout, isa, capacity: count, ofStages: true)
            var scratch = InlineArray<64, SIMD8<UInt64>>(repeating: .zero)
            unsafe withUnsafeMutableBytes(of: &scratch) { scratch in
                let rooms = scratch.baseAddress!
                for first in unsafe stride(from: range.lowerBound, to: range.upperBound, by: count) {
                    var (block, value) = unsafe (run, run)
                    unsafe block.count = min(count, range.upperBound - first)
                    unsafe access.fetch(&value, first: first, count: block.count, rooms: rooms)
                    func move(_ direction: Layout.Direction, _ place: Int) {
                        let room = unsafe rooms + (place + 1) * count * 8
                        unsafe layout?.copy(
                            direction, array: stages.firstPlace + stage.arrays[place] - 1, run.arrays[place],
                            first: first, count: block.count, block: room)
                        if unsafe layout != nil { unsafe block.arrays[place].base = unsafe room }
                    }
                    var writesValue = false
                    for place in unsafe 0..<block.arrayCount {
                        if unsafe stage.arrays[place] == Stages.value {
                            unsafe block.arrays[place] = unsafe value.arrays[Run.value]
                            writesValue = unsafe writesValue || place != Run.gradient
                        } else {
                            unsafe block.arrays[place] = unsafe block.arrays[place].advanced(
                                by: layout == nil ? first : 0)
                            move(.gather, place)
                        }
                    }
                    unsafe stages.sweepInMode(stage, &block, isa)
                    for place in unsafe 0..<block.arrayCount
                    where unsafe place != Run.gradient && stage.arrays[place] != Stages.value { move(.scatter, place) }
                    unsafe access.put(first: first, count: block.count, rooms: rooms, value: writesValue)
                }
            }
        }
    }

    private func sweepInMode(_ stage: Stage, _ run: inout Run, _ isa: InstructionSet) {
        unsafe withUnsafeBytes(of: stage.coefficients) { coefficients in
            if let place = coefficients.baseAddress { unsafe isa.sweep(stage.rule)(&run, place) }
        }
    }

    private func runGathered(
        _ stage: Stage, _ range: Range<Int>, _ start: Run, _ layout: Layout, _ isa: InstructionSet
    ) {
        var scratch = InlineArray<48, SIMD8<UInt64>>(repeating: .zero)
        unsafe withUnsafeMutableBytes(of: &scratch) { scratch in
            var block = unsafe start
            for place in unsafe 0..<block.arrayCount {
                unsafe block.arrays[place].base = scratch.baseAddress! + place * Stages.gatheredCount * 8
            }
            func copy(_ direction: Layout.Direction, _ place: Int, _ first: Int) {
                let array = stage.arrays[place]
                unsafe layout.copy(
                    direction, array: array == 0 ? Run.value : firstPlace + array - 1, start.arrays[place],
                    first: first,
                    count: block.count, block: block.arrays[place].base)
            }
            for first in unsafe stride(from: range.lowerBound, to: range.upperBound, by: Stages.gatheredCount) {
                unsafe block.count = min(Stages.gatheredCount, range.upperBound - first)
                for place in unsafe 0..<block.arrayCount { copy(.gather, place, first) }
                unsafe sweep(stage, &block, isa)
                for place in unsafe 0..<block.arrayCount where unsafe place != Run.gradient {
                    copy(.scatter, place, first)
                }
            }
        }
    }

    private func sweep(_ stage: Stage, _ run: inout Run, _ isa: InstructionSet) {
        unsafe withUnsafeBytes(of: stage.coefficients) { coefficients in
            if let place = coefficients.baseAddress { unsafe mode.run(isa.sweep(stage.rule), &run, place) }
        }
    }
}

/// Where they stand, so that who runs them copies nothing.
extension UnsafePointer<Stages> {
    /// Runs those of a side over elements, counted from the parameter's first.
    @inline(never)
    func run(_ side: Stage.Side, _ range: Range<Int>, _ isa: InstructionSet) {
        for index in unsafe 0..<pointee.count where unsafe pointee.list[index].side == side {
            unsafe pointee.run(index, range, isa)
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
