// The steps of a recurrent layer: its recurrent kernel as panels, and all steps over these.
import MartletKernelInterface

extension Execution {
    /// All steps, from the products with the inputs, which lie where the gates do. `weights` is the recurrent kernel.
    package func recur(
        _ recurrence: Recurrence, weights: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>
    ) {
        unsafe arrange(recurrence, weights, isTurned: false)
        unsafe run(RecurrenceRequest(recurrence, output: output, threads: threads))
    }

    /// All steps back, from the gradient of what came out; the gates' gradients lie where the gates did.
    package func recurBack(
        _ recurrence: Recurrence, weights: UnsafePointer<Float>, gradient: UnsafePointer<Float>
    ) {
        unsafe arrange(recurrence, weights, isTurned: true)
        unsafe run(RecurrenceBackwardRequest(recurrence, gradient: gradient, threads: threads))
    }

    private func arrange(_ recurrence: Recurrence, _ weights: UnsafePointer<Float>, isTurned: Bool) {
        let (units, gates) = unsafe (recurrence.shape.units, recurrence.shape.gates)
        let one = TapLine(count: 1, firstIndex: 0, indexStep: 1, firstOffset: 0, offsetStep: 0, stride: 1)
        unsafe run(
            WeightPanelsRequest(
                weights: weights, tapsDown: one, tapsAcross: one, rowStride: 0, tapStride: 0,
                depth: isTurned ? gates : units, columns: isTurned ? units : gates,
                depthStride: isTurned ? 1 : gates, columnStride: isTurned ? gates : 1, panels: recurrence.panels))
    }
}
