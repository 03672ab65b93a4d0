// The steps of a recurrent layer: its recurrent kernel as panels, and all steps over these.
import MartletKernelInterface

extension Execution {
    /// All steps, from the products with the inputs, which lie where the gates do, and the states before them. `weights` is
    /// the recurrent kernel. One step alone multiplies with it as it lies, to the same sums,
    /// but where what it multiplies hangs on a product.
    package func recur(_ recurrence: Recurrence, weights: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>) {
        let isOne = unsafe recurrence.steps == 1 && !recurrence.dropsStates && !recurrence.cell.resetsFirst
        if isOne {
            unsafe step(recurrence, weights)
        } else {
            unsafe arrange(recurrence, weights, isTurned: false)
        }
        unsafe run(
            RecurrenceRequest(recurrence, isBackward: false, isWhole: isOne, output: output, threads: threads))
    }

    /// All steps back, from the gradients of what came out and of the last states; the gates' gradients lie where the gates
    /// did, and where it is wanted those of the first states where the last ones' did.
    package func recurBack(
        _ recurrence: Recurrence, weights: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>,
        givesFirst: Bool
    ) {
        unsafe arrange(recurrence, weights, isTurned: true)
        unsafe run(
            RecurrenceRequest(recurrence, isBackward: true, isWhole: givesFirst, output: gradient, threads: threads))
    }

    /// The products of the first step's state.
    private func step(_ recurrence: Recurrence, _ weights: UnsafePointer<Float>) {
        let (all, joined, units) = unsafe (recurrence.gateCount, recurrence.joinedCount, recurrence.units)
        var product = unsafe MatrixProduct(
            rows: recurrence.batch, inner: units, columns: joined,
            left: Factor(base: recurrence.states, rowStride: units, columnStride: 1),
            right: Factor(base: weights, rowStride: all, columnStride: 1), out: recurrence.gates, outStride: all,
            accumulates: true)
        unsafe multiply(product)
        if joined == all { return }
        unsafe (product.columns, product.right.base) = unsafe (units, weights + joined)
        unsafe (product.out, product.outStride) = unsafe (recurrence.kept, units)
        unsafe (product.bias, product.accumulates) = unsafe (recurrence.stateBias, false)
        unsafe multiply(product)
    }

    private func arrange(_ recurrence: Recurrence, _ weights: UnsafePointer<Float>, isTurned: Bool) {
        let (all, joined) = unsafe (recurrence.gateCount, recurrence.joinedCount)
        unsafe arrange(recurrence, weights, columns: joined, isTurned, recurrence.panels)
        if joined < all {
            unsafe arrange(recurrence, weights + joined, columns: all - joined, isTurned, recurrence.otherPanels)
        }
    }

    /// Some columns of the kernel, or those turned to rows.
    private func arrange(
        _ recurrence: Recurrence, _ weights: UnsafePointer<Float>, columns: Int, _ isTurned: Bool,
        _ panels: UnsafeMutablePointer<Float>
    ) {
        let (units, all) = unsafe (recurrence.units, recurrence.gateCount)
        let one = TapLine(count: 1, firstIndex: 0, indexStep: 1, firstOffset: 0, offsetStep: 0, stride: 1)
        unsafe run(
            WeightPanelsRequest(
                weights: weights, tapsDown: one, tapsAcross: one, rowStride: 0, tapStride: 0,
                depth: isTurned ? columns : units, columns: isTurned ? units : columns,
                depthStride: isTurned ? 1 : all, columnStride: isTurned ? all : 1, panels: panels))
    }
}
