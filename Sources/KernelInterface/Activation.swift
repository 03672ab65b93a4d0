// The functions that layers apply to each element, and the request for one of them or its gradient. Their arithmetic is
// in Kernels/Activation.swift.

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
    /// By rows: `Execution.softmax`. As an element's function it is the identity.
    case softmax

    /// Whether the gradient is worked out from the output; else from the input.
    @inline(__always)
    package var derivesFromOutput: Bool {
        switch self {
        case .gelu, .silu: false
        case .linear, .relu, .leakyReLU, .tanh, .sigmoid, .softmax: true
        }
    }
}

/// y = f(x), or y = f'(saved) * x. x and y may be one array.
@unsafe package struct ActivationRequest: BitwiseCopyable {
    package var activation: Activation
    /// leakyReLU's factor of what is below 0, not negative.
    package var slope: Float
    package var x: UnsafePointer<Float>
    /// Output or input, as `derivesFromOutput` says; not read by the function itself.
    package var saved: UnsafePointer<Float>
    package var y: UnsafeMutablePointer<Float>
    package var cut: Cut

    package init(
        _ activation: Activation, slope: Float, count: Int, x: UnsafePointer<Float>, saved: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>
    ) {
        unsafe self.activation = activation
        unsafe self.slope = slope
        unsafe self.x = unsafe x
        unsafe self.saved = unsafe saved
        unsafe self.y = unsafe y
        unsafe cut = Cut(count, by: 8192)
    }
}
