// Sums of squares of arrays by themselves, as a step takes them of its gradients.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// The sums of a call under construction, in scratch memory of the calling thread.
@unsafe package struct MeasurePlan {
    private let record: ThreadRecord
    private var measure: StepMeasure
    private var layoutNumbers: UnsafeMutablePointer<Int>
    private var count = 0
    private var arrays: StepArrays

    /// An empty plan for so many arrays, `totalRank` the sum of their ranks.
    package init(arrays: Int, totalRank: Int) throws(MartletError) {
        guard let record = ThreadRecord.current, !record.isLent else {
            throw MartletError(
                .busy, "this thread is inside a reduce function; expected no call before that has returned")
        }
        let layouts = unsafe totalRank * (Run.state + 1) * MemoryLayout<Int>.stride
        let views = unsafe StepArrays.capacity * MemoryLayout<ArrayView>.stride
        guard let bytes = unsafe StepMeasure.byteCount(arrays),
            let memory = unsafe record.scratch(byteCount: layouts + views + bytes)
        else {
            throw MartletError(.memory, "no memory for sums over \(arrays) arrays")
        }
        unsafe self.record = record
        unsafe layoutNumbers = memory.assumingMemoryBound(to: Int.self)
        unsafe self.arrays = StepArrays(memory: memory + layouts)
        unsafe measure = StepMeasure(memory: memory + layouts + views, capacity: arrays)
    }

    /// Checks an array and adds its work.
    package mutating func add(_ array: ArrayView) throws(MartletError) {
        let index = unsafe count
        unsafe count += 1
        var check = unsafe ParameterCheck(count: array.count)
        _ = try unsafe check.extent(of: array, .gradient, index) { _ in "arrays[\(index)]" }
        if unsafe array.count == 0 { return }
        unsafe arrays.start(array, gradient: array)
        let layout = unsafe check.layout(of: arrays, numbers: &layoutNumbers)
        unsafe measure.add(
            arrays.run(isDouble: check.isDouble, nowhere: UnsafeMutableRawPointer(layoutNumbers)), layout, index,
            Clipping(Configuration(.sgd)), nil,
            nil)
    }

    /// Writes the sum of each array's squares.
    package mutating func run(to target: UnsafeMutablePointer<Double>) throws(MartletError) {
        let (isa, threads) = (try Settings.chosenISA, try Settings.threads)
        guard let memory = unsafe record.sums(byteCount: measure.byteCount(threads: threads, shards: 0)) else {
            throw unsafe MartletError(.memory, "no memory for sums over \(count) arrays")
        }
        unsafe target.update(repeating: 0, count: count)
        unsafe measure.sum(memory, isa, threads: threads, shards: 0)
        unsafe measure.withSums { place, sum, _ in unsafe target[place] = sum }
    }
}
