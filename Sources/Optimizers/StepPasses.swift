// The part of a step whose algorithms go over their parameters several times: all parameters do one pass, then each
// algorithm makes its coefficients ready for the next.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// Parameters of such algorithms, in memory that the plan provides.
@unsafe struct StepPasses {
    @unsafe private struct Owner {
        let algorithm: Algorithm
        /// As the passes see it, and as it is.
        let shape, parameter: ParameterShape
        let memory: GridMemory.Kind
        /// What is made orthogonal before the last pass.
        let matrices: Orthogonalization?

        var sumByteCount: Int { unsafe GridMemory.byteCount(shape.grid, memory) }
        var byteCount: Int { unsafe sumByteCount + (matrices?.byteCount ?? 0) }
    }

    private var list: PassList
    private let owners: UnsafeMutablePointer<Owner>
    /// Bytes for what the passes sum.
    private var sumBytes = 0
    /// Items with matrices that are made orthogonal, which lie behind the owners.
    private var matrixCount = 0
    private let matrices: UnsafeMutablePointer<Orthogonalization>
    private var executionMemory: UnsafeMutableRawPointer?

    static var bytesPerItem: Int {
        unsafe PassList.bytesPerItem + MemoryLayout<Owner>.stride + MemoryLayout<Orthogonalization>.stride
    }

    /// An empty list over room for `capacity` items.
    init(memory: UnsafeMutableRawPointer, capacity: Int) {
        unsafe list = unsafe PassList(memory: memory)
        unsafe owners = (memory + capacity * PassList.bytesPerItem).assumingMemoryBound(to: Owner.self)
        unsafe matrices = unsafe UnsafeMutableRawPointer(owners + capacity).assumingMemoryBound(
            to: Orthogonalization.self)
    }

    var isEmpty: Bool { unsafe list.count == 0 }

    var suitableISA: InstructionSet { unsafe list.suitableISA }

    /// Adds a parameter, which has elements. `coefficients` are its own.
    mutating func add(
        _ parameter: ParameterView, _ given: ParameterShape, _ algorithm: Algorithm, _ slots: Slots, _ run: Run,
        _ coefficients: UnsafeMutableRawPointer, _ mode: FloatingPointMode, _ layout: Layout?
    ) throws(MartletError) {
        func slot(_ kind: Slot.Kind) -> Operand {
            guard let index = slots.firstIndex(where: { $0.kind == kind }),
                let base = unsafe parameter.state.span[index].base
            else { return unsafe run.arrays[Run.value] }
            return unsafe Operand(base: base, type: parameter.state.span[index].type)
        }
        let shape = algorithm.shape(given)
        let matrices = unsafe algorithm.orthogonalization(given, isDouble: run.isDouble, coefficients)
        let kind: GridMemory.Kind = unsafe matrices != nil ? .factors : shape.hasLargeMatrices ? .grid : .sums
        let owner = unsafe Owner(
            algorithm: algorithm, shape: shape, parameter: given, memory: kind, matrices: matrices)
        let (end, overflow) = unsafe sumBytes.addingReportingOverflow(owner.byteCount)
        guard !overflow else { throw MartletError(.memory, "no memory for the sums of a step") }
        unsafe (owners + list.count).initialize(to: owner)
        if unsafe matrices != nil { unsafe matrixCount += 1 }
        // Where the sums lie is settled once all parameters are known.
        let memory = unsafe GridMemory(coefficients, shape.grid, kind)
        unsafe list.add(
            PassItem(
                passes: algorithm.passes(shape),
                tensor: GridTensor(
                    grid: shape.grid, run: run, memory: memory, rowState: slot(.rows), columnState: slot(.columns)),
                coefficients: coefficients, mode: mode, layout: layout))
        unsafe sumBytes = end
    }

    /// Takes the memory for sums, and for blocks that as many threads gather; nothing that is done afterwards can fail.
    /// Throws `.memory`.
    mutating func placeSums(_ record: ThreadRecord, threads: Int) throws(MartletError) {
        if unsafe isEmpty { return }
        let executionBytes = unsafe matrixCount > 0 ? Execution.byteCount(threads: threads) : 0
        let (bytes, overflow) = unsafe sumBytes.addingReportingOverflow(threads * list.gatherBytes + executionBytes)
        guard !overflow, var place = unsafe record.sums(byteCount: bytes) else {
            throw unsafe MartletError(.memory, "no memory for the sums of a step of \(list.count) parameters")
        }
        unsafe executionMemory = unsafe place
        unsafe place += executionBytes
        if unsafe list.gatherBytes > 0 {
            unsafe list.gathered = unsafe place
            unsafe place += unsafe threads * list.gatherBytes
        }
        var next = 0
        for index in unsafe 0..<list.count {
            let owner = unsafe owners[index]
            let memory = unsafe GridMemory(place, owner.shape.grid, owner.memory)
            unsafe list[index].tensor.memory = unsafe memory
            if var own = unsafe owner.matrices {
                unsafe memory.rowFactors.pointee = 1
                unsafe own.numbers = unsafe memory.columnFactors
                unsafe own.memory = unsafe place + owner.sumByteCount
                unsafe (matrices + next).initialize(to: own)
                next += 1
            }
            unsafe place += unsafe owner.byteCount
        }
    }

    /// Does all passes and returns how many threads did work.
    func run(isa: InstructionSet, threads: Int) -> Int {
        var working = 0
        for pass in unsafe 0..<list.passCount {
            if pass == 1 { unsafe orthogonalize(isa: isa, threads: threads) }
            var preparation = unsafe Preparation(passes: self, pass: pass)
            unsafe FloatingPointMode.exact.call(Preparation.serve, &preparation)
            working = unsafe max(
                working, list.run(pass: pass, isa: isa, threads: threads, leastPiece: Settings.chunk))
        }
        return working
    }

    /// Makes what first passes have left orthogonal.
    private func orthogonalize(isa: InstructionSet, threads: Int) {
        guard unsafe matrixCount > 0, let memory = unsafe executionMemory else { return }
        let execution = unsafe Execution(mode: .flush, isa: isa, threads: threads, memory: memory)
        unsafe execution.orthogonalize(UnsafeBufferPointer(start: matrices, count: matrixCount))
    }

    private func prepare(_ pass: Int) {
        for index in unsafe 0..<list.count {
            let (item, owner) = unsafe (list[index], owners[index])
            if unsafe pass >= item.passes.count { continue }
            var start = unsafe PassStart(
                pass: pass, passCount: item.passes.count, shape: owner.shape, parameter: owner.parameter,
                type: item.tensor.run.arrays[Run.value].type)
            if pass > 0 { start.sums = unsafe item.sums }
            unsafe owner.algorithm.prepare(start, item.coefficients)
        }
    }

    /// What is worked out on the calling thread before a pass, in a floating-point mode of our own.
    @unsafe private struct Preparation {
        let passes: StepPasses
        let pass: Int

        static let serve: @convention(c) (UnsafeMutableRawPointer) -> Void = { context in
            let request = unsafe context.assumingMemoryBound(to: Preparation.self).pointee
            unsafe request.passes.prepare(request.pass)
        }
    }
}
