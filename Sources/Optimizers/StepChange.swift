// The norm of what a step changes parameters by: each is kept as it was, in memory of the thread, and compared behind the step.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// The parameters of a step whose change is asked for.
@unsafe struct StepChange {
    /// One of them: its stages, and where among their arrays the value as it was is.
    @unsafe private struct Kept {
        let stages: UnsafeMutablePointer<Stages>
        let array: Int
        let bytes: Int
    }

    private var measure: StepMeasure
    private let kept: UnsafeMutablePointer<Kept>
    private var count = 0
    private var keptBytes = 0

    /// Bytes for so many parameters.
    static func byteCount(_ parameters: Int) -> Int? {
        let (bytes, overflow) = unsafe parameters.multipliedReportingOverflow(by: MemoryLayout<Kept>.stride)
        let (all, tooMany) = unsafe bytes.addingReportingOverflow(StepMeasure.byteCount(parameters) ?? .max)
        return overflow || tooMany ? nil : all
    }

    /// An empty list over that many bytes.
    init(memory: UnsafeMutableRawPointer, capacity: Int) {
        unsafe kept = memory.assumingMemoryBound(to: Kept.self)
        unsafe measure = StepMeasure(
            memory: UnsafeMutableRawPointer(kept + capacity), capacity: capacity, pass: .changeSquares)
    }

    var isEmpty: Bool { unsafe measure.isEmpty }

    /// Adds a shard without elements, whose other shards change elsewhere.
    mutating func addEmpty(_ place: Int) { unsafe measure.addEmpty(place, Clipping(Configuration(.sgd)), nil) }

    /// Adds a parameter by the run of its value and of the value as it was, whose place is still to be known, which is this
    /// array of its stages.
    mutating func add(_ run: Run, _ layout: Layout?, _ place: Int, _ stages: UnsafeMutablePointer<Stages>, array: Int) {
        let bytes = unsafe (run.count * run.arrays[Run.value].type.size + 63) & ~63
        unsafe (kept + count).initialize(to: Kept(stages: stages, array: array, bytes: bytes))
        unsafe count += 1
        unsafe keptBytes += bytes
        unsafe measure.add(run, layout, place, Clipping(Configuration(.sgd)), nil, nil)
    }

    /// Bytes for values as they were, and for sums on so many threads, which come behind them. shards: how many parameters
    /// are such.
    func byteCount(threads: Int, shards: Int) -> Int {
        unsafe isEmpty ? 0 : keptBytes + measure.byteCount(threads: threads, shards: shards)
    }

    /// Says where values are kept, before the step.
    func place(in memory: UnsafeMutableRawPointer) {
        var place = unsafe memory
        for index in unsafe 0..<count {
            unsafe kept[index].stages.pointee.move(kept[index].array, to: place)
            unsafe measure.moveGradient(of: index, to: place)
            unsafe place += unsafe kept[index].bytes
        }
    }

    /// The norm, behind the step: with a reduction that of all shards, nil where it failed.
    mutating func norm(
        _ memory: UnsafeMutableRawPointer, _ isa: InstructionSet?, threads: Int, shards: Int, _ reduction: Reduction?
    ) -> Double? {
        let totals = unsafe measure.summed(memory + keptBytes, isa, threads: threads, shards: shards, reduction)
        guard let totals = unsafe totals else { return nil }
        var squares = 0.0
        if unsafe reduction == nil {
            unsafe measure.withSums { _, sum, _ in squares += sum }
        } else {
            for place in 0..<shards { squares += unsafe totals[StepPlan.totalsPerParameter * place] }
        }
        return squares.squareRoot()
    }
}
