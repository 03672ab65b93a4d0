// y = x kernel + bias over the last size; what stands before it counts as more samples.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class Dense: Weighted {
    private let features: Int
    /// Rows of a sample.
    private let outer: Int

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        (features, outer) = (input.last, input.outerCount)
        try super.init(
            layer, kernel: [features, layer.units], input: input,
            output: input.replacingLast(with: layer.units, "\(subject)'s output"), subject)
    }

    private func rows(_ batch: Int) -> Int { batch * outer }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        let rows = [outer, 1, features, outer, 1, 1, 1, 1, 1, 1, 1, 0, 0]
        return [
            unsafe CCall(window: rows, filters: units, bias: bias(behind: parameters)) { [units] (_, row, unit) in
                unsafe parameters[row * units + unit]
            }
        ]
    }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.execution.multiply(
            MatrixProduct(
                rows: rows(pass.batch), inner: features, columns: units,
                left: Factor(base: pass.input, rowStride: features, columnStride: 1),
                right: Factor(base: pass.parameters, rowStride: units, columnStride: 1),
                out: pass.output, outStride: units, bias: bias(pass.parameters).map { unsafe UnsafePointer($0) },
                epilogue: epilogue, accumulates: false))
    }

    override func backward(_ pass: BackwardPass) {
        let forward = unsafe pass.forward
        let rows = unsafe rows(forward.batch)
        if let kernelGradient = unsafe pass.parameterGradients {
            unsafe forward.execution.multiply(
                MatrixProduct(
                    rows: features, inner: rows, columns: units,
                    left: Factor(base: forward.input, rowStride: 1, columnStride: features),
                    right: Factor(base: pass.gradient, rowStride: units, columnStride: 1),
                    out: kernelGradient, outStride: units, bias: nil, epilogue: .none, accumulates: false))
        }
        unsafe biasBackward(pass, rows: rows)
        guard let inputGradient = unsafe pass.inputGradient else { return }
        unsafe forward.execution.multiply(
            MatrixProduct(
                rows: rows, inner: units, columns: features,
                left: Factor(base: pass.gradient, rowStride: units, columnStride: 1),
                right: Factor(base: forward.parameters, rowStride: 1, columnStride: units),
                out: inputGradient, outStride: features, bias: nil, epilogue: .none, accumulates: false))
    }
}
