// The work of steps of several passes: parameters, cut into tiles whose bounds depend on sizes alone, all of which do one
// pass before any does the next. What happens between two passes is the optimizers' affair.
import MartletKernelInterface
import MartletPlatform

/// The passes of an algorithm, in order.
package struct Passes: RandomAccessCollection {
    private var list = InlineArray<6, Pass>(repeating: .adafactorSums)
    package private(set) var endIndex = 0

    package init(_ passes: Pass...) {
        for pass in passes { append(pass) }
    }

    /// A single one.
    package init(one pass: Pass) { append(pass) }

    package var startIndex: Int { 0 }
    package subscript(index: Int) -> Pass { list[index] }

    /// Whether the first sums by row, and not by column.
    package var sumRowsAlone: Bool { endIndex > 0 && list[0].sumsRows && !list[0].sumsColumns }

    /// The one that makes updates in memory of theirs, or masks them, where they are changed.
    package var updatePass: Int { last == .hyperballUpdate ? count - 4 : count - 2 }

    private mutating func append(_ pass: Pass) {
        list[endIndex] = pass
        endIndex += 1
    }

    /// The same with updates that something is done with before they are taken off: those of a rule, where there are no
    /// passes, of the last of them, or what others leave for `matrixUpdate`. They may be masked, and may keep the norm.
    package func changed(masks: Bool, keepsNorm: Bool) -> Passes {
        var result = self
        if last == .matrixUpdate { result.endIndex -= 1 }
        if isEmpty || last == .matrixUpdate && masks { result.append(.caution) }
        if !keepsNorm {
            result.append(.matrixUpdate)
            return result
        }
        result.append(.hyperballNorms)
        result.append(.hyperballMove)
        result.append(.hyperballUpdate)
        return result
    }
}

/// One parameter's part of such a step.
@unsafe package struct PassItem {
    package let passes: Passes
    package var tensor: GridTensor
    /// `StepCoefficients.capacity` bytes of its own, which may change between passes; they outlive the run.
    package let coefficients: UnsafeMutableRawPointer
    package let mode: FloatingPointMode
    /// How the arrays lie, in the order of their dimensions; nil where all are contiguous.
    let layout: Layout?
    package var caution: Caution?
    /// What is done around the first pass and the last; nil: nothing. It outlives the run.
    let stages: UnsafePointer<Stages>?
    /// Whether it looks at the gradient before the update, and runs the stages before that.
    let isMeasure: Bool
    /// The arrays that are stored in another form; nil: there are none. They outlive the run.
    let coded: UnsafePointer<CodedArrays>?
    /// The number of its first piece in the present pass.
    var start = 0

    package init(
        passes: Passes, tensor: GridTensor, coefficients: UnsafeMutableRawPointer, mode: FloatingPointMode,
        layout: Layout?, caution: Caution? = nil, stages: UnsafePointer<Stages>? = nil, isMeasure: Bool = false,
        coded: UnsafePointer<CodedArrays>? = nil
    ) {
        unsafe self.passes = passes
        unsafe self.tensor = unsafe tensor
        unsafe self.coefficients = unsafe coefficients
        unsafe self.mode = mode
        unsafe self.layout = unsafe layout
        unsafe self.caution = caution
        unsafe self.stages = unsafe stages
        unsafe self.isMeasure = isMeasure
        unsafe self.coded = unsafe coded
    }

    /// Whether its arrays are gathered, or fetched from another form.
    var goesByBlocks: Bool { unsafe layout != nil || coded != nil }

    /// What the latest pass has summed over all elements, in the order of the tiles. To be called in a floating-point mode
    /// of our own.
    package var sums: (Double, Double) {
        var sums = (0.0, 0.0)
        for tile in unsafe 0..<tensor.grid.tiles {
            sums.0 += unsafe tensor.memory.sums[GridMemory.sumCount * tile]
            sums.1 += unsafe tensor.memory.sums[GridMemory.sumCount * tile + 1]
        }
        return sums
    }

    fileprivate func pieces(of pass: Int) -> Int {
        if unsafe pass >= passes.count { return 0 }
        return unsafe passes[pass].isWhole ? 1 : tensor.grid.tiles
    }
}

/// Items in memory that the caller provides, run together, pass by pass.
@unsafe package struct PassList {
    package static var bytesPerItem: Int { unsafe MemoryLayout<PassItem>.stride }

    private let items: UnsafeMutablePointer<PassItem>
    package private(set) var count = 0
    private var elements = 0
    /// Passes of the item that has the most.
    package private(set) var passCount = 0
    /// Whether some array is stored in another type than the one computed in.
    private var converts = false
    /// Whether some item goes by blocks, or its updates are masked.
    private var gathers = false
    /// `gatherBytes` for each thread; nil where nothing is gathered.
    package var gathered: UnsafeMutableRawPointer?

    /// An empty list over room for the items to come.
    package init(memory: UnsafeMutableRawPointer) {
        unsafe items = memory.assumingMemoryBound(to: PassItem.self)
        unsafe gathered = nil
    }

    /// Bytes that a thread gathers blocks of arrays in, and one of gradients to be masked by: too many for its stack.
    package var gatherBytes: Int { unsafe gathers ? (Run.capacity + 1) * PassPiece.blockBytes : 0 }

    package subscript(index: Int) -> PassItem {
        unsafeAddress { unsafe UnsafePointer(items + index) }
        nonmutating unsafeMutableAddress { unsafe items + index }
    }

    /// Adds an item, which has elements.
    package mutating func add(_ item: PassItem) {
        unsafe (items + count).initialize(to: item)
        unsafe count += 1
        unsafe elements += item.tensor.run.count
        unsafe passCount = unsafe max(passCount, item.passes.count)
        unsafe converts = unsafe converts || item.tensor.run.converts
        unsafe gathers = unsafe gathers || item.goesByBlocks || item.caution != nil
    }

    /// As a list of one-pass work says.
    package var suitableISA: InstructionSet { unsafe WorkList.suitableISA(elements: elements, converts: converts) }

    /// What one pass needs to know, shared with the threads by address.
    @unsafe private struct Job {
        var items: UnsafeMutablePointer<PassItem>
        var count: Int
        var pass: Int
        var pieces: Int
        var chunk: Int
        var isa: InstructionSet
        /// `gatherBytes` for each thread, where there is an item that needs them.
        var gathered: UnsafeMutableRawPointer?
        var gatherBytes: Int
    }

    /// Does one pass of some items and returns how many threads did work.
    package func run(pass: Int, of some: Range<Int>, isa: InstructionSet, threads: Int, leastPiece: Int) -> Int {
        var pieces = 0
        var elements = 0
        for index in some {
            unsafe items[index].start = pieces
            pieces += unsafe items[index].pieces(of: pass)
            elements += unsafe items[index].tensor.run.count
        }
        if pieces == 0 { return 0 }
        let chunk = (pieces - 1) / 8192 + 1
        var job = unsafe Job(
            items: items + some.lowerBound, count: some.count, pass: pass, pieces: pieces, chunk: chunk, isa: isa,
            gathered: gathered, gatherBytes: gatherBytes)
        return unsafe withUnsafeMutablePointer(to: &job) { job in
            let context = UnsafeMutableRawPointer(job)
            let chunks = (pieces - 1) / chunk + 1
            if threads == 1 || elements < 4 * leastPiece {
                for index in 0..<chunks { unsafe PassList.runChunk(context, index, 0) }
                return 1
            }
            return unsafe ThreadPool.run(
                chunks: chunks, threads: threads, wake: elements / 128 >= leastPiece, warm: true,
                body: PassList.runChunk, context: context)
        }
    }

    private static let runChunk: ThreadPool.Body = { context, chunk, thread in
        let job = unsafe context.assumingMemoryBound(to: Job.self).pointee
        let end = unsafe min((chunk + 1) * job.chunk, job.pieces)
        var index = unsafe lastPlace(among: job.count) { unsafe job.items[$0].start <= chunk * job.chunk }
        for piece in unsafe chunk * job.chunk..<end {
            while unsafe piece - job.items[index].start >= job.items[index].pieces(of: job.pass) { index += 1 }
            let item = unsafe job.items + index
            let pass = unsafe item.pointee.passes[job.pass]
            var work = unsafe PassPiece(
                item: item, pass: pass, kernel: job.isa.pass(pass), isa: job.isa,
                piece: piece - item.pointee.start,
                makesUpdates: item.pointee.caution != nil && job.pass == item.pointee.passes.updatePass,
                gathered: job.gathered.map { unsafe $0 + thread * job.gatherBytes })
            let isMeasure = unsafe item.pointee.isMeasure
            if unsafe job.pass == 0 {
                unsafe item.runStages(isMeasure ? .arriving : .before, piece: work.piece, job.isa)
            }
            unsafe item.pointee.mode.call(PassPiece.run, &work)
            if unsafe job.pass == item.pointee.passes.count - 1 && !isMeasure {
                unsafe item.runStages(.behind, piece: work.piece, job.isa)
            }
        }
    }
}
