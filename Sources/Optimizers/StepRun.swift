// How a step that is planned is carried out: memory is checked and taken, gradients are looked at, and what that says is done
// or left; then passes and sweeps run, and counters are written.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

extension StepPlan {
    /// Checks the memory of all parameters against each other, runs the work on as many threads (nil: the setting in
    /// force), and counts the steps. Throws `.stopped` where a reduction failed.
    package mutating func run(threads: Int? = nil, reduction: Reduction? = nil) throws(MartletError) -> StepReport {
        if let (first, second) = unsafe extents.conflict() {
            let spelling = unsafe spelling
            func describe(_ extent: Extent) -> String {
                unsafe spelling.describe(extent.role, parameter: extent.parameter, name: extent.name)
            }
            throw unsafe MartletError(
                .overlap,
                "\(describe(first)) and \(describe(second)) overlap in memory; expected written arrays to overlap nothing"
            )
        }
        let chosen = try Settings.chosenISA
        // What products give differs between instruction sets, so that the size of a step has no say in which it is.
        let ofMatrices = chosen ?? .best
        let isa =
            unsafe matrixPasses.isEmpty
            ? chosen ?? (passes.isEmpty ? work.suitableISA : passes.suitableISA) : ofMatrices
        let most = if let threads { threads } else { try Settings.threads }
        let room = try unsafe placePasses(threads: most)
        var report = unsafe StepReport(skipped: skipped)
        if let room = unsafe room, unsafe !measure.isEmpty {
            let finding = try unsafe measured(room.sums, chosen, most, reduction)
            (report.gradientNorm, report.nonfinite) = (finding.norm, finding.nonfinite ?? -1)
            report.isDropped = finding.skips
            if finding.skips {
                for index in unsafe 0..<stagesCount { unsafe stages[index].skip(isa) }
                return report
            }
        }
        if let kept = unsafe room?.kept { unsafe change.place(in: kept) }
        let caughtUp = unsafe deferredSteps.catchUp(chosen, threads: most)
        let passed = try unsafe runPasses(chosen, most, reduction)
        let begun =
            unsafe rowSteps.beginnings.isEmpty
            ? 0 : rowSteps.beginnings.run(isa: isa, threads: most, leastPiece: Settings.chunk)
        let swept = unsafe work.run(isa: chosen ?? work.suitableISA, threads: most, leastPiece: Settings.chunk)
        let turned = unsafe matrixPasses.run(isa: ofMatrices, threads: most)
        let working = max(caughtUp, begun, swept, passed, turned ?? 0)
        var norm: Double? = .nan
        if let kept = unsafe room?.kept { norm = unsafe changed(kept, chosen, most, reduction) }
        unsafe record.lastISA = isa.rawValue
        unsafe record.lastThreads = Int32(working)
        unsafe deferredSteps.keep()
        for index in unsafe 0..<scalarsCount { unsafe scalars[index].write() }
        for index in unsafe 0..<counterCount { unsafe counters[index].write() }
        guard let norm else {
            throw MartletError(.stopped, "reduce did not return 0; all has been stepped, and update_norm is not known")
        }
        report.updateNorm = norm
        return report
    }

    /// The norm of what has changed; nil where a reduction failed.
    @inline(never)
    private mutating func changed(
        _ memory: UnsafeMutableRawPointer, _ chosen: InstructionSet?, _ threads: Int, _ reduction: Reduction?
    ) -> Double? {
        unsafe record.isLent = reduction != nil
        defer { unsafe record.isLent = false }
        return unsafe change.norm(memory, chosen, threads: threads, shards: isSharded ? count : 0, reduction)
    }

    /// What is found of gradients, which settles what they are multiplied by.
    @inline(never)
    private mutating func measured(
        _ memory: UnsafeMutableRawPointer, _ chosen: InstructionSet?, _ threads: Int, _ reduction: Reduction?
    ) throws(MartletError) -> StepMeasure.Finding {
        unsafe record.isLent = reduction != nil
        defer { unsafe record.isLent = false }
        guard
            let finding = unsafe measure.run(
                memory, chosen, threads: threads, shards: isSharded ? count : 0, reduction)
        else {
            throw MartletError(.stopped, "reduce did not return 0; nothing has been stepped")
        }
        return finding
    }

    /// First of all, since what a reduction does can fail: what needs none is then as it was.
    private func runPasses(
        _ chosen: InstructionSet?, _ threads: Int, _ reduction: Reduction?
    ) throws(MartletError) -> Int {
        unsafe record.isLent = reduction != nil
        defer { unsafe record.isLent = false }
        guard
            let working = unsafe passes.run(
                isa: chosen ?? passes.suitableISA, threads: threads, reduction: reduction)
        else {
            throw MartletError(
                .stopped,
                "reduce did not return 0; parameters and state of the groups whose sums it adds may be partly stepped")
        }
        return working
    }

    /// Takes the memory of steps of several passes and of what is measured, which use it one after the other, and behind it
    /// that of values as they were, where such are kept; nothing that is done afterwards can fail. Nil where none is needed.
    /// Throws `.memory`.
    @inline(never)
    private mutating func placePasses(
        threads: Int
    ) throws(MartletError) -> (sums: UnsafeMutableRawPointer, kept: UnsafeMutableRawPointer?)? {
        if unsafe passes.isEmpty && matrixPasses.isEmpty && measure.isEmpty && change.isEmpty { return nil }
        if unsafe isSharded { unsafe passes.shardCount = count }
        guard let own = unsafe passes.byteCount(threads: threads),
            let ofMatrices = unsafe matrixPasses.byteCount(threads: threads)
        else { throw unsafe noMemory }
        let ofMeasure = unsafe measure.byteCount(threads: threads, shards: isSharded ? count : 0)
        let sums = (max(own, ofMatrices, ofMeasure) + 63) & ~63
        let ofChange = unsafe change.byteCount(threads: threads, shards: isSharded ? count : 0)
        let (bytes, overflow) = sums.addingReportingOverflow(ofChange)
        guard !overflow, let memory = unsafe record.sums(byteCount: bytes) else { throw unsafe noMemory }
        unsafe passes.use(memory, threads: threads)
        unsafe matrixPasses.use(memory, threads: threads)
        return unsafe (memory, change.isEmpty ? nil : memory + sums)
    }

    private var noMemory: MartletError {
        unsafe MartletError(.memory, "no memory for the sums of a step of \(count) parameters")
    }
}
