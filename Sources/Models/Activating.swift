// An activation, element by element or (softmax) over the last size: a layer of its own, or the last part of another.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

final class Activating: Operation {
    let activation: Activation
    private let slope: Float
    /// Whether the operation before computes the activation with its own output.
    private let isDoneBefore: Bool

    init(_ activation: Activation, slope: Double, input: Shape, isDoneBefore: Bool) {
        self.activation = activation
        self.slope = Float(slope)
        self.isDoneBefore = isDoneBefore
        super.init(inputs: [input], output: input)
    }

    override var isView: Bool { activation == .linear }
    override var isFused: Bool { isDoneBefore }
    override var needsInput: Bool { !needsOutput }
    override var needsOutput: Bool { activation == .softmax || activation.derivesFromOutput }
    override var runsInPlace: Bool { needsOutput }
    override var gradientRunsInPlace: Bool { true }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        switch activation {
        case .linear: []
        case .softmax: [CCall(.softmax, [input.outerCount, input.last])]
        case .leakyReLU: [CCall(.leakyReLU, [input.elementCount], [CArray([slope])])]
        default: activation.function.map { [CCall($0, [input.elementCount])] }
        }
    }

    override func forward(_ pass: ForwardPass) {
        if activation == .softmax {
            unsafe pass.execution.run(
                SoftmaxRequest(
                    rows: pass.batch * input.outerCount, columns: input.last, x: pass.input, y: pass.output))
        } else {
            unsafe pass.execution.run(
                ActivationRequest(
                    activation, slope: slope, count: pass.batch * input.elementCount, x: pass.input, y: pass.output))
        }
    }

    override func backward(_ pass: BackwardPass) {
        guard let out = unsafe pass.inputGradient else { return }
        let forward = unsafe pass.forward
        if activation == .softmax {
            unsafe forward.execution.run(
                SoftmaxBackwardRequest(
                    rows: forward.batch * input.outerCount, columns: input.last, y: forward.output,
                    gradient: pass.gradient, out: out))
        } else {
            unsafe forward.execution.run(
                ActivationBackwardRequest(
                    activation, slope: slope, count: forward.batch * input.elementCount,
                    saved: activation.derivesFromOutput ? UnsafePointer(forward.output) : forward.input,
                    gradient: pass.gradient, out: out))
        }
    }
}

extension Activation {
    /// Its function of C, of those that are of one number alone.
    fileprivate var function: CFunction? {
        switch self {
        case .relu: .relu
        case .gelu: .gelu
        case .silu: .silu
        case .tanh: .tanh
        case .sigmoid: .sigmoid
        case .elu: .elu
        case .selu: .selu
        case .softplus: .softplus
        case .hardSigmoid: .hardSigmoid
        case .mish: .mish
        case .exponential: .exponential
        default: nil
        }
    }
}
