/// Coefficients of one Schedule-Free step; the equation stands in Rules/ScheduleFreeRule.swift.
package struct ScheduleFreeCoefficients: BitwiseCopyable {
    package var beta2 = 0.0
    package var rootScale = 1.0
    package var eps = 0.0
    /// Weight decay that is added to the update.
    package var l2 = 0.0
    /// The weight of z in the average.
    package var c = 0.0
    package var valueRate = 0.0
    package var rate = 0.0
    /// 1: divide by the second moment.
    package var isAdaptive = 0
    /// 1: z starts as y.
    package var isFirst = 0

    package init() {}
}
