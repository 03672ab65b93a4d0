// y = scale (x - mean) / sqrt(variance + epsilon) + shift, with the mean and variance of each row, the last size.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class LayerNorm: Operation {
    private let epsilon: Float
    private let columns: Shape
    private let hasScale: Bool
    private let hasShift: Bool

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        epsilon = Float(layer.epsilon)
        columns = try Shape([input.last], subject)
        hasScale = !layer.flags.contains(.noScale)
        hasShift = !layer.flags.contains(.noBias)
        super.init(inputs: [input], output: input)
    }

    override var parameters: [ArrayDescription] {
        let scale = ArrayDescription(name: "gamma", shape: columns, initializer: .constant, value: 1)
        let shift = ArrayDescription(name: "beta", shape: columns)
        return (hasScale ? [scale] : []) + (hasShift ? [shift] : [])
    }

    override var needsInput: Bool { true }
    /// The scale's gradient is worked out there.
    override var givesInputGradient: Bool { hasScale }
    override func savedCount(batch: Int) -> Int { 2 * batch * input.outerCount }

    private func scale(_ base: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float>? {
        unsafe hasScale ? base : nil
    }

    private func shift(_ base: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float>? {
        unsafe hasShift ? base + (hasScale ? columns.last : 0) : nil
    }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.execution.run(
            LayerNormRequest(
                rows: pass.batch * input.outerCount, columns: columns.last, epsilon: epsilon, x: pass.input,
                scale: scale(pass.parameters).map { unsafe UnsafePointer($0) },
                shift: shift(pass.parameters).map { unsafe UnsafePointer($0) }, saved: pass.saved, y: pass.output))
    }

    override func backward(_ pass: BackwardPass) {
        let forward = unsafe pass.forward
        let (rows, columns) = unsafe (forward.batch * input.outerCount, columns.last)
        if let base = unsafe pass.parameterGradients {
            if let out = unsafe shift(base) {
                unsafe forward.execution.columnSums(rows: rows, columns: columns, x: pass.gradient, out: out)
            }
            if let out = unsafe scale(base), let products = unsafe pass.inputGradient {
                unsafe forward.execution.run(
                    LayerNormProductsRequest(
                        rows: rows, columns: columns, x: forward.input, saved: forward.saved, gradient: pass.gradient,
                        out: products))
                unsafe forward.execution.columnSums(rows: rows, columns: columns, x: products, out: out)
            }
        }
        guard let out = unsafe pass.inputGradient else { return }
        unsafe forward.execution.run(
            LayerNormBackwardRequest(
                rows: rows, columns: columns, x: forward.input,
                scale: scale(forward.parameters).map { unsafe UnsafePointer($0) }, saved: forward.saved,
                gradient: pass.gradient, out: out))
    }
}
