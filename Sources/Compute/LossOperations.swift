// A model's loss and metrics, row by row: what they come to over a batch or an epoch is the models' business. Outputs
// and targets are rows x columns; labels are one number for each row, in 0..<columns. Nothing is checked.
import MartletKernelInterface

extension Execution {
    /// The loss of each row (for mse, mae, huber and binary cross-entropy the mean over its columns), and the gradient of
    /// the mean over rows, if it is wanted. Exactly one of labels and targets is given. Labels stand for targets of one 1
    /// and otherwise 0; with a single column, for the number itself.
    ///
    /// - Parameters:
    ///   - smoothing: cross-entropies and nll: the share that is spread over all classes. Binary: the share of 1/2.
    ///   - delta: huber's.
    package func loss(
        _ loss: Loss, rows: Int, columns: Int, output: UnsafePointer<Float>, labels: UnsafePointer<Int32>?,
        targets: UnsafePointer<Float>?, smoothing: Float, delta: Float, rowLoss: UnsafeMutablePointer<Float>,
        gradient: UnsafeMutablePointer<Float>?
    ) {
        var request = unsafe LossRequest(
            loss, rows: rows, columns: columns, output: output, labels: labels, targets: targets,
            smoothing: smoothing, delta: delta, rowLoss: rowLoss, gradient: gradient)
        let pieces = unsafe request.cut.pieces
        unsafe run(.loss, on: &request, pieces: pieces, nanoseconds: rows * (2 * columns + 30))
    }

    /// 1 for each row whose label, or the first largest of its targets, is among the `top` largest outputs, else 0. Of
    /// equal outputs the earlier is the larger; NaN is larger than any number, and never right. With one column: whether
    /// the output is above `threshold` where the label is 1, or the target above 1/2.
    package func rowAccuracy(
        rows: Int, columns: Int, output: UnsafePointer<Float>, labels: UnsafePointer<Int32>?,
        targets: UnsafePointer<Float>?, top: Int, threshold: Float, out: UnsafeMutablePointer<Float>
    ) {
        var request = unsafe MetricRequest(
            rows: rows, columns: columns, output: output, labels: labels, targets: targets, top: top,
            threshold: threshold, squared: false, out: out)
        let pieces = unsafe request.cut.pieces
        unsafe run(.rowAccuracy, on: &request, pieces: pieces, nanoseconds: rows * (columns / 4 + 20))
    }

    /// The mean of the squared errors of each row, or of their magnitudes.
    package func rowErrors(
        rows: Int, columns: Int, output: UnsafePointer<Float>, targets: UnsafePointer<Float>, squared: Bool,
        out: UnsafeMutablePointer<Float>
    ) {
        var request = unsafe MetricRequest(
            rows: rows, columns: columns, output: output, labels: nil, targets: targets, top: 1, threshold: 0,
            squared: squared, out: out)
        let pieces = unsafe request.cut.pieces
        unsafe run(.rowErrors, on: &request, pieces: pieces, nanoseconds: rows * (columns / 4 + 20))
    }
}
