// Products of matrices.
import MartletKernelInterface

extension Execution {
    /// Does a product; its sizes and addresses have been checked.
    package func multiply(_ product: MatrixProduct) {
        let p = unsafe product
        for row in unsafe 0..<p.rows {
            for column in unsafe 0..<p.columns {
                var sum: Float = 0
                for k in unsafe 0..<p.inner {
                    unsafe sum +=
                        p.left.base[row * p.left.rowStride + k * p.left.columnStride]
                        * p.right.base[k * p.right.rowStride + column * p.right.columnStride]
                }
                let place = unsafe p.out + (row * p.outStride + column)
                if unsafe p.accumulates {
                    unsafe place.pointee += sum
                } else {
                    if let bias = unsafe p.bias { unsafe sum += bias[column] }
                    unsafe place.pointee = unsafe p.epilogue == .relu && sum < 0 ? 0 : sum
                }
            }
        }
    }
}
