// The memory of a step plan: one piece, in which each part has its place.
import MartletCompute
import MartletKernelInterface

/// Where the parts of a plan lie in its memory.
struct StepRoom {
    var passes = 0
    var matrixPasses = 0
    var groups = 0
    var extents = 0
    var coefficients = 0
    var counters = 0
    var scalars = 0
    var stages = 0
    var coded = 0
    var layouts = 0
    var total: Int?

    init(parameters: Int, groups: Int, totalRank: Int) {
        var end: Int? = 0
        func take(_ count: Int, _ size: Int) -> Int {
            let start = end ?? 0
            let (bytes, tooMany) = count.multipliedReportingOverflow(by: size)
            let (next, tooFar) = start.addingReportingOverflow(bytes)
            if tooMany || tooFar { end = nil } else { end = end.map { _ in next } }
            return start
        }
        _ = unsafe take(parameters, WorkList.bytesPerItem)
        passes = unsafe take(parameters, StepPasses.bytesPerItem)
        matrixPasses = unsafe take(parameters, StepPasses.bytesPerItem)
        self.groups = take(groups, MemoryLayout<StepGroup>.stride)
        extents = unsafe take(parameters, StepPlan.extentsPerParameter * ExtentList.bytesPerExtent)
        coefficients = take(parameters, StepCoefficients.capacity)
        counters = unsafe take(parameters, MemoryLayout<StepCounter>.stride)
        scalars = unsafe take(parameters, MemoryLayout<ScalarSlots>.stride)
        stages = unsafe take(parameters, MemoryLayout<Stages>.stride)
        coded = unsafe take(parameters, MemoryLayout<CodedArrays>.stride)
        // Every array of a parameter, what stands beside its value too, gets as many strides as the longest of them has, and
        // the sizes once.
        layouts = unsafe take(totalRank, (Run.capacity + Stages.mostArrays + 2) * MemoryLayout<Int>.stride)
        total = end
    }
}
