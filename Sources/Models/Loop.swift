// What a walk over samples is told, what it tells meanwhile, and what it gives.
import Glibc

/// How far a walk has come.
public struct Progress: Sendable {
    public var epoch = 0
    public var epochs = 1
    /// Batches done in this epoch, and in all of it.
    public var batch = 0
    public var batches = 0
    /// Samples done in this epoch.
    public var samples = 0
    /// Means over this epoch's samples so far, of the first output the accuracy; NaN where there are none.
    public var loss = Double.nan
    public var accuracy = Double.nan
    /// Since the call.
    public var seconds = 0.0
}

/// How fit, evaluate and predict walk over their samples.
public struct Loop {
    public var epochs = 1
    /// 0: that of `compile`, 32 before it.
    public var batchSize = 0
    public var keepsOrder = false
    /// Called after each batch; false stops. Inside it the model may be read, and predict.
    public var progress: ((Progress) -> Bool)?

    public init() {}
}

/// What training or evaluating gave.
public struct Outcome {
    public var epochs = 0
    /// Of the last epoch that was begun: the loss of all outputs, and the metrics of the first.
    public var score: Score
    /// After that epoch; nil without data for it, and where the epoch was stopped.
    public var validation: Score?
    public var isStopped = false

    package init(score: Score) { self.score = score }
}

/// Seconds since it was made.
struct Stopwatch {
    private let start = Stopwatch.now

    var seconds: Double { Stopwatch.now - start }

    private static var now: Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
