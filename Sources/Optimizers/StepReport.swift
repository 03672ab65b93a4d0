/// What a step did.
@frozen
public struct StepReport: Sendable {
    /// Parameters left as they were for want of a gradient.
    public var skipped = 0
    /// The norm of all gradients that were looked at, of the loss without its scale; NaN: none was.
    public var gradientNorm = Double.nan
    /// The place of the first parameter whose gradient was found not to be finite; -1: none.
    public var nonfinite = -1
    /// The norm of what the step has changed of the parameters of which it was asked for; NaN: of none.
    public var updateNorm = Double.nan
    /// Whether no step was taken for that.
    public var isDropped = false

    package init(skipped: Int = 0) { self.skipped = skipped }
}
