// The requests for an activation of each element and its gradient. The arithmetic is in Kernels/Activation.swift.

/// y = f(x). x and y may be one array.
@unsafe package struct ActivationRequest: PieceRequest {
    package static var kernel: Kernel { .activation }
    package let activation: Activation
    /// leakyReLU's factor of what is below 0, not negative.
    package let slope: Float
    package let x: UnsafePointer<Float>
    package let y: UnsafeMutablePointer<Float>
    package let cut: Cut

    package init(
        _ activation: Activation, slope: Float, count: Int, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.activation, self.slope, self.x, self.y) = unsafe (activation, slope, x, y)
        unsafe cut = Cut(count, by: 8192)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int { unsafe cut.count * activation.nanoseconds / 16 }
}

/// out = gradient * f'. `out` may be `gradient`.
@unsafe package struct ActivationBackwardRequest: PieceRequest {
    package static var kernel: Kernel { .activationBackward }
    package let activation: Activation
    package let slope: Float
    /// The output, or the input, as `derivesFromOutput` says.
    package let saved: UnsafePointer<Float>
    package let gradient: UnsafePointer<Float>
    package let out: UnsafeMutablePointer<Float>
    package let cut: Cut

    package init(
        _ activation: Activation, slope: Float, count: Int, saved: UnsafePointer<Float>, gradient: UnsafePointer<Float>,
        out: UnsafeMutablePointer<Float>
    ) {
        unsafe (self.activation, self.slope) = (activation, slope)
        unsafe (self.saved, self.gradient, self.out) = unsafe (saved, gradient, out)
        unsafe cut = Cut(count, by: 8192)
    }

    package var pieces: Int { unsafe cut.pieces }
    package var nanoseconds: Int {
        unsafe cut.count * (activation.derivesFromOutput ? 3 : activation.nanoseconds) / 16
    }
}

extension Activation {
    /// About how many sixteen elements take.
    fileprivate var nanoseconds: Int {
        switch self {
        case .linear, .relu, .leakyReLU, .softmax, .hardSigmoid: 3
        case .silu, .tanh, .sigmoid, .elu, .selu, .exponential: 8
        case .gelu, .softplus, .mish: 14
        }
    }
}
