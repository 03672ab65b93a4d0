// The part of a step whose algorithms go over their parameters several times: all parameters do one pass, then each
// algorithm makes its coefficients ready for the next (PassPreparation.swift).
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// Parameters of such algorithms, in memory that the plan provides.
@unsafe struct StepPasses {
    @unsafe struct Owner {
        let algorithm: Algorithm
        /// Its place in the step.
        let place: Int
        /// As the passes see it, and as it is.
        let shape, parameter: ParameterShape
        let memory: GridMemory.Kind
        /// Passes of the algorithm itself; where something is done with updates others follow.
        let ownPassCount: Int
        /// The move along a sphere; nil: none.
        var move: SphereMove?
        /// What is done with whole matrices between the passes.
        let matrices: MatrixWork?
        /// The parameter's scalars; nil where it has none.
        let scalars: UnsafeMutablePointer<ScalarSlots>?

        var sumByteCount: Int { unsafe GridMemory.byteCount(shape.grid, memory) }
        var byteCount: Int { unsafe sumByteCount + (matrices?.byteCount ?? 0) }
    }

    var list: PassList
    let owners: UnsafeMutablePointer<Owner>
    /// The algorithms whose parameters share scalars: a bit for each, by its number.
    private(set) var sharing: UInt64 = 0
    /// The matrices of items that have such work, behind the owners.
    private let matrices: UnsafeMutablePointer<MatrixItem>
    private var hasMatrices = false
    /// Whether there is a number for each element of some parameter, and parameters that share nothing may take turns.
    private var takesTurns = false
    /// Where the passes' sums and matrices lie, and what threads multiply these in.
    private var memory: UnsafeMutableRawPointer?
    private var executionMemory: UnsafeMutableRawPointer?
    /// How many parameters the step has, where they are shards; else nil. And what is added up of each.
    var shardCount: Int?
    private var totals: UnsafeMutablePointer<Double>?

    static var bytesPerItem: Int {
        unsafe PassList.bytesPerItem + MemoryLayout<Owner>.stride + MemoryLayout<MatrixItem>.stride
    }

    /// An empty list over room for `capacity` items.
    init(memory: UnsafeMutableRawPointer, capacity: Int) {
        unsafe list = unsafe PassList(memory: memory)
        unsafe owners = (memory + capacity * PassList.bytesPerItem).assumingMemoryBound(to: Owner.self)
        unsafe matrices = unsafe UnsafeMutableRawPointer(owners + capacity).assumingMemoryBound(
            to: MatrixItem.self)
    }

    var isEmpty: Bool { unsafe list.count == 0 }

    var suitableISA: InstructionSet { unsafe list.suitableISA }

    /// Adds a parameter, which has elements. `coefficients` are its own, and so are `scalars`.
    mutating func add(
        _ parameter: UnsafePointer<ParameterView>, _ place: Int, _ given: ParameterShape,
        _ group: UnsafeMutablePointer<StepGroup>,
        _ run: Run, _ coefficients: UnsafeMutableRawPointer, _ scalars: UnsafeMutablePointer<ScalarSlots>?,
        _ layout: Layout?, _ change: UpdateChange, _ stages: UnsafePointer<Stages>?,
        _ coded: UnsafePointer<CodedArrays>?
    ) {
        let algorithm = unsafe group.pointee.configuration.algorithm
        // The first one of a kind, or the one behind it. Blocks are rows to the passes.
        func slot(_ kind: Slot.Kind, next: Int = 0) -> Operand {
            guard
                let index = unsafe group.pointee.slots.firstIndex(where: {
                    $0.kind == kind || kind == .rows && $0.kind == .blocks
                }),
                let base = unsafe parameter.pointee.state[index + next].base
            else { return unsafe run.arrays[Run.value] }
            return unsafe Operand(base: base, type: parameter.pointee.state[index + next].type)
        }
        let shape = unsafe algorithm.shape(given, coefficients)
        let matrices = unsafe algorithm.matrixWork(
            MatrixParameter(
                shape: given, isDouble: run.isDouble,
                rowSquares: (slot(.rowSquares), slot(.rowSquares, next: 1)),
                columnSquares: (slot(.columnSquares), slot(.columnSquares, next: 1)), leading: slot(.leading)),
            coefficients)
        let passes = unsafe algorithm.passes(shape, coefficients)
        let numberSize = unsafe run.isDouble ? 8 : 4
        let kind: GridMemory.Kind =
            passes.sumRowsAlone
            ? .rows(bytes: change.isAny ? numberSize : 0)
            : unsafe matrices != nil || change.isAny
                ? .factors(bytes: numberSize) : shape.hasLargeMatrices ? .grid : .sums
        let isMade = passes.last != .matrixUpdate
        let owner = unsafe Owner(
            algorithm: algorithm, place: place, shape: shape, parameter: given, memory: kind,
            ownPassCount: passes.count, move: change.sphereRate.map { SphereMove(rate: $0, isMade: isMade) },
            matrices: matrices, scalars: scalars)
        unsafe (owners + list.count).initialize(to: owner)
        unsafe hasMatrices = unsafe hasMatrices || matrices != nil
        if kind.hasElements { unsafe takesTurns = unsafe takesTurns || algorithm.sharedScalars == 0 }
        if algorithm.sharedScalars > 0 { unsafe sharing |= 1 << UInt64(algorithm.rawValue) }
        // Where the sums lie is settled once all parameters are known.
        let memory = unsafe GridMemory(coefficients, shape.grid, kind)
        unsafe list.add(
            PassItem(
                passes: change.isAny
                    ? passes.changed(masks: change.masks, keepsNorm: change.sphereRate != nil) : passes,
                tensor: GridTensor(
                    grid: shape.grid, run: run, memory: memory, rowState: slot(.rows), columnState: slot(.columns)),
                coefficients: coefficients, mode: group.pointee.mode, layout: layout,
                caution: change.masks || change.isAny && isMade
                    ? Caution(rule: algorithm.rule, masks: change.masks) : nil,
                stages: stages, coded: coded))
    }

    /// What is made for each element takes the memory of its parameter, and matrices several times that, so that so many
    /// bytes are worked on at a time, or one parameter that takes more.
    private static var mostBytes: Int { 64 << 20 }

    /// The items from one on that do all their passes before any others do: as many as fit, and all where no such things are
    /// made, or where parameters are shards.
    @inline(never)
    private func wave(from first: Int) -> (items: Range<Int>, bytes: Int?) {
        var bytes = 0
        for index in unsafe first..<list.count {
            let own = unsafe owners[index].byteCount
            if unsafe takesTurns && shardCount == nil && index > first && own > StepPasses.mostBytes - bytes {
                return (first..<index, bytes)
            }
            let (end, overflow) = bytes.addingReportingOverflow(own)
            if overflow { return unsafe (first..<list.count, nil) }
            bytes = end
        }
        return unsafe (first..<list.count, bytes)
    }

    /// Bytes for sums and matrices, and for what as many threads gather and multiply in; nil: more than there can be.
    func byteCount(threads: Int) -> Int? {
        var most = 0
        var first = 0
        while unsafe first < list.count {
            let (items, bytes) = unsafe wave(from: first)
            guard let bytes else { return nil }
            most = max(most, bytes)
            first = items.upperBound
        }
        let (bytes, overflow) = unsafe most.addingReportingOverflow(fixedByteCount(threads))
        return overflow ? nil : bytes
    }

    private var totalsByteCount: Int {
        unsafe (8 * StepPlan.totalsPerParameter * (shardCount ?? 0) + 63) & ~63
    }

    private func fixedByteCount(_ threads: Int) -> Int {
        unsafe totalsByteCount + threads * list.gatherBytes + (hasMatrices ? Execution.byteCount(threads: threads) : 0)
    }

    /// Takes as many bytes, aligned to 64, for a run on as many threads.
    mutating func use(_ place: UnsafeMutableRawPointer, threads: Int) {
        if unsafe isEmpty { return }
        unsafe memory = unsafe place + fixedByteCount(threads)
        if unsafe shardCount != nil { unsafe totals = place.assumingMemoryBound(to: Double.self) }
        let place = unsafe place + totalsByteCount
        unsafe executionMemory = unsafe place
        if unsafe list.gatherBytes > 0 {
            unsafe list.gathered = unsafe place + (hasMatrices ? Execution.byteCount(threads: threads) : 0)
        }
    }

    /// Does all passes and returns how many threads did work; nil where a reduction failed.
    func run(isa: InstructionSet, threads: Int, reduction: Reduction? = nil) -> Int? {
        var working = 0
        var first = 0
        while unsafe first < list.count {
            let items = unsafe wave(from: first).items
            let matrixCount = unsafe place(items)
            for pass in unsafe 0...list.passCount {
                if pass > 0 { unsafe workOnMatrices(matrixCount, before: pass, isa: isa, threads: threads) }
                if unsafe pass == list.passCount { break }
                if let reduction = unsafe reduction, pass > 0, unsafe !reduce(pass, items, reduction) { return nil }
                var preparation = unsafe Preparation(passes: self, pass: pass, items: items)
                unsafe FloatingPointMode.exact.call(Preparation.serve, &preparation)
                let own = unsafe list.run(
                    pass: pass, of: items, isa: isa, threads: threads, leastPiece: Settings.chunk)
                working = max(working, own)
            }
            first = items.upperBound
        }
        return working
    }

    /// Adds up over all shards what the pass before has summed.
    private func reduce(_ pass: Int, _ items: Range<Int>, _ reduction: Reduction) -> Bool {
        guard let totals = unsafe totals, let count = unsafe shardCount else { return true }
        unsafe totals.update(repeating: 0, count: StepPlan.totalsPerParameter * count)
        var preparation = unsafe Preparation(passes: self, pass: pass, items: items)
        unsafe FloatingPointMode.exact.call(Preparation.collect, &preparation)
        return unsafe reduction(
            UnsafeMutableBufferPointer(start: totals, count: StepPlan.totalsPerParameter * count))
    }

    @inline(never)
    private func collect(_ pass: Int, _ items: Range<Int>) {
        guard let totals = unsafe totals else { return }
        for index in items where unsafe pass < list[index].passes.count {
            let own = unsafe totals + StepPlan.totalsPerParameter * owners[index].place
            unsafe (own[0], own[1]) = unsafe list[index].sums
            unsafe own[2] = unsafe Double(list[index].tensor.run.count)
        }
    }

    /// What the latest pass has summed over an item, and over how many elements.
    func sums(of index: Int) -> (sums: (Double, Double), elements: Double) {
        guard let totals = unsafe totals else {
            return unsafe (list[index].sums, Double(list[index].tensor.run.count))
        }
        let own = unsafe totals + StepPlan.totalsPerParameter * owners[index].place
        return unsafe ((own[0], own[1]), own[2])
    }

    /// Gives some items their memory, and returns how many of them have work on matrices.
    @inline(never)
    private func place(_ items: Range<Int>) -> Int {
        guard var place = unsafe memory else { return 0 }
        var count = 0
        for index in items {
            let owner = unsafe owners[index]
            let memory = unsafe GridMemory(place, owner.shape.grid, owner.memory)
            unsafe list[index].tensor.memory = unsafe memory
            if unsafe owner.memory.hasElements {
                unsafe memory.rowFactors.update(repeating: 1, count: owner.shape.matrices * owner.shape.rows)
            }
            if let own = unsafe owner.matrices {
                let placed = unsafe own.placed(
                    numbers: memory.columnFactors, memory: place + owner.sumByteCount, mode: list[index].mode)
                unsafe (matrices + count).initialize(to: placed)
                count += 1
            }
            unsafe place += unsafe owner.byteCount
        }
        return count
    }

    /// Does what stands before a pass with what the one before has left.
    @inline(never)
    private func workOnMatrices(_ count: Int, before pass: Int, isa: InstructionSet, threads: Int) {
        guard count > 0, let memory = unsafe executionMemory else { return }
        let execution = unsafe Execution(mode: .exact, isa: isa, threads: threads, memory: memory)
        var work = unsafe MatrixStage(
            execution: execution, matrices: UnsafeBufferPointer(start: matrices, count: count), stage: pass)
        unsafe FloatingPointMode.exact.call(MatrixStage.serve, &work)
    }

    /// What is worked out on the calling thread before a pass, in a floating-point mode of our own.
    @unsafe private struct Preparation {
        let passes: StepPasses
        let pass: Int
        let items: Range<Int>

        static let serve: @convention(c) (UnsafeMutableRawPointer) -> Void = { context in
            let request = unsafe context.assumingMemoryBound(to: Preparation.self).pointee
            unsafe request.passes.prepare(request.pass, request.items)
        }

        static let collect: @convention(c) (UnsafeMutableRawPointer) -> Void = { context in
            let request = unsafe context.assumingMemoryBound(to: Preparation.self).pointee
            unsafe request.passes.collect(request.pass, request.items)
        }
    }

    /// What is done with matrices between two passes, planned in a floating-point mode of our own, each in its item's.
    @unsafe private struct MatrixStage {
        let execution: Execution
        let matrices: UnsafeBufferPointer<MatrixItem>
        let stage: Int

        static let serve: @convention(c) (UnsafeMutableRawPointer) -> Void = { context in
            let work = unsafe context.assumingMemoryBound(to: MatrixStage.self).pointee
            unsafe work.execution.run(work.matrices, stage: work.stage)
        }
    }
}
