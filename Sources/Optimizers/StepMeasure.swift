// What is measured of gradients before a step, in one pass over them: the norm of all of them together and of each, and the
// first that is not finite. Sums of squares are in fp64, in an order that counts alone decide.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// The parameters of a step whose gradients are looked at.
@unsafe struct StepMeasure {
    @unsafe private struct Owner {
        /// Its place in the step, and its item's in the list; a shard without elements has none.
        let place: Int
        let item: Int?
        let clipping: Clipping
        /// Of its update, its own; nil: the gradient is added to a mean alone.
        let coefficients: UnsafeMutableRawPointer?
        /// The norm of its gradient, of the loss as it was before it was scaled.
        var norm = 0.0
    }

    private let pass: Pass
    private var list: PassList
    private let owners: UnsafeMutablePointer<Owner>
    private var count = 0
    private let coefficients: UnsafeMutableRawPointer
    private var sumBytes = 0

    /// Bytes for so many parameters.
    static func byteCount(_ parameters: Int) -> Int? {
        let (bytes, overflow) = unsafe parameters.multipliedReportingOverflow(
            by: PassList.bytesPerItem + MemoryLayout<Owner>.stride)
        let (all, tooMany) = bytes.addingReportingOverflow(StepCoefficients.capacity)
        return overflow || tooMany ? nil : all
    }

    /// An empty list over that many bytes.
    init(memory: UnsafeMutableRawPointer, capacity: Int, pass: Pass = .gradientSquares) {
        unsafe self.pass = pass
        unsafe coefficients = unsafe memory
        let items = unsafe memory + StepCoefficients.capacity
        unsafe list = unsafe PassList(memory: items)
        unsafe owners = (items + capacity * PassList.bytesPerItem).assumingMemoryBound(to: Owner.self)
    }

    var isEmpty: Bool { unsafe count == 0 }

    /// Adds a parameter, which has elements, by the run and the coefficients of its update.
    mutating func add(
        _ run: Run, _ layout: Layout?, _ place: Int, _ clipping: Clipping, _ own: UnsafeMutableRawPointer?,
        _ stages: UnsafePointer<Stages>?
    ) {
        if unsafe list.count == 0 {
            unsafe coefficients.storeBytes(of: RunTerms(), as: RunTerms.self)
            unsafe (coefficients + StepCoefficients.ruleOffset).storeBytes(
                of: MatrixUpdateCoefficients(), as: MatrixUpdateCoefficients.self)
        }
        var gradient = unsafe run
        unsafe gradient.arrayCount = Run.state
        let grid = ParameterShape(count: unsafe run.count).grid
        let value = unsafe run.arrays[Run.value]
        unsafe addOwner(Owner(place: place, item: list.count, clipping: clipping, coefficients: own))
        unsafe list.add(
            PassItem(
                passes: Passes(one: pass),
                tensor: GridTensor(
                    grid: grid, run: gradient, memory: GridMemory(coefficients, grid, .sums), rowState: value,
                    columnState: value),
                coefficients: coefficients, mode: .exact, layout: layout, stages: own == nil ? nil : stages,
                isMeasure: true))
        unsafe sumBytes += unsafe GridMemory.byteCount(grid, .sums)
    }

    /// Adds a shard without elements, whose other shards are looked at elsewhere.
    mutating func addEmpty(_ place: Int, _ clipping: Clipping, _ own: UnsafeMutableRawPointer?) {
        unsafe addOwner(Owner(place: place, item: nil, clipping: clipping, coefficients: own))
    }

    private mutating func addOwner(_ owner: Owner) {
        unsafe (owners + count).initialize(to: owner)
        unsafe count += 1
    }

    /// Bytes for sums, on so many threads, of a step of `shards` parameters where they are such.
    func byteCount(threads: Int, shards: Int) -> Int {
        unsafe isEmpty ? 0 : sumBytes + threads * list.gatherBytes + totalsByteCount(shards)
    }

    private func totalsByteCount(_ shards: Int) -> Int { unsafe (8 * StepPlan.totalsPerParameter * shards + 63) & ~63 }

    /// What is found.
    struct Finding {
        var norm = Double.nan
        /// The place of the first parameter whose gradient is not finite.
        var nonfinite: Int?
        var skips = false
    }

    /// Looks at all gradients, over that many bytes, and puts what they are to be multiplied by into the coefficients of the
    /// updates. With a reduction parameters are shards, of `shards`; nil where that failed.
    mutating func run(
        _ memory: UnsafeMutableRawPointer, _ isa: InstructionSet?, threads: Int, shards: Int, _ reduction: Reduction?
    ) -> Finding? {
        guard let totals = unsafe summed(memory, isa, threads: threads, shards: shards, reduction) else { return nil }
        return unsafe decided(reduction == nil ? nil : totals)
    }

    /// Sums up, over that many bytes, at whose start is then what a reduction makes of the sums; nil where that failed.
    mutating func summed(
        _ memory: UnsafeMutableRawPointer, _ isa: InstructionSet?, threads: Int, shards: Int, _ reduction: Reduction?
    ) -> UnsafeMutablePointer<Double>? {
        unsafe sum(memory, isa, threads: threads, shards: shards)
        let totals = unsafe memory.assumingMemoryBound(to: Double.self)
        guard let reduction = unsafe reduction else { return unsafe totals }
        unsafe totals.update(repeating: 0, count: StepPlan.totalsPerParameter * shards)
        unsafe withSums { place, sum, elements in
            let own = unsafe totals + StepPlan.totalsPerParameter * place
            unsafe (own[0], own[2]) = (sum, Double(elements))
        }
        let all = unsafe UnsafeMutableBufferPointer(start: totals, count: StepPlan.totalsPerParameter * shards)
        return unsafe reduction(all) ? totals : nil
    }

    /// Says where the gradient of an item is, which had no place when it was added.
    func moveGradient(of item: Int, to place: UnsafeMutableRawPointer) {
        unsafe list[item].tensor.run.arrays[Run.gradient].base = place
    }

    /// Sums up, over that many bytes.
    mutating func sum(_ memory: UnsafeMutableRawPointer, _ isa: InstructionSet?, threads: Int, shards: Int) {
        var place = unsafe memory + totalsByteCount(shards)
        for index in unsafe 0..<list.count {
            let grid = unsafe list[index].tensor.grid
            unsafe list[index].tensor.memory = unsafe GridMemory(place, grid, .sums)
            unsafe place += unsafe GridMemory.byteCount(grid, .sums)
        }
        if unsafe list.gatherBytes > 0 { unsafe list.gathered = unsafe place }
        _ = unsafe list.run(
            pass: 0, of: 0..<list.count, isa: isa ?? list.suitableISA, threads: threads, leastPiece: Settings.chunk)
    }

    /// The places of all parameters, their sums of squares and counts of elements, in a floating-point mode of our own.
    func withSums(_ body: (_ place: Int, _ sum: Double, _ elements: Int) -> Void) {
        let host = FloatingPointMode.exact.enter()
        for index in unsafe 0..<count {
            guard let item = unsafe owners[index].item else { continue }
            unsafe body(owners[index].place, list[item].sums.0, list[item].tensor.run.count)
        }
        host.restore()
    }

    private func decided(_ totals: UnsafeMutablePointer<Double>?) -> Finding {
        let host = FloatingPointMode.exact.enter()
        defer { host.restore() }
        var finding = Finding()
        var (squares, measures) = (0.0, false)
        for index in unsafe 0..<count {
            let owner = unsafe owners + index
            let own = unsafe owner.pointee.item.map { unsafe list[$0].sums.0 } ?? 0
            let sum = unsafe totals.map { unsafe $0[StepPlan.totalsPerParameter * owner.pointee.place] } ?? own
            let norm = unsafe sum.squareRoot() / owner.pointee.clipping.lossScale
            unsafe owner.pointee.norm = norm
            if unsafe owner.pointee.coefficients != nil {
                squares += norm * norm
                measures = true
            }
            if !norm.isFinite {
                finding.nonfinite = unsafe finding.nonfinite ?? owner.pointee.place
                finding.skips = unsafe finding.skips || owner.pointee.clipping.skipsNonfinite
            }
        }
        if measures { finding.norm = squares.squareRoot() }
        if finding.skips { return finding }
        for index in unsafe 0..<count {
            let owner = unsafe owners[index]
            guard let coefficients = unsafe owner.coefficients else { continue }
            var terms = unsafe coefficients.load(as: RunTerms.self)
            unsafe terms.gradientScale *= owner.clipping.scale(norm: owner.norm, of: finding.norm)
            unsafe coefficients.storeBytes(of: terms, as: RunTerms.self)
        }
        return finding
    }
}
