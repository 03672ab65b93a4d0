// The rows of orthogonal matrices divided by the root of an average of their mean squares, as NorMuon (Li, Liu, Liang, Chen
// and Zhao, arXiv:2510.05491) has it:
//     v = v + (1 - beta2) (the mean of o^2 along the row - v),  o / (sqrt(v) + eps), times what leaves the matrix its norm
// What is multiplied by comes of the rows' sums, so that the numbers are read twice and written once.
import MartletKernelInterface

/// What the rows of some matrices are divided by.
@unsafe package struct RowNormalization: BitwiseCopyable {
    /// v, a number for each row of each matrix, in fp32 or fp64.
    private let average: Operand
    private let beta2, eps: Double

    package init(average: Operand, beta2: Double, eps: Double) {
        unsafe (self.average, self.beta2, self.eps) = unsafe (average, beta2, eps)
    }

    /// Moves on v from its row `first` on, and multiplies the numbers. `memory`: two numbers for each row.
    func run(
        _ form: Orthogonalization, numbers: UnsafeMutableRawPointer, first: Int, memory: UnsafeMutablePointer<Double>,
        _ execution: Execution
    ) {
        let (rows, columns) = unsafe (form.rows, form.columns)
        let sums = unsafe memory
        unsafe execution.run(
            RowSquaresRequest(rows: rows, columns: columns, from: numbers, isDouble: form.isDouble, sums: sums))
        let scales = unsafe memory + rows
        var before = 0.0
        var after = 0.0
        for row in 0..<rows {
            let sum = unsafe sums[row]
            let root = unsafe average(sum / Double(columns), at: first + row).squareRoot() + eps
            let scale = root == 0 ? 0 : 1 / root
            unsafe scales[row] = scale
            before += sum
            after += sum * scale * scale
        }
        // A matrix of zeros stays one.
        let scale = after == 0 ? 0 : (before / after).squareRoot()
        unsafe execution.run(
            TurnRequest(
                rows: rows, columns: columns, from: numbers, fromDouble: form.isDouble, fromStride: columns,
                to: numbers, toDouble: form.isDouble, toStride: columns, turns: false, scale: scale, rowScales: scales))
    }

    /// Moves one average on.
    private func average(_ mean: Double, at row: Int) -> Double {
        if unsafe average.type == .fp64 {
            let place = unsafe average.base.assumingMemoryBound(to: Double.self) + row
            unsafe place.pointee += (1 - beta2) * (mean - place.pointee)
            return unsafe place.pointee
        }
        let place = unsafe average.base.assumingMemoryBound(to: Float.self) + row
        let old = unsafe Double(place.pointee)
        unsafe place.pointee = Float(old + (1 - beta2) * (mean - old))
        return unsafe Double(place.pointee)
    }
}
