// The functions that layers apply to each element. Their arithmetic is in Kernels/Activation.swift.

/// An activation; the raw values are those of martlet.h.
@frozen
public enum Activation: Int32, BitwiseCopyable, Sendable, CaseIterable {
    case linear = 0
    case relu
    case leakyReLU
    /// x Phi(x), with the normal distribution's own Phi and no approximation by tanh.
    case gelu
    case silu
    case tanh
    case sigmoid
    /// By rows: `SoftmaxRequest`. As an element's function it is the identity.
    case softmax
    case elu
    case selu
    case softplus
    case hardSigmoid
    case mish
    case exponential

    /// Whether the gradient is worked out from the output; else from the input.
    @inline(__always)
    package var derivesFromOutput: Bool {
        switch self {
        case .gelu, .silu, .mish: false
        case .linear, .relu, .leakyReLU, .tanh, .sigmoid, .softmax, .elu, .selu, .softplus, .hardSigmoid, .exponential:
            true
        }
    }
}
