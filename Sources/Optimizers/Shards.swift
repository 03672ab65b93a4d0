// A step of parameters of which this process has a part each, as ranks of a distributed run have: what passes sum over a
// parameter is handed to the caller, who adds it up over all parts.

/// Adds numbers up over all parts, in place; false where that failed. Called on the thread that steps, between passes.
public typealias Reduction = (UnsafeMutableBufferPointer<Double>) -> Bool

extension StepPlan {
    /// What of a parameter is added up before each pass but the first: its two sums, and how many elements they are over.
    static var totalsPerParameter: Int { 3 }
}

extension Algorithm {
    /// Whether a part of a parameter can be stepped by itself, but for what is summed over all parts.
    var takesShards: Bool { !seesMatrices && !takesMatricesAlone }
}
