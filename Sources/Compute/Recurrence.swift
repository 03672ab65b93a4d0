// The steps of a recurrent layer: its recurrent kernel as panels, and all steps over these.
import MartletKernelInterface

extension Execution {
    /// All steps, from the products with the inputs, which lie where the gates do. `weights` is the recurrent kernel.
    package func recur(_ recurrence: Recurrence, weights: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>) {
        unsafe arrange(recurrence, weights, isTurned: false)
        unsafe run(RecurrenceRequest(recurrence, isBackward: false, output: output, threads: threads))
    }

    /// All steps back, from the gradient of what came out; the gates' gradients lie where the gates did.
    package func recurBack(
        _ recurrence: Recurrence, weights: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>
    ) {
        unsafe arrange(recurrence, weights, isTurned: true)
        unsafe run(RecurrenceRequest(recurrence, isBackward: true, output: gradient, threads: threads))
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
