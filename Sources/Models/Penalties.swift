// Penalties on layers' kernels, or tables: what they add to the loss, and to the gradients.
import MartletCompute
import MartletKernelInterface

/// l1 sum |w| + l2 sum w^2, over one kernel.
struct Penalty {
    let offset: Int
    let count: Int
    let l1: Double
    let l2: Double
}

extension Model {
    /// Those of layers that are trained, and that lead to some values.
    func penalties(_ views: [View], of scored: [Int]) -> [Penalty] {
        let leads = graph.leading(to: scored)
        return views.compactMap { view in
            let layer = nodes[view.node].layer
            guard layer.l1 > 0 || layer.l2 > 0, !view.isFrozen else { return nil }
            // The kernel is the first of its operation's arrays.
            let isKernel = graph.steps.contains {
                !$0.operation.parameters.isEmpty && $0.firstParameter == view.offset && leads[$0.output]
            }
            guard isKernel else { return nil }
            return Penalty(offset: view.offset, count: view.shape.elementCount, l1: layer.l1, l2: layer.l2)
        }
    }
}

extension Trainer {
    /// What all of them come to.
    func penalty(_ built: Built, _ execution: Execution) -> Double {
        var sum = 0.0
        for penalty in penalties {
            let kernel = unsafe UnsafePointer(built.parameters.base + penalty.offset)
            if penalty.l1 > 0 {
                unsafe sum += penalty.l1 * execution.sumOfMagnitudes(count: penalty.count, x: kernel)
            }
            if penalty.l2 > 0 { unsafe sum += penalty.l2 * execution.sumOfSquares(count: penalty.count, x: kernel) }
        }
        return sum
    }

    /// Adds their gradients, l1 sign(w) + 2 l2 w, to those of the loss.
    func addPenalties(_ built: Built, _ execution: Execution) {
        for penalty in penalties {
            let gradient = unsafe gradients.base + penalty.offset
            unsafe execution.run(
                CombinationRequest(
                    .penalty, count: penalty.count, gradient, built.parameters.base + penalty.offset, out: gradient,
                    first: Float(penalty.l1), second: Float(2 * penalty.l2)))
        }
    }
}
