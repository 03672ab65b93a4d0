// The memory of a step plan: one piece, in which each part has its place.
import MartletCompute
import MartletKernelInterface

/// Where the parts of a plan lie in its memory.
struct StepRoom {
    var plan = 0
    var passes = 0
    var matrixPasses = 0
    var groups = 0
    var extents = 0
    var coefficients = 0
    var counters = 0
    var scalars = 0
    var stages = 0
    var measure = 0
    var change = 0
    var current = 0
    var arrays = 0
    var both = 0
    var coded = 0
    var layouts = 0
    var catchUps = 0
    var deferred = 0
    let parameters: Int
    /// For parameters with rows; of no use where there are none.
    var beginnings = 0
    var touched = 0
    var copying = 0
    var rows = 0
    var total: Int?

    init(parameters: Int, groups: Int, totalRank: Int, totalRows: Int) {
        self.parameters = parameters
        var end: Int? = 0
        func take(_ count: Int, _ size: Int) -> Int {
            let start = end ?? 0
            let (bytes, tooMany) = count.multipliedReportingOverflow(by: size)
            let (next, tooFar) = start.addingReportingOverflow(bytes)
            if tooMany || tooFar { end = nil } else { end = end.map { _ in next } }
            return start
        }
        _ = unsafe take(parameters, WorkList.bytesPerItem)
        plan = unsafe take(1, MemoryLayout<StepPlan>.stride)
        passes = unsafe take(parameters, StepPasses.bytesPerItem)
        matrixPasses = unsafe take(parameters, StepPasses.bytesPerItem)
        self.groups = take(groups, MemoryLayout<StepGroup>.stride)
        extents = unsafe take(parameters, StepPlan.extentsPerParameter * ExtentList.bytesPerExtent)
        coefficients = take(parameters, StepCoefficients.capacity)
        counters = unsafe take(parameters, MemoryLayout<StepCounter>.stride)
        scalars = unsafe take(parameters, MemoryLayout<ScalarSlots>.stride)
        stages = unsafe take(parameters, MemoryLayout<Stages>.stride)
        measure = unsafe take(1, StepMeasure.byteCount(parameters) ?? .max)
        change = unsafe take(1, StepChange.byteCount(parameters) ?? .max)
        coded = unsafe take(parameters, MemoryLayout<CodedArrays>.stride)
        current = unsafe take(1, MemoryLayout<ParameterView>.stride)
        self.arrays = unsafe take(StepArrays.capacity, MemoryLayout<ArrayView>.stride)
        both = unsafe take(StepArrays.capacity, MemoryLayout<ArrayView>.stride)
        // Every array of a parameter gets as many strides as the longest of them has, and the sizes once; so do those
        // whose elements are looked at in another order, those that catch up, the two that a change is between, and a
        // gradient of other sizes.
        let each = unsafe (Run.capacity + StepArrays.mostOfStages + 1) + 2 * (Run.capacity + 1) + 2 * (Run.state + 1)
        layouts = take(totalRank, each * MemoryLayout<Int>.stride)
        catchUps = unsafe take(parameters, WorkList.bytesPerItem)
        deferred = unsafe take(parameters, DeferredSteps.bytesPerParameter)
        if totalRows > 0 {
            beginnings = unsafe take(parameters, WorkList.bytesPerItem)
            copying = take(1, StepCoefficients.capacity)
            touched = unsafe take(parameters, MemoryLayout<TouchedRows>.stride)
            rows = unsafe take(totalRows, TouchedRows.bytesPerKey)
        }
        total = end
    }
}
