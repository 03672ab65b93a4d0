// The request for a model's loss row by row: what it comes to over a batch or an epoch is the models' business. The
// arithmetic is in Kernels/Loss.swift and Kernels/ElementLoss.swift.

/// What some losses are told.
package struct LossNumbers: BitwiseCopyable, Sendable {
    /// Losses of whole rows: the share that is spread over all columns. Binary cross-entropies: the share of 1/2.
    package let smoothing: Float
    /// huber: from which error on the loss is linear.
    package let delta: Float
    /// Focal losses: the power of 1 - p, and what the loss is multiplied by; of the binary one, where 1 is wanted, and by 1
    /// less that where 0 is, but for a negative one, which does neither.
    package let gamma: Float
    package let alpha: Float
    /// What gradients are multiplied by.
    package let weight: Float

    package init(smoothing: Float = 0, delta: Float = 1, gamma: Float = 2, alpha: Float = -1, weight: Float = 1) {
        (self.smoothing, self.delta, self.gamma, self.alpha, self.weight) = (smoothing, delta, gamma, alpha, weight)
    }
}

/// The loss of each row (for losses of single elements the mean over its columns), and the gradient of the mean over rows,
/// if it is wanted. Outputs and targets are rows x columns; exactly one of labels and targets is given.
@unsafe package struct LossRequest: PieceRequest {
    package static var kernel: Kernel { .loss }
    package let loss: Loss
    package let rows: Int
    package let columns: Int
    package let output: UnsafePointer<Float>
    /// The right column of each row, in 0..<columns; to losses of single elements, which take them of one column alone,
    /// the number wanted.
    package let labels: UnsafePointer<Int32>?
    package let targets: UnsafePointer<Float>?
    package let numbers: LossNumbers
    /// What each row's loss and gradient are multiplied by; nil: ones. What weighs 0 counts 0, whatever it is.
    package let weights: UnsafePointer<Float>?
    package let rowLoss: UnsafeMutablePointer<Float>
    package let gradient: UnsafeMutablePointer<Float>?
    package let cut: Cut

    package init(
        _ loss: Loss, rows: Int, columns: Int, output: UnsafePointer<Float>, labels: UnsafePointer<Int32>?,
        targets: UnsafePointer<Float>?, _ numbers: LossNumbers = LossNumbers(), weights: UnsafePointer<Float>? = nil,
        rowLoss: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>?
    ) {
        unsafe (self.loss, self.rows, self.columns) = (loss, rows, columns)
        unsafe (self.output, self.labels, self.targets) = unsafe (output, labels, targets)
        unsafe self.numbers = numbers
        unsafe self.weights = unsafe weights
        unsafe (self.rowLoss, self.gradient) = unsafe (rowLoss, gradient)
        unsafe cut = Cut(rows, of: columns, about: 2048)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * (2 * columns + 30) }
}
