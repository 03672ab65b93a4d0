// What dense layers and convolutions share: a kernel and a bias, how they start, and ReLU in the product's own loop.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// An operation with a kernel, whose last two sizes initialisers take for inputs and outputs, and a bias for each unit.
/// Subclasses compute.
class Weighted: Operation {
    let units: Int
    private let hasBias: Bool
    private let layer: Layer
    private let kernel: Shape
    private let bias: Shape
    /// What the product does to its sums.
    private(set) var epilogue = Epilogue.none

    /// Throws `.shape` where the kernel is too large; `subject` is what messages call the layer.
    init(_ layer: Layer, kernel sizes: [Int], input: Shape, output: Shape, _ subject: String) throws(MartletError) {
        self.layer = layer
        units = output.last
        hasBias = !layer.flags.contains(.noBias)
        kernel = try Shape(sizes, "\(subject)'s kernel")
        bias = try Shape([units], "\(subject)'s bias")
        super.init(inputs: [input], output: output)
    }

    override var parameters: [ArrayDescription] {
        let fanIn = kernel.outerCount
        let fanOut = kernel.outerCount / kernel[kernel.rank - 2] * kernel.last
        let first = ArrayDescription(
            name: "kernel", shape: kernel, initializer: layer.kernelInitializer, value: layer.kernelValue,
            fanIn: fanIn, fanOut: fanOut)
        let second = ArrayDescription(
            name: "bias", shape: bias, initializer: layer.biasInitializer, value: layer.biasValue, fanIn: units,
            fanOut: units)
        return hasBias ? [first, second] : [first]
    }

    override var needsInput: Bool { true }

    override func fuse(_ activation: Activation) -> Bool {
        if activation == .relu { epilogue = .relu }
        return activation == .relu
    }

    /// The bias behind a kernel.
    func bias(behind kernel: UnsafePointer<Float>) -> UnsafePointer<Float>? {
        unsafe hasBias ? kernel + self.kernel.elementCount : nil
    }

    /// Where the bias, or its gradient, lies behind the kernel's; nil where there is none.
    func bias(_ base: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float>? {
        unsafe hasBias ? base + kernel.elementCount : nil
    }

    /// The bias's gradient: each unit's sum over `rows` rows.
    func biasBackward(_ pass: BackwardPass, rows: Int) {
        guard let all = unsafe pass.parameterGradients, let out = unsafe bias(all) else { return }
        unsafe pass.forward.execution.columnSums(rows: rows, columns: units, x: pass.gradient, out: out)
    }
}
