// The part of a step whose algorithms go over their parameters several times: all parameters do one pass, then each
// algorithm makes its coefficients ready for the next.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// Parameters of such algorithms, in memory that the plan provides.
@unsafe struct StepPasses {
    private struct Owner {
        let algorithm: Algorithm
        let shape: ParameterShape
    }

    private var list: PassList
    private let owners: UnsafeMutablePointer<Owner>
    /// Bytes for what the passes sum.
    private var sumBytes = 0

    static var bytesPerItem: Int { unsafe PassList.bytesPerItem + MemoryLayout<Owner>.stride }

    /// An empty list over room for `capacity` items.
    init(memory: UnsafeMutableRawPointer, capacity: Int) {
        unsafe list = unsafe PassList(memory: memory)
        unsafe owners = (memory + capacity * PassList.bytesPerItem).assumingMemoryBound(to: Owner.self)
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
        let (end, overflow) = unsafe sumBytes.addingReportingOverflow(
            GridMemory.byteCount(shape.grid, hasGrid: shape.hasLargeMatrices))
        guard !overflow else { throw MartletError(.memory, "no memory for the sums of a step") }
        unsafe (owners + list.count).initialize(to: Owner(algorithm: algorithm, shape: shape))
        // Where the sums lie is settled once all parameters are known.
        let memory = unsafe GridMemory(coefficients, shape.grid, hasGrid: shape.hasLargeMatrices)
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
        let (bytes, overflow) = unsafe sumBytes.addingReportingOverflow(threads * list.gatherBytes)
        guard !overflow, var place = unsafe record.sums(byteCount: bytes) else {
            throw unsafe MartletError(.memory, "no memory for the sums of a step of \(list.count) parameters")
        }
        if unsafe list.gatherBytes > 0 {
            unsafe list.gathered = unsafe place
            unsafe place += unsafe threads * list.gatherBytes
        }
        for index in unsafe 0..<list.count {
            let shape = unsafe owners[index].shape
            unsafe list[index].tensor.memory = unsafe GridMemory(place, shape.grid, hasGrid: shape.hasLargeMatrices)
            unsafe place += unsafe GridMemory.byteCount(shape.grid, hasGrid: shape.hasLargeMatrices)
        }
    }

    /// Does all passes and returns how many threads did work.
    func run(isa: InstructionSet, threads: Int) -> Int {
        var working = 0
        for pass in unsafe 0..<list.passCount {
            var preparation = unsafe Preparation(passes: self, pass: pass)
            unsafe FloatingPointMode.exact.call(Preparation.serve, &preparation)
            working = unsafe max(
                working, list.run(pass: pass, isa: isa, threads: threads, leastPiece: Settings.chunk))
        }
        return working
    }

    private func prepare(_ pass: Int) {
        for index in unsafe 0..<list.count {
            let (item, owner) = unsafe (list[index], owners[index])
            if unsafe pass >= item.passes.count { continue }
            var start = unsafe PassStart(
                pass: pass, passCount: item.passes.count, shape: owner.shape,
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
