// The losses, and the requests for a model's loss and metrics row by row. Their arithmetic is in Kernels/Loss.swift and
// Kernels/Metrics.swift; which names of Keras and torch they stand for is decided where a model is built.

package enum Loss: Int32, BitwiseCopyable, Sendable, CaseIterable {
    /// From logits, by log-sum-exp.
    case crossEntropy = 1
    /// -log of p / sum p, clipped to 1e-7 from 0 and 1, as Keras does.
    case crossEntropyFromProbabilities = 2
    /// From log-probabilities.
    case nll = 3
    /// From logits; the mean over the columns, as the others from here on.
    case binaryCrossEntropy = 4
    /// Of p clipped to 1e-7 from 0 and 1, as Keras does.
    case binaryCrossEntropyFromProbabilities = 5
    case mse = 6
    case mae = 7
    case huber = 8
}

@unsafe package struct LossRequest: BitwiseCopyable {
    package var loss: Loss
    package var rows: Int
    package var columns: Int
    package var output: UnsafePointer<Float>
    /// The right column of each row; to losses of single elements, which take them of one column alone, the number
    /// wanted. Exactly one of labels and targets.
    package var labels: UnsafePointer<Int32>?
    package var targets: UnsafePointer<Float>?
    package var smoothing: Float
    /// huber: from which error on the loss is linear.
    package var delta: Float
    package var rowLoss: UnsafeMutablePointer<Float>
    /// Of the mean over rows.
    package var gradient: UnsafeMutablePointer<Float>?
    package var cut: Cut

    package init(
        _ loss: Loss, rows: Int, columns: Int, output: UnsafePointer<Float>, labels: UnsafePointer<Int32>?,
        targets: UnsafePointer<Float>?, smoothing: Float, delta: Float, rowLoss: UnsafeMutablePointer<Float>,
        gradient: UnsafeMutablePointer<Float>?
    ) {
        unsafe self.loss = loss
        unsafe self.rows = rows
        unsafe self.columns = columns
        unsafe self.output = unsafe output
        unsafe self.labels = unsafe labels
        unsafe self.targets = unsafe targets
        unsafe self.smoothing = smoothing
        unsafe self.delta = delta
        unsafe self.rowLoss = unsafe rowLoss
        unsafe self.gradient = unsafe gradient
        unsafe cut = Cut(columns == 0 ? 0 : rows, by: 2048 / max(columns, 1))
    }
}

/// rowAccuracy and rowErrors.
@unsafe package struct MetricRequest: BitwiseCopyable {
    package var columns: Int
    package var output: UnsafePointer<Float>
    package var labels: UnsafePointer<Int32>?
    package var targets: UnsafePointer<Float>?
    /// How many of the largest outputs count as an answer.
    package var top: Int
    /// With one column: an output above it says yes.
    package var threshold: Float
    /// rowErrors: squares, else magnitudes.
    package var squared: Bool
    package var out: UnsafeMutablePointer<Float>
    package var cut: Cut

    package init(
        rows: Int, columns: Int, output: UnsafePointer<Float>, labels: UnsafePointer<Int32>?,
        targets: UnsafePointer<Float>?, top: Int, threshold: Float, squared: Bool, out: UnsafeMutablePointer<Float>
    ) {
        unsafe self.columns = columns
        unsafe self.output = unsafe output
        unsafe self.labels = unsafe labels
        unsafe self.targets = unsafe targets
        unsafe self.top = top
        unsafe self.threshold = threshold
        unsafe self.squared = squared
        unsafe self.out = unsafe out
        unsafe cut = Cut(columns == 0 ? 0 : rows, by: 8192 / max(columns, 1))
    }
}
