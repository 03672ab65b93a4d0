// The requests for a model's metrics row by row. Outputs and targets are rows x columns. The arithmetic is in
// Kernels/Metrics.swift.

/// 1 for each row whose label, or the first largest of its targets, is among the `top` largest outputs, else 0. Of equal
/// outputs the earlier is the larger; NaN is larger than any number, and never right. With one column: whether the output
/// is above `threshold` where the label is 1, or the target above 1/2.
@unsafe package struct RowAccuracyRequest: PieceRequest {
    package static var kernel: Kernel { .rowAccuracy }
    package let columns: Int
    package let output: UnsafePointer<Float>
    /// The right column of each row. Exactly one of labels and targets is given.
    package let labels: UnsafePointer<Int32>?
    package let targets: UnsafePointer<Float>?
    package let top: Int
    package let threshold: Float
    package let out: UnsafeMutablePointer<Float>
    package let cut: Cut

    package init(
        rows: Int, columns: Int, output: UnsafePointer<Float>, labels: UnsafePointer<Int32>?,
        targets: UnsafePointer<Float>?, top: Int, threshold: Float, out: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.columns, self.top, self.threshold) = (columns, top, threshold)
        unsafe (self.output, self.labels, self.targets, self.out) = unsafe (output, labels, targets, out)
        unsafe cut = Cut(rows, of: columns, about: 8192)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * (columns / 4 + 20) }
}

/// The mean of the squared errors of each row, or of their magnitudes.
@unsafe package struct RowErrorsRequest: PieceRequest {
    package static var kernel: Kernel { .rowErrors }
    package let columns: Int
    package let output: UnsafePointer<Float>
    package let targets: UnsafePointer<Float>
    /// Squares, else magnitudes.
    package let squared: Bool
    package let out: UnsafeMutablePointer<Float>
    package let cut: Cut

    package init(
        rows: Int, columns: Int, output: UnsafePointer<Float>, targets: UnsafePointer<Float>, squared: Bool,
        out: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.columns, self.output, self.targets) = unsafe (columns, output, targets)
        unsafe (self.squared, self.out) = unsafe (squared, out)
        unsafe cut = Cut(rows, of: columns, about: 8192)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * (columns / 4 + 20) }
}
